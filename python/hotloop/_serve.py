# SPDX-License-Identifier: MIT
"""Methods of Loop: servers. And class Server.

Accepting is in C (`src/io/listener.c`), for it happens once per connection. Here the
listening sockets are made; they belong to the Server from then on, which closes them.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from asyncio.log import logger
from asyncio.trsock import TransportSocket
from collections.abc import Callable, Iterable, Sequence

# Bound here: a tool that forbids blocking calls inside a loop (blockbuster) replaces those of
# `os`, and lets asyncio's through by the names of asyncio's files.
from os import remove as _remove
from os import stat as _stat
from typing import TYPE_CHECKING, Any

from . import _compat
from ._connect import (
    P,
    check_not_ssl_socket,
    check_stream_socket,
    check_tls_arguments,
    check_unix_socket,
    open_stream,
    reason,
)
from ._resolve import AddrInfo, ensure_resolved
from ._substitutes import AskingListener, accepts_by_itself
from ._tls import TlsOptions, server_options, wrap_factory

if TYPE_CHECKING:
    from ._core import Listener
    from .loop import Loop

ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class Server(asyncio.AbstractServer):
    """What create_server() returns: listening sockets and the connections they brought.

    C calls `_attach(transport)` for every accepted connection, and `_detach(transport)`
    after its connection_lost().
    """

    def __init__(
        self,
        loop: Loop,
        sockets: list[socket.socket],
        protocol_factory: ProtocolFactory,
        ssl_context: Any,
        backlog: int,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> None:
        self._loop = loop
        self._sockets: list[socket.socket] | None = sockets  # owned; None when closed
        self._listeners: list[Listener | AskingListener] = []
        self._protocol_factory = protocol_factory
        self._ssl_context = ssl_context
        self._backlog = backlog
        self._ssl_handshake_timeout = ssl_handshake_timeout
        self._ssl_shutdown_timeout = ssl_shutdown_timeout
        self._clients: set[Any] = set()
        self._serving = False
        self._serving_forever_fut: asyncio.Future[None] | None = None
        # None when closed and the last client has gone: nobody has to wait any more.
        self._waiters: list[asyncio.Future[None]] | None = []
        self._file: tuple[Any, int] | None = None  # (path, inode) to remove at close

    def __repr__(self) -> str:
        return f"<{type(self).__name__} sockets={self.sockets!r}>"

    def _attach(self, transport: Any = None) -> None:
        self._clients.add(transport)

    def _detach(self, transport: Any = None) -> None:
        self._clients.discard(transport)
        if not self._clients and self._sockets is None:
            self._wakeup()

    @property
    def _active_count(self) -> int:
        return len(self._clients)

    def _wakeup(self) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def _start_serving(self) -> None:
        if self._serving or self._sockets is None:
            return
        self._serving = True
        try:
            for sock in self._sockets:
                sock.listen(self._backlog)
                listener = self._loop._start_serving(
                    self._protocol_factory,
                    sock,
                    self._ssl_context,
                    self,
                    self._backlog,
                    self._ssl_handshake_timeout,
                    self._ssl_shutdown_timeout,
                )
                self._listeners.append(listener)
                listener.start()
        except BaseException:
            self._stop_serving()
            raise

    def _stop_serving(self) -> None:
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.close()
        self._serving = False

    def get_loop(self) -> Loop:
        """Return the loop that the server belongs to."""
        return self._loop

    def is_serving(self) -> bool:
        """Return True while new connections are accepted."""
        return self._serving

    @property
    def sockets(self) -> tuple[TransportSocket, ...]:
        """The listening sockets, wrapped so that they cannot be closed; () when closed."""
        return tuple(TransportSocket(sock) for sock in self._sockets or ())

    def close(self) -> None:
        """Stop listening and close the listening sockets. Connections live on."""
        sockets, self._sockets = self._sockets, None
        if sockets is None:
            return
        self._stop_serving()
        _close_all(sockets)
        self._remove_socket_file()
        forever, self._serving_forever_fut = self._serving_forever_fut, None
        if forever is not None and not forever.done():
            forever.cancel()
        if not self._clients:
            self._wakeup()

    def _remove_socket_file(self) -> None:
        """Remove the file of our unix socket, unless someone put another one in its place."""
        if self._file is None:
            return
        path, inode = self._file
        try:
            if _stat(path).st_ino == inode:
                _remove(path)
        except FileNotFoundError:
            pass
        except OSError as exc:
            logger.error("Unable to clean up listening UNIX socket %r: %r", path, exc)

    def close_clients(self) -> None:
        """Close every connection that was accepted, after what is buffered was sent."""
        for transport in list(self._clients):
            transport.close()

    def abort_clients(self) -> None:
        """Close every connection that was accepted, at once."""
        for transport in list(self._clients):
            transport.abort()

    async def start_serving(self) -> None:
        """Begin to accept connections. Does nothing if that has begun already."""
        self._start_serving()
        await asyncio.sleep(0)

    async def serve_forever(self) -> None:
        """Accept connections until cancelled or closed; then CancelledError comes out.

        Being cancelled closes the server and, where the running Python's asyncio does so
        (3.14 and later bugfix releases), its connections.
        """
        if self._serving_forever_fut is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        if self._sockets is None:
            raise RuntimeError(f"server {self!r} is closed")
        self._start_serving()
        self._serving_forever_fut = self._loop.create_future()
        try:
            await self._serving_forever_fut
        except asyncio.CancelledError:
            try:
                self.close()
                if _compat.SERVE_FOREVER_CLOSES_CLIENTS:
                    self.close_clients()
                await self.wait_closed()
            finally:
                raise
        finally:
            self._serving_forever_fut = None

    async def wait_closed(self) -> None:
        """Wait until the server is closed and all its connections are gone.

        On Python 3.11 it returns at once if the server is closed already, as there.
        """
        if self._waiters is None:
            return
        if self._sockets is None and not _compat.WAIT_CLOSED_WAITS:
            return
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter


# Methods of Loop


async def create_server(
    self: Loop,
    protocol_factory: ProtocolFactory,
    host: str | Sequence[str] | None = None,
    port: int | None = None,
    *,
    family: int = socket.AF_UNSPEC,
    flags: int = socket.AI_PASSIVE,
    sock: socket.socket | None = None,
    backlog: int = 100,
    ssl: Any = None,
    reuse_address: bool | None = None,
    reuse_port: bool | None = None,
    keep_alive: bool | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    start_serving: bool = True,
) -> Server:
    """Listen on TCP and return a Server.

    Either `host` (one or a sequence; None or "" is all interfaces) and `port`, each address
    of which gets a socket, or `sock`, a bound stream socket, which becomes the server's.
    `reuse_address` is True unless given. `backlog` is what listen() takes.
    """
    if isinstance(ssl, bool):
        raise TypeError("ssl argument must be an SSLContext or None")
    # An empty context is a context: only None means "no TLS" here.
    check_tls_arguments(ssl is not None, ssl_handshake_timeout, ssl_shutdown_timeout)
    check_not_ssl_socket(sock)
    tls = server_options(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)

    if host is not None or port is not None:
        if sock is not None:
            raise ValueError("host/port and sock can not be specified at the same time")
        options = _listen_options(
            reuse_address=True if reuse_address is None else reuse_address,
            reuse_port=reuse_port,
            keep_alive=keep_alive,
        )
        infos = await _resolve_hosts(self, host, port, family=family, flags=flags)
        sockets = _bind_all(self, infos, options)
    else:
        if sock is None:
            raise ValueError("Neither host/port nor sock were specified")
        check_stream_socket(sock)
        sockets = [sock]

    server = await _make_server(
        self, sockets, protocol_factory, backlog, start_serving, tls, ours=sock is None
    )
    if self.get_debug():
        logger.info("%r is serving", server)
    return server


async def create_unix_server(
    self: Loop,
    protocol_factory: ProtocolFactory,
    path: str | bytes | os.PathLike[str] | None = None,
    *,
    sock: socket.socket | None = None,
    backlog: int = 100,
    ssl: Any = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    start_serving: bool = True,
    cleanup_socket: bool = _compat.UNLINK_UNIX_SOCKET,
) -> Server:
    """Listen on a unix stream socket and return a Server.

    Either `path` (a file, or an abstract name that begins with a zero byte), or `sock`, a
    bound unix stream socket. With `cleanup_socket` the file is removed when the server
    closes; the default is that of the running Python's asyncio.
    """
    if isinstance(ssl, bool):
        raise TypeError("ssl argument must be an SSLContext or None")
    check_tls_arguments(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
    tls = server_options(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)

    ours = path is not None
    if path is not None:
        if sock is not None:
            raise ValueError("path and sock can not be specified at the same time")
        sock = _bind_unix(os.fspath(path))
    elif sock is None:
        raise ValueError("path was not specified, and no sock specified")
    else:
        check_unix_socket(sock)

    file = _inode_of(sock.getsockname()) if cleanup_socket else None
    server = await _make_server(
        self, [sock], protocol_factory, backlog, start_serving, tls, ours=ours
    )
    server._file = file
    return server


async def connect_accepted_socket(
    self: Loop,
    protocol_factory: Callable[[], P],
    sock: socket.socket,
    *,
    ssl: Any = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
) -> tuple[asyncio.Transport, P]:
    """Put a transport over a socket that was accepted elsewhere: (transport, protocol)."""
    check_stream_socket(sock)
    check_tls_arguments(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
    check_not_ssl_socket(sock)
    tls = server_options(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
    transport, protocol = await open_stream(self, sock, protocol_factory, tls, dup=True)
    if self.get_debug():
        used = transport.get_extra_info("socket")
        logger.debug("%r handled: (%r, %r)", used, transport, protocol)
    return transport, protocol


def start_serving(
    self: Loop,
    protocol_factory: ProtocolFactory,
    sock: Any,
    sslcontext: Any = None,
    server: Any = None,
    backlog: int = 100,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
) -> Listener | AskingListener:
    """Make the listener of a socket, not yet watched. asyncio's name; its tests replace it.

    With `sslcontext` the protocols that accepted connections begin with speak TLS; timeouts are
    in seconds.
    """
    if accepts_by_itself(sock):
        more = (sslcontext, server, backlog, ssl_handshake_timeout, ssl_shutdown_timeout)
        return AskingListener(self, protocol_factory, sock, *more)
    options = server_options(sslcontext, ssl_handshake_timeout, ssl_shutdown_timeout)
    if options is not None:
        protocol_factory = wrap_factory(self, protocol_factory, options)
    return self._listen(sock, protocol_factory, server, backlog)


def stop_serving(self: Loop, sock: socket.socket) -> None:
    """Stop watching a socket and close it. asyncio's name; CPython's own tests use it."""
    self.remove_reader(sock)
    sock.close()


async def _make_server(
    loop: Loop,
    sockets: list[socket.socket],
    protocol_factory: ProtocolFactory,
    backlog: int,
    start: bool,
    tls: TlsOptions | None,
    *,
    ours: bool,
) -> Server:
    """Make the Server of some bound sockets; `ours` says who closes them on failure."""
    server = Server(loop, sockets, protocol_factory, None, backlog)
    if tls is not None:
        server._ssl_context = tls.sslcontext
        server._ssl_handshake_timeout = tls.ssl_handshake_timeout
        server._ssl_shutdown_timeout = tls.ssl_shutdown_timeout
    try:
        for sock in sockets:
            sock.setblocking(False)
        if start:
            await server.start_serving()
    except BaseException:
        server._stop_serving()
        if ours:
            _close_all(sockets)
        raise
    return server


# Sockets to listen on


async def _resolve_hosts(
    loop: Loop, host: Any, port: Any, *, family: int, flags: int
) -> list[AddrInfo]:
    """Return the addresses of one host or of several, each once, in the order given."""
    if host == "":
        hosts: Iterable[Any] = [None]
    elif isinstance(host, str) or not isinstance(host, Iterable):
        hosts = [host]
    else:
        hosts = host
    found = await asyncio.gather(
        *(_resolve_host(loop, one, port, family=family, flags=flags) for one in hosts)
    )
    return list(dict.fromkeys(info for infos in found for info in infos))


async def _resolve_host(
    loop: Loop, host: Any, port: Any, *, family: int, flags: int
) -> list[AddrInfo]:
    infos = await ensure_resolved(loop, (host, port), family=family, flags=flags)
    if not infos:
        raise OSError(f"getaddrinfo({host!r}) returned empty list")
    return infos


def _listen_options(
    *, reuse_address: bool, reuse_port: bool | None, keep_alive: bool | None
) -> list[tuple[int, int]]:
    """Return the socket options, (level, name), that a listening socket gets set."""
    options = []
    if reuse_address:
        options.append((socket.SOL_SOCKET, socket.SO_REUSEADDR))
    if reuse_port:
        if not hasattr(socket, "SO_REUSEPORT"):
            raise ValueError("reuse_port not supported by socket module")
        options.append((socket.SOL_SOCKET, socket.SO_REUSEPORT))
    if keep_alive:
        options.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE))
    return options


def _bind_all(
    loop: Loop, infos: list[AddrInfo], options: list[tuple[int, int]]
) -> list[socket.socket]:
    """Return a bound socket for each address, or raise and leave none open."""
    sockets: list[socket.socket] = []
    try:
        for info in infos:
            sock = _open_listening_socket(loop, info)
            if sock is None:
                continue
            sockets.append(sock)
            for level, name in options:
                _set_option(sock, level, name)
            if not _bind(loop, sock, info[4]):
                sockets.remove(sock)
                sock.close()
    except BaseException:
        _close_all(sockets)
        raise
    if not sockets and _compat.SKIP_UNAVAILABLE_ADDRESS:
        raise OSError(f"could not bind on any address out of {[info[4] for info in infos]!r}")
    return sockets


def _open_listening_socket(loop: Loop, info: AddrInfo) -> socket.socket | None:
    """Return an unbound socket; None if the kernel does not know this kind."""
    family, kind, proto, _, _ = info
    try:
        sock = socket.socket(family, kind, proto)
    except OSError:
        if loop.get_debug():
            logger.warning(
                "create_server() failed to create socket.socket(%r, %r, %r)",
                family,
                kind,
                proto,
                exc_info=True,
            )
        return None
    if family == socket.AF_INET6:
        # Otherwise the IPv6 socket takes the IPv4 port too, and the second bind fails.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, True)
    return sock


def _set_option(sock: socket.socket, level: int, name: int) -> None:
    if name == getattr(socket, "SO_REUSEPORT", None):
        set_reuse_port(sock)
    else:
        sock.setsockopt(level, name, True)


def set_reuse_port(sock: socket.socket) -> None:
    """Let other sockets have the same port, or raise ValueError in asyncio's words."""
    if not hasattr(socket, "SO_REUSEPORT"):
        raise ValueError("reuse_port not supported by socket module")
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, True)
    except OSError:
        raise ValueError(
            "reuse_port not supported by socket module, SO_REUSEPORT defined but not implemented."
        ) from None


def _bind(loop: Loop, sock: socket.socket, address: Any) -> bool:
    """Bind. Returns False if the machine does not have the address, as with IPv6 off."""
    try:
        sock.bind(address)
        return True
    except OSError as exc:
        text = f"error while attempting to bind on address {address!r}: {reason(exc)}"
        if exc.errno == errno.EADDRNOTAVAIL and _compat.SKIP_UNAVAILABLE_ADDRESS:
            if loop.get_debug():
                logger.warning(text)
            return False
        raise OSError(exc.errno, text) from None


def _bind_unix(path: Any) -> socket.socket:
    """Return a socket bound to `path`, where a socket file left by a dead server may be."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        remove_stale_socket(path)
        sock.bind(path)
        return sock
    except OSError as exc:
        sock.close()
        if exc.errno == errno.EADDRINUSE:
            text = f"Address {path!r} is already in use"
            raise OSError(errno.EADDRINUSE, text) from None
        raise
    except BaseException:
        sock.close()
        raise


def _is_abstract(path: str | bytes) -> bool:
    return path[:1] in ("\0", b"\0")


def remove_stale_socket(path: Any) -> None:
    """Remove the file of a unix socket that is in the way of bind(). Other files stay."""
    if _is_abstract(path):
        return
    try:
        if stat.S_ISSOCK(_stat(path).st_mode):
            _remove(path)
    except FileNotFoundError:
        pass
    except OSError as exc:
        # The directory may let us make a socket but not look at it.
        logger.error("Unable to check or remove stale UNIX socket %r: %r", path, exc)


def _inode_of(path: Any) -> tuple[Any, int] | None:
    """Return (path, inode) of a unix socket's file; None if it has none."""
    if not path or _is_abstract(path):
        return None
    try:
        return path, _stat(path).st_ino
    except FileNotFoundError:
        return None


def _close_all(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        sock.close()
