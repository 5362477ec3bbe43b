# SPDX-License-Identifier: MIT
"""Methods of Loop: TLS, on new connections and in the middle of a stream.

The state machine is in C (`src/io/tls.c`). One `_core.SslTransport` is the protocol of the stream
that carries the ciphertext and the transport of the application's protocol.
"""

from __future__ import annotations

import asyncio
import asyncio.sslproto
import contextvars
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

try:
    import ssl
except ImportError:  # a Python without OpenSSL
    ssl = None  # type: ignore[assignment]

from . import _core

if TYPE_CHECKING:
    from .loop import Loop


_STREAMS = (_core.TcpTransport, _core.UnixTransport)  # what C can speak TLS on


class TlsOptions(NamedTuple):
    """What every TLS connection of one client call, or of one server, has in common."""

    sslcontext: Any  # an ssl.SSLContext; None: the default one of a client
    server_side: bool = False
    server_hostname: str | None = None
    ssl_handshake_timeout: float | None = None  # seconds; None: 60
    ssl_shutdown_timeout: float | None = None  # seconds; None: 30

    def keywords(self) -> dict[str, Any]:
        """Return all but the context."""
        keywords = self._asdict()
        del keywords["sslcontext"]
        return keywords


def make_options(ssl: Any, **keywords: Any) -> TlsOptions | None:
    """Return the options behind the arguments of a loop method; None if they ask for no TLS."""
    if not ssl:
        return None
    return TlsOptions(None if isinstance(ssl, bool) else ssl, **keywords)


def server_options(
    ssl: Any, handshake_timeout: float | None, shutdown_timeout: float | None
) -> TlsOptions | None:
    """Return the options of what is accepted; None if `ssl` asks for no TLS."""
    return make_options(
        ssl,
        server_side=True,
        ssl_handshake_timeout=handshake_timeout,
        ssl_shutdown_timeout=shutdown_timeout,
    )


def wrap_protocol(
    loop: Loop, protocol: Any, waiter: Any, options: TlsOptions, call_connection_made: bool = True
) -> _core.SslTransport:
    """Return what speaks TLS on one of our streams and hands plain bytes to `protocol`.

    `waiter` is a future that is resolved when the handshake is done, or None. Raises ValueError
    for a timeout that is not positive, and on the server side if there is no context.
    """
    context = options.sslcontext or _default_context(options)
    return loop._make_tls(
        protocol,
        context,
        waiter,
        options.server_side,
        options.server_hostname,
        options.ssl_handshake_timeout,
        options.ssl_shutdown_timeout,
        call_connection_made,
    )


def _default_context(options: TlsOptions) -> Any:
    """Return the context behind `ssl=True`. Raises ValueError: a server needs one of its own."""
    if options.server_side:
        raise ValueError("Server side SSL needs a valid SSLContext")
    context = ssl.create_default_context()
    if not options.server_hostname:
        context.check_hostname = False
    return context


def wrap_foreign(
    loop: Loop, protocol: Any, waiter: Any, options: TlsOptions, call_connection_made: bool
) -> Any:
    """Return the standard library's TLS protocol: it needs no more than a transport's methods.

    For TLS inside TLS, and for transports that others have made.
    """
    return asyncio.sslproto.SSLProtocol(
        loop,
        protocol,
        options.sslcontext,
        waiter,
        call_connection_made=call_connection_made,
        **options.keywords(),
    )


def make_transport(
    self: Loop,
    sock: socket.socket,
    protocol: asyncio.BaseProtocol,
    sslcontext: Any,
    waiter: Any,
    *,
    dup: bool = False,
    context: contextvars.Context | None = None,
    **keywords: Any,
) -> Any:
    """Return a TLS transport over a connected socket. asyncio's name; its tests replace it.

    `keywords` are the fields of TlsOptions, `dup` is that of `_open_stream`. The protocol is
    called in a copy of `context`, or of the current one.
    """
    if context is not None:
        keywords["dup"] = dup
        return context.copy().run(
            make_transport, self, sock, protocol, sslcontext, waiter, **keywords
        )
    tls: Any = wrap_protocol(self, protocol, waiter, TlsOptions(sslcontext, **keywords))
    self._open_stream(tls, sock, dup=dup)
    return tls


def wrap_factory(
    loop: Loop, protocol_factory: Callable[[], Any], options: TlsOptions
) -> Callable[[], Any]:
    """Return a factory of protocols that speak TLS, for a server."""
    return _wrapping(loop, protocol_factory, options, wrap_protocol)


def wrap_foreign_factory(
    loop: Loop, protocol_factory: Callable[[], Any], options: TlsOptions
) -> Callable[[], Any]:
    """Return the same for a transport that is not ours."""
    return _wrapping(loop, protocol_factory, options, wrap_foreign)


def _wrapping(
    loop: Loop, protocol_factory: Callable[[], Any], options: TlsOptions, wrap: Callable[..., Any]
) -> Callable[[], Any]:
    def factory() -> Any:
        protocol = protocol_factory()
        waiter = _report_in_debug_mode(loop, protocol) if loop.get_debug() else None
        return wrap(loop, protocol, waiter, options, True)

    return factory


def _report_in_debug_mode(loop: Loop, protocol: Any) -> asyncio.Future[None]:
    """Return a waiter that reports a failed handshake; without debug mode it is no news."""

    def done(waiter: asyncio.Future[None]) -> None:
        error = None if waiter.cancelled() else waiter.exception()
        if error is not None:
            message = "Error on transport creation for incoming connection"
            loop.call_exception_handler(
                {"message": message, "exception": error, "protocol": protocol}
            )

    waiter = loop.create_future()
    waiter.add_done_callback(done)
    return waiter


async def start_tls(
    self: Loop,
    transport: Any,
    protocol: Any,
    sslcontext: Any,
    *,
    server_side: bool = False,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
) -> Any:
    """Upgrade a connection to TLS. Return the transport that `protocol` uses from then on.

    Timeouts are in seconds. Raises TypeError if `sslcontext` is no ssl.SSLContext or if
    `transport` cannot be upgraded, ConnectionAbortedError if it is closing (asyncio waits for
    ever), and what the handshake fails with; the connection is closed then. `protocol` gets no
    second connection_made().
    """
    if ssl is None:
        raise RuntimeError("Python ssl module is not available")
    if not isinstance(sslcontext, ssl.SSLContext):
        raise TypeError(
            f"sslcontext is expected to be an instance of ssl.SSLContext, got {sslcontext!r}"
        )
    if not getattr(transport, "_start_tls_compatible", False):
        raise TypeError(f"transport {transport!r} is not supported by start_tls()")

    options = TlsOptions(
        sslcontext, server_side, server_hostname, ssl_handshake_timeout, ssl_shutdown_timeout
    )
    native = type(transport) in _STREAMS
    if native and transport.is_closing():
        raise ConnectionAbortedError("start_tls() on a transport that is closing")
    native = native and transport._loop is self
    waiter = self.create_future()
    wrap = wrap_protocol if native else wrap_foreign
    tls: Any = wrap(self, protocol, waiter, options, call_connection_made=False)
    # Nothing may arrive between here and connection_made().
    transport.pause_reading()
    if server_side:
        _move_buffer(protocol, tls._feed if native else tls._incoming.write)
    transport.set_protocol(tls)
    made = self.call_soon(tls.connection_made, transport)
    resumed = self.call_soon(transport.resume_reading)
    try:
        await waiter
    except BaseException:
        transport.close()
        made.cancel()
        resumed.cancel()
        raise
    return tls._app_transport


def _move_buffer(protocol: Any, feed: Callable[[Any], object]) -> None:
    """Hand TLS what an impatient client has sent already and a StreamReader has read.

    asyncio does so in its newest releases (gh-142352); before, the handshake never ended.
    """
    if isinstance(protocol, asyncio.StreamReaderProtocol):
        buffer = getattr(getattr(protocol, "_stream_reader", None), "_buffer", None)
        if buffer:
            feed(buffer)
            buffer.clear()
