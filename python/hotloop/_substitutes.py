# SPDX-License-Identifier: MIT
"""Methods of Loop: transports, also over objects that only behave like a socket.

Test tools put such objects in the place of socket.socket. The C transports read and write a
descriptor; what has none worth the name gets asyncio's own transport, which calls the object's
methods and asks our loop to watch its fileno().
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
import weakref
from asyncio import trsock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .loop import Loop

# The real ones: programs and tests put others in their places.
_SOCKETS = (socket.socket, trsock.TransportSocket)


def is_socket(sock: Any) -> bool:
    """Is it really one? A mock says so of itself to isinstance()."""
    return issubclass(type(sock), _SOCKETS)


def open_transport(
    loop: Loop, protocol: asyncio.BaseProtocol, sock: Any, *, waiter: Any, dup: bool
) -> asyncio.Transport:
    """Return a transport over a connected socket, or over what stands for one.

    `waiter` is resolved after connection_made(); with `dup` a transport of ours works on a copy
    of the descriptor.
    """
    if is_socket(sock):
        return loop._open_stream(protocol, sock, waiter=waiter, dup=dup)
    transport: asyncio.Transport = loop._make_socket_transport(sock, protocol, waiter)
    return transport


def make_socket_transport(
    self: Loop,
    sock: Any,
    protocol: asyncio.BaseProtocol,
    waiter: Any = None,
    *,
    extra: Any = None,
    server: Any = None,
    context: contextvars.Context | None = None,
) -> Any:
    """Return a transport over a connected socket. asyncio's private name.

    `extra` is more extra info, or None; it is heeded for what is no socket.socket. The
    protocol is called in a copy of `context`, or of the current one.
    """
    if context is not None:
        return context.copy().run(
            make_socket_transport, self, sock, protocol, waiter, extra=extra, server=server
        )
    if is_socket(sock):
        return self._open_stream(protocol, sock, waiter=waiter, server=server)
    make = _stdlib_transport(self, "_SelectorSocketTransport")
    return make(self, sock, protocol, waiter, extra, server)


def make_datagram_transport(
    self: Loop, sock: Any, protocol: Any, address: Any = None, waiter: Any = None, extra: Any = None
) -> Any:
    """Return asyncio's datagram transport over what stands for a socket. Its private name."""
    make = _stdlib_transport(self, "_SelectorDatagramTransport")
    return make(self, sock, protocol, address, waiter, extra)


def _stdlib_transport(loop: Loop, name: str) -> Any:
    from asyncio import selector_events  # here: hardly any program comes this way

    if not hasattr(loop, "_transports"):
        loop._transports = weakref.WeakValueDictionary()
    return vars(selector_events)[name]
