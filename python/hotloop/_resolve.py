# SPDX-License-Identifier: MIT
"""Methods of Loop: names to addresses and back; and the helpers that need addresses.

The work is in C (`src/io/resolver.c`): literals are answered at once, names go to libuv's
threads. `_getaddrinfo` and `_getnameinfo` return the answer, or a future of it.
"""

from __future__ import annotations

import itertools
import socket
import types
from asyncio.log import logger
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from .loop import Loop

# The modules themselves: programs and tests put others in their places.
_SOCKET = vars(socket)

AddrInfo: TypeAlias = tuple[Any, Any, int, str, Any]
"""(family, type, protocol, canonical name, address), as of socket.getaddrinfo()."""


async def getaddrinfo(
    self: Loop,
    host: str | bytes | None,
    port: str | bytes | int | None,
    *,
    family: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
) -> list[AddrInfo]:
    """Resolve a host and a service as socket.getaddrinfo() does, without blocking the loop."""
    if self._debug:
        return await _getaddrinfo_logged(self, host, port, family, type, proto, flags)
    if socket.getaddrinfo is _stock_getaddrinfo:  # without the calls: literals take no time
        answer = self._getaddrinfo(host, port, family, type, proto, flags)
    else:
        answer = _ask_addresses(self, host, port, family, type, proto, flags)
    return answer if isinstance(answer, list) else await answer


def _is_replaced(function: Any) -> bool:
    """Is this function of the socket module not the standard library's?"""
    if isinstance(function, types.FunctionType):
        return function.__globals__ is not _SOCKET
    return not isinstance(function, types.BuiltinFunctionType)


_stock_getaddrinfo = None if _is_replaced(socket.getaddrinfo) else socket.getaddrinfo


def _ask_addresses(loop: Loop, *question: Any) -> Any:
    """Return the addresses or a future of them.

    A program that replaces socket.getaddrinfo, for example to keep answers, is asked, in the
    default executor as asyncio does it.
    """
    if _is_replaced(socket.getaddrinfo):
        return loop.run_in_executor(None, socket.getaddrinfo, *question)
    return loop._getaddrinfo(*question)


async def _getaddrinfo_logged(
    loop: Loop, host: Any, port: Any, family: int, type: int, proto: int, flags: int
) -> list[AddrInfo]:
    options = {"family": family, "type": type, "proto": proto, "flags": flags}
    asked = [f"{host}:{port!r}", *(f"{key}={value!r}" for key, value in options.items() if value)]
    question = ", ".join(asked)
    logger.debug("Get address info %s", question)
    start = loop.time()
    answer = _ask_addresses(loop, host, port, family, type, proto, flags)
    found = answer if isinstance(answer, list) else await answer
    took = loop.time() - start
    log = logger.info if took >= loop.slow_callback_duration else logger.debug
    log("Getting address info %s took %.3fms: %r", question, took * 1e3, found)
    return found


async def getnameinfo(self: Loop, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
    """Find the names of an address and its port as socket.getnameinfo() does."""
    if _is_replaced(socket.getnameinfo):
        return await self.run_in_executor(None, socket.getnameinfo, sockaddr, flags)
    answer = self._getnameinfo(sockaddr, flags)
    return answer if isinstance(answer, tuple) else await answer


async def ensure_resolved(
    loop: Loop,
    address: Any,
    *,
    family: int = 0,
    type: int = socket.SOCK_STREAM,
    proto: int = 0,
    flags: int = 0,
) -> list[AddrInfo]:
    """Return the addresses behind `address`, (host, port) or a longer IPv6 tuple.

    A literal never leaves this function. A name goes through the public `loop.getaddrinfo`,
    because programs and tests replace that.
    """
    host, port = address[:2]
    literal = _parse_literal(host, port, family, type, proto, *address[2:])
    if literal is not None:
        return [literal]
    return await loop.getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags)


def _parse_literal(
    host: Any,
    port: Any,
    family: int,
    type: int,
    proto: int,
    flowinfo: int = 0,
    scope_id: int = 0,
) -> AddrInfo | None:
    """Return the address info of a numeric host and port; None if one is a name."""
    if host is None or proto not in (0, socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        return None
    if port in (None, "", b""):
        port = 0
    try:
        port = int(port)
    except (TypeError, ValueError):
        return None  # a service name
    if isinstance(host, bytes):
        host = host.decode("idna")
    if "%" in host or not hasattr(socket, "inet_pton"):
        return None  # a zone: "fe80::1%eth0" has to be looked up
    for candidate in [family] if family else [socket.AF_INET, socket.AF_INET6]:
        try:
            socket.inet_pton(candidate, host)
        except OSError:
            continue
        tail = (flowinfo, scope_id) if candidate == socket.AF_INET6 else ()
        protocol = socket.IPPROTO_TCP if type == socket.SOCK_STREAM else socket.IPPROTO_UDP
        return candidate, type, protocol, "", (host, port, *tail)
    return None


def interleave_families(infos: Iterable[AddrInfo], first_family_count: int) -> list[AddrInfo]:
    """Reorder addresses so that the families take turns (RFC 8305, section 4).

    The first `first_family_count` ones are of the family that came first.
    """
    by_family: dict[int, list[AddrInfo]] = {}
    for info in infos:
        by_family.setdefault(info[0], []).append(info)
    families = list(by_family.values())
    head = first_family_count - 1 if families else 0
    ordered = families[0][:head] if head > 0 else []
    if head > 0:
        del families[0][:head]
    for row in itertools.zip_longest(*families):
        ordered.extend(info for info in row if info is not None)
    return ordered
