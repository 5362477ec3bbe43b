# SPDX-License-Identifier: MIT
"""Methods of Loop: datagram endpoints.

A socket is made, bound and connected here; `_core.Loop._open_datagram` then puts a transport over
it, which closes it. Until that call the socket is ours to close on every way out. A socket that
the user gave us keeps its own descriptor: the transport works on a duplicate and closes both.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio.log import logger
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from . import _compat
from ._resolve import ensure_resolved
from ._serve import remove_stale_socket, set_reuse_port
from ._substitutes import is_socket

if TYPE_CHECKING:
    from .loop import Loop

P = TypeVar("P", bound=asyncio.BaseProtocol)
Candidate = tuple[int, int, Any, Any]
"""(family, protocol, local address or None, remote address or None)"""


async def create_datagram_endpoint(
    self: Loop,
    protocol_factory: Callable[[], P],
    local_addr: tuple[str, int] | str | None = None,
    remote_addr: tuple[str, int] | str | None = None,
    *,
    family: int = 0,
    proto: int = 0,
    flags: int = 0,
    reuse_port: bool | None = None,
    allow_broadcast: bool | None = None,
    sock: socket.socket | None = None,
) -> tuple[asyncio.DatagramTransport, P]:
    """Open a datagram endpoint and return (transport, protocol).

    `local_addr` is where it is bound, `remote_addr` where it is connected: (host, port), or with
    `family=socket.AF_UNIX` a path. With `allow_broadcast` the socket is not connected, and
    `remote_addr` is only where `sendto()` sends. Or `sock`, a datagram socket that is ready to use.

    Raises ValueError or TypeError for arguments that do not fit together, OSError if no address
    works: the error of the first one.
    """
    if sock is not None:
        modifiers = {
            "local_addr": local_addr,
            "remote_addr": remote_addr,
            "family": family,
            "proto": proto,
            "flags": flags,
            "reuse_port": reuse_port,
            "allow_broadcast": allow_broadcast,
        }
        check_socket(sock, modifiers)
        address = None
        transport, protocol = await _open(self, sock, protocol_factory, None, dup=True)
    else:
        candidates = await _candidates(self, local_addr, remote_addr, family, proto, flags)
        made, address = await _make_socket(
            self,
            candidates,
            binds=bool(local_addr),
            targets=bool(remote_addr),
            reuse_port=reuse_port,
            allow_broadcast=allow_broadcast,
        )
        transport, protocol = await _open(self, made, protocol_factory, address, dup=False)

    if self.get_debug():
        _log(transport, protocol, local_addr, remote_addr)
    return transport, protocol


def check_socket(sock: Any, modifiers: dict[str, Any]) -> None:
    """Raise ValueError, in asyncio's words, for a socket of the wrong type or with modifiers."""
    if _compat.ANY_SOCKET_BUT_A_STREAM:
        if sock.type == socket.SOCK_STREAM:
            raise ValueError(f"A datagram socket was expected, got {sock!r}")
    elif sock.type != socket.SOCK_DGRAM:
        raise ValueError(f"A UDP Socket was expected, got {sock!r}")
    given = ", ".join(f"{name}={value}" for name, value in modifiers.items() if value)
    if given:
        raise ValueError(
            f"socket modifier keyword arguments can not be used when sock is specified. ({given})"
        )
    sock.setblocking(False)


async def _open(
    loop: Loop, sock: socket.socket, protocol_factory: Callable[[], P], address: Any, *, dup: bool
) -> tuple[asyncio.DatagramTransport, P]:
    """Put a transport over a socket; return when connection_made() was called."""
    try:
        protocol = protocol_factory()
        waiter = loop.create_future()
        if is_socket(sock):
            transport = loop._open_datagram(protocol, sock, address=address, waiter=waiter, dup=dup)
        else:
            transport = loop._make_datagram_transport(sock, protocol, address, waiter)
    except BaseException:
        if not dup:
            sock.close()
        raise
    try:
        await waiter
    except BaseException:
        transport.close()
        raise
    return transport, protocol


def _log(transport: Any, protocol: Any, local_addr: Any, remote_addr: Any) -> None:
    if local_addr:
        logger.info(
            "Datagram endpoint local_addr=%r remote_addr=%r created: (%r, %r)",
            local_addr,
            remote_addr,
            transport,
            protocol,
        )
    else:
        logger.debug(
            "Datagram endpoint remote_addr=%r created: (%r, %r)", remote_addr, transport, protocol
        )


# Which addresses to try


async def _candidates(
    loop: Loop, local_addr: Any, remote_addr: Any, family: int, proto: int, flags: int
) -> list[Candidate]:
    if not (local_addr or remote_addr):
        if family == 0:
            raise ValueError("unexpected address family")
        return [(family, proto, None, None)]
    if family == socket.AF_UNIX:
        for address in (local_addr, remote_addr):
            if address is not None and not isinstance(address, str):
                raise TypeError("string is expected")
        if local_addr:
            remove_stale_socket(local_addr)
        return [(family, proto, local_addr, remote_addr)]
    return await _resolve_both(loop, local_addr, remote_addr, family, proto, flags)


async def _resolve_both(
    loop: Loop, local_addr: Any, remote_addr: Any, family: int, proto: int, flags: int
) -> list[Candidate]:
    """Return what the two names have in common: an address each, of one family and protocol."""
    found: dict[tuple[int, int], list[Any]] = {}
    for end, address in enumerate((local_addr, remote_addr)):
        if address is None:
            continue
        if not (isinstance(address, tuple) and len(address) == 2):
            raise TypeError("2-tuple is expected")
        infos = await ensure_resolved(
            loop, address, family=family, type=socket.SOCK_DGRAM, proto=proto, flags=flags
        )
        if not infos:
            raise OSError("getaddrinfo() returned empty list")
        for info in infos:
            found.setdefault((info[0], info[2]), [None, None])[end] = info[4]
    candidates = [
        (key[0], key[1], local, remote)
        for key, (local, remote) in found.items()
        if not (local_addr and local is None) and not (remote_addr and remote is None)
    ]
    if not candidates:
        raise ValueError("can not get address information")
    return candidates


# One socket out of several addresses


async def _make_socket(
    loop: Loop,
    candidates: list[Candidate],
    *,
    binds: bool,
    targets: bool,
    reuse_port: bool | None,
    allow_broadcast: bool | None,
) -> tuple[socket.socket, Any]:
    """Return a socket for the first candidate that works, and where it sends (or None)."""
    errors: list[OSError] = []
    try:
        for family, proto, local, remote in candidates:
            sock = None
            try:
                sock = socket.socket(family=family, type=socket.SOCK_DGRAM, proto=proto)
                if reuse_port:
                    set_reuse_port(sock)
                if allow_broadcast:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                sock.setblocking(False)
                if binds:
                    sock.bind(local)
                if targets and not allow_broadcast:
                    await loop.sock_connect(sock, remote)
                return sock, remote if targets else None
            except BaseException as error:
                if sock is not None:
                    sock.close()
                if not isinstance(error, OSError):
                    raise
                errors.append(error)
        raise errors[0]
    finally:
        del errors  # they hold this frame by their tracebacks
