# SPDX-License-Identifier: MIT
"""Methods of Loop: outgoing connections.

A socket is made, bound and connected here; `_core.Loop._open_stream` then takes over its
descriptor. Until that call the socket is ours to close on every way out; after it, the
transport's. A socket that the user gave us stays the user's: the transport works on a
duplicate of its descriptor and closes the original when it closes.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import socket
from asyncio.log import logger
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from . import _compat
from ._resolve import AddrInfo, ensure_resolved, interleave_families
from ._substitutes import open_transport
from ._tls import TlsOptions, make_options

try:
    from ssl import SSLSocket
except ImportError:  # a Python without OpenSSL
    SSLSocket = None  # type: ignore[assignment, misc]

if TYPE_CHECKING:
    from .loop import Loop

P = TypeVar("P", bound=asyncio.BaseProtocol)


async def create_connection(
    self: Loop,
    protocol_factory: Callable[[], P],
    host: str | None = None,
    port: int | str | None = None,
    *,
    ssl: Any = None,
    family: int = 0,
    proto: int = 0,
    flags: int = 0,
    sock: socket.socket | None = None,
    local_addr: tuple[str, int] | None = None,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    happy_eyeballs_delay: float | None = None,
    interleave: int | None = None,
    all_errors: bool = False,
) -> tuple[asyncio.Transport, P]:
    """Connect to a stream server and return (transport, protocol).

    Either `host` and `port`, or `sock`, a connected stream socket. All addresses of the
    host are tried in turn; with `happy_eyeballs_delay` (seconds) the next one starts when
    the one before has failed or not answered within the delay. With `all_errors` the
    failure of all of them is one ExceptionGroup, otherwise OSError.
    """
    check_tls_arguments(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
    if server_hostname is not None and not ssl:
        raise ValueError("server_hostname is only meaningful with ssl")
    if server_hostname is None and ssl and not host:
        raise ValueError("You must set server_hostname when using ssl without a host")
    check_not_ssl_socket(sock)
    tls = make_options(
        ssl,
        server_hostname=host if server_hostname is None else server_hostname,
        ssl_handshake_timeout=ssl_handshake_timeout,
        ssl_shutdown_timeout=ssl_shutdown_timeout,
    )

    if host is not None or port is not None:
        if sock is not None:
            raise ValueError("host/port and sock can not be specified at the same time")
        infos, local_infos = await _resolve_ends(
            self, (host, port), local_addr, family=family, proto=proto, flags=flags
        )
        if happy_eyeballs_delay is not None and interleave is None:
            interleave = 1
        if interleave:
            infos = interleave_families(infos, interleave)
        connected = await _connect_any(
            self, infos, local_infos, delay=happy_eyeballs_delay, all_errors=all_errors
        )
        transport, protocol = await open_stream(self, connected, protocol_factory, tls, dup=False)
    else:
        if sock is None:
            raise ValueError("host and port was not specified and no sock specified")
        check_stream_socket(sock)
        transport, protocol = await open_stream(self, sock, protocol_factory, tls, dup=True)

    if self.get_debug():
        used = transport.get_extra_info("socket")
        logger.debug("%r connected to %s:%r: (%r, %r)", used, host, port, transport, protocol)
    return transport, protocol


async def create_unix_connection(
    self: Loop,
    protocol_factory: Callable[[], P],
    path: str | bytes | os.PathLike[str] | None = None,
    *,
    ssl: Any = None,
    sock: socket.socket | None = None,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
) -> tuple[asyncio.Transport, P]:
    """Connect to a unix stream socket and return (transport, protocol).

    Either `path` (a file, or an abstract name that begins with a zero byte), or `sock`, a
    connected unix stream socket.
    """
    assert server_hostname is None or isinstance(server_hostname, str)
    if ssl and server_hostname is None:
        raise ValueError("you have to pass server_hostname when using ssl")
    if server_hostname is not None and not ssl:
        raise ValueError("server_hostname is only meaningful with ssl")
    check_tls_arguments(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
    tls = make_options(
        ssl,
        server_hostname=server_hostname,
        ssl_handshake_timeout=ssl_handshake_timeout,
        ssl_shutdown_timeout=ssl_shutdown_timeout,
    )

    if path is not None:
        if sock is not None:
            raise ValueError("path and sock can not be specified at the same time")
        path = os.fspath(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            await self.sock_connect(sock, path)
        except BaseException:
            sock.close()
            raise
        return await open_stream(self, sock, protocol_factory, tls, dup=False)

    if sock is None:
        raise ValueError("no path and sock were specified")
    check_unix_socket(sock)
    return await open_stream(self, sock, protocol_factory, tls, dup=True)


async def open_stream(
    loop: Loop,
    sock: socket.socket,
    protocol_factory: Callable[[], P],
    tls: TlsOptions | None,
    *,
    dup: bool,
) -> tuple[asyncio.Transport, P]:
    """Put a transport over a connected socket; return when connection_made() was called.

    With `tls` that is when the handshake is done.

    The transport takes `sock` itself, or with `dup` a copy of its descriptor, for the socket is
    the user's. If there never is a transport the socket is closed, as asyncio does since 3.14.
    """
    try:
        sock.setblocking(False)
        protocol = protocol_factory()
        waiter = loop.create_future()
        if tls is None:
            transport = open_transport(loop, protocol, sock, waiter=waiter, dup=dup)
        else:
            keywords = tls.keywords()
            if dup:
                keywords["dup"] = True
            if _compat.TLS_TAKES_A_CONTEXT:
                keywords["context"] = contextvars.copy_context()
            transport = loop._make_ssl_transport(sock, protocol, tls.sslcontext, waiter, **keywords)
    except BaseException:
        sock.close()
        raise
    try:
        await waiter
    except BaseException:
        transport.close()
        raise
    return transport, protocol


# Checks of arguments, with asyncio's texts


def check_tls_arguments(
    ssl: Any, handshake_timeout: float | None, shutdown_timeout: float | None
) -> None:
    if handshake_timeout is not None and not ssl:
        raise ValueError("ssl_handshake_timeout is only meaningful with ssl")
    if shutdown_timeout is not None and not ssl:
        raise ValueError("ssl_shutdown_timeout is only meaningful with ssl")


def check_not_ssl_socket(sock: Any) -> None:
    if SSLSocket is not None and isinstance(sock, SSLSocket):
        raise TypeError("Socket cannot be of type SSLSocket")


def check_stream_socket(sock: Any) -> None:
    if sock.type != socket.SOCK_STREAM:
        raise ValueError(f"A Stream Socket was expected, got {sock!r}")


def check_unix_socket(sock: Any) -> None:
    if sock.family != socket.AF_UNIX or sock.type != socket.SOCK_STREAM:
        raise ValueError(f"A UNIX Domain Stream Socket was expected, got {sock!r}")


# One connection out of several addresses


async def _resolve_ends(
    loop: Loop, remote: Any, local: Any, **how: int
) -> tuple[list[AddrInfo], list[AddrInfo] | None]:
    """Return the addresses of both ends; the second is None if `local` is."""
    infos = await ensure_resolved(loop, remote, **how)
    if not infos:
        raise OSError("getaddrinfo() returned empty list")
    if local is None:
        return infos, None
    local_infos = await ensure_resolved(loop, local, **how)
    if not local_infos:
        raise OSError("getaddrinfo() returned empty list")
    return infos, local_infos


async def _connect_any(
    loop: Loop,
    infos: list[AddrInfo],
    local_infos: list[AddrInfo] | None,
    *,
    delay: float | None,
    all_errors: bool,
) -> socket.socket:
    """Return a socket connected to the first address that answers, or raise."""
    errors: list[OSError] = []
    try:
        if delay is None:
            for info in infos:
                try:
                    return await _connect_one(loop, info, local_infos, errors)
                except OSError:
                    continue
        else:
            sock = await _connect_staggered(loop, infos, local_infos, errors, delay)
            if sock is not None:
                return sock
        raise _one_error(errors, all_errors)
    finally:
        del errors  # they hold this frame by their tracebacks


async def _connect_one(
    loop: Loop, info: AddrInfo, local_infos: list[AddrInfo] | None, errors: list[OSError]
) -> socket.socket:
    """Return a socket connected to one address. Every failure is added to `errors`."""
    family, kind, proto, _, address = info
    sock = None
    try:
        sock = socket.socket(family=family, type=kind, proto=proto)
        sock.setblocking(False)
        if local_infos is not None:
            _bind_local(sock, family, local_infos, errors)
        await loop.sock_connect(sock, address)
        return sock
    except BaseException as exc:
        if sock is not None:
            with suppress(OSError):  # what went wrong before is the better report
                sock.close()
        if isinstance(exc, OSError):
            errors.append(exc)
        raise
    finally:
        del errors


def _bind_local(
    sock: socket.socket, family: int, local_infos: list[AddrInfo], errors: list[OSError]
) -> None:
    """Bind to the first local address of this family that works, or raise OSError."""
    failed: list[OSError] = []
    for info in local_infos:
        if info[0] != family:
            continue
        address = info[4]
        try:
            sock.bind(address)
            errors.extend(failed)  # of interest if the connection fails after all
            return
        except OSError as exc:
            text = f"error while attempting to bind on address {address!r}: {reason(exc)}"
            failed.append(OSError(exc.errno, text))
    if not failed:
        raise OSError(f"no matching local address with {family=} found")
    last = failed.pop()
    errors.extend(failed)
    raise last


def reason(exc: OSError) -> str:
    """Return what asyncio quotes of a bind error."""
    if _compat.BIND_ERROR_HAS_ERRNO_TEXT:
        return str(exc).lower()
    return (exc.strerror or str(exc)).lower()


async def _connect_staggered(
    loop: Loop,
    infos: list[AddrInfo],
    local_infos: list[AddrInfo] | None,
    errors: list[OSError],
    delay: float,
) -> socket.socket | None:
    """Happy eyeballs (RFC 8305, section 5): attempts overlap, the first answer wins.

    The next attempt starts `delay` seconds after the newest one, or as soon as that one
    has failed. Returns None when all have failed with OSError.
    """
    waiting = deque(infos)
    running: set[asyncio.Task[socket.socket]] = set()
    newest: asyncio.Task[socket.socket] | None = None
    next_start = 0.0
    try:
        while waiting or running:
            if waiting and (newest is None or newest.done() or loop.time() >= next_start):
                newest = loop.create_task(
                    _connect_one(loop, waiting.popleft(), local_infos, errors)
                )
                running.add(newest)
                next_start = loop.time() + delay
            timeout = max(0.0, next_start - loop.time()) if waiting else None
            done, _ = await asyncio.wait(
                running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                failure = task.exception()
                if failure is None:
                    running.discard(task)
                    return task.result()
                running.discard(task)
                if not isinstance(failure, OSError):
                    raise failure
        return None
    finally:
        del errors
        await _abandon(running)


async def _abandon(attempts: set[asyncio.Task[socket.socket]]) -> None:
    """Cancel connection attempts, and close the socket of one that has just succeeded."""
    for task in attempts:
        task.add_done_callback(_close_result)
        task.cancel()
    if attempts:
        await asyncio.wait(attempts)


def _close_result(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _one_error(errors: list[OSError], all_errors: bool) -> BaseException:
    """Make one exception of what went wrong with each address."""
    if all_errors and errors:
        return ExceptionGroup("create_connection failed", errors)
    if not errors:
        return TimeoutError("create_connection failed")
    texts = [str(exc) for exc in errors]
    if len(set(texts)) == 1:
        return errors[0]
    return OSError("Multiple exceptions: {}".format(", ".join(texts)))
