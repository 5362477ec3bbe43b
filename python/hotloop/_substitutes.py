# SPDX-License-Identifier: MIT
"""Methods of Loop: transports and servers over objects that only behave like a socket.

Test tools put such objects in the place of socket.socket. The C transports read and write a
descriptor; what has none worth the name gets asyncio's own transport, which calls the object's
methods and asks our loop to watch its fileno(). A listening socket with an accept() of its own,
as a subclass may have it, is asked for each connection.
"""

from __future__ import annotations

import asyncio
import contextvars
import errno
import socket
import weakref
from asyncio import constants, trsock
from asyncio.log import logger
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _compat
from ._tls import TlsOptions, server_options, wrap_factory, wrap_foreign_factory

if TYPE_CHECKING:
    from .loop import Loop

# The real ones: programs and tests put others in their places.
_SOCKETS = (socket.socket, trsock.TransportSocket)
_ACCEPT: Any = socket.socket.accept
_RAN_OUT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


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


# Accepting by the socket's own accept()


def accepts_by_itself(sock: Any) -> bool:
    """Has this listening socket an accept() that is not socket.socket's?"""
    return not is_socket(sock) or getattr(sock.accept, "__func__", None) is not _ACCEPT


class AskingListener:
    """Watches a listening socket and asks it for each connection; as a `_core.Listener` to use.

    `accept` is what `_accept_connection` takes beside the socket and the context.
    """

    def __init__(self, loop: Loop, factory: Callable[[], Any], sock: Any, *accept: Any) -> None:
        self._loop = loop
        self._sock = sock
        self._arguments = (factory, sock, *accept, contextvars.copy_context())
        self._fd = -1

    def start(self) -> None:
        """Accept connections from now on."""
        if self._fd == -1:
            self._fd = self._sock.fileno()
            self._loop._add_reader(self._fd, self._loop._accept_connection, *self._arguments)

    def close(self) -> None:
        """Accept no more; the socket stays the caller's."""
        if self._fd != -1:
            self._loop._remove_reader(self._fd)


def accept_connection(
    self: Loop,
    protocol_factory: Callable[[], Any],
    sock: Any,
    sslcontext: Any = None,
    server: Any = None,
    backlog: int = 100,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    context: contextvars.Context | None = None,
) -> None:
    """Accept what waits at a listening socket: `backlog` connections and one. asyncio's name.

    Each gets a transport, attached to `server` if that is not None, and a protocol, which is
    called in a copy of `context`, or of the current one. When something has run out that is
    reported, and the socket is watched again after a second.
    """
    tls = server_options(sslcontext, ssl_handshake_timeout, ssl_shutdown_timeout)
    for _ in range(backlog + 1):
        try:
            conn, address = sock.accept()
            if self.get_debug():
                logger.debug("%r got a new connection from %r: %r", server, address, conn)
            conn.setblocking(False)
        except ConnectionAbortedError:
            continue
        except (BlockingIOError, InterruptedError):
            return
        except OSError as exc:
            if exc.errno not in _RAN_OUT:
                raise
            _report_what_ran_out(self, exc, sock)
            self._remove_reader(sock.fileno())
            more: list[Any] = [backlog, ssl_handshake_timeout, ssl_shutdown_timeout]
            if _compat.ACCEPTING_TAKES_A_CONTEXT:
                more.append(context)
            self.call_later(
                constants.ACCEPT_RETRY_DELAY,
                self._accept_again,
                protocol_factory,
                sock,
                sslcontext,
                server,
                *more,
            )
            return
        inside = contextvars.copy_context() if context is None else context.copy()
        inside.run(_welcome, self, protocol_factory, conn, address, tls, server)


def accept_again(
    self: Loop,
    protocol_factory: Callable[[], Any],
    sock: Any,
    sslcontext: Any,
    server: Any,
    *more: Any,
) -> None:
    """Watch a listening socket again, unless its server is closed by now."""
    if sock.fileno() != -1 and (server is None or server.is_serving()):
        arguments = (protocol_factory, sock, sslcontext, server, *more)
        self._add_reader(sock.fileno(), self._accept_connection, *arguments)


def _report_what_ran_out(loop: Loop, exc: OSError, sock: Any) -> None:
    message = "socket.accept() out of system resource"
    shown = trsock.TransportSocket(sock)
    loop.call_exception_handler({"message": message, "exception": exc, "socket": shown})


def _welcome(
    loop: Loop,
    protocol_factory: Callable[[], Any],
    conn: Any,
    address: Any,
    tls: TlsOptions | None,
    server: Any,
) -> None:
    """Put a transport over an accepted connection. A failure is reported, and closes it."""
    if tls is not None:
        wrap = wrap_factory if is_socket(conn) else wrap_foreign_factory
        protocol_factory = wrap(loop, protocol_factory, tls)
    try:
        extra = {"peername": address}
        loop._make_socket_transport(conn, protocol_factory(), extra=extra, server=server)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exc:
        conn.close()
        message = "Error on transport creation for incoming connection"
        loop.call_exception_handler({"message": message, "exception": exc})
