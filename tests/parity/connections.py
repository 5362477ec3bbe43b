# SPDX-License-Identifier: MIT
"""Stream connections and servers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import struct

from .rows import Trial, raises, row, until


class Client(asyncio.Protocol):
    """Keeps what comes; `data`, `lost`, `eof`."""

    def __init__(self) -> None:
        self.data = b""
        self.lost = self.eof = False
        self.error = self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.data += data

    def eof_received(self):
        self.eof = True

    def connection_lost(self, exc):
        self.lost = True
        self.error = exc


class Echo(Client):
    """Sends back what comes."""

    def data_received(self, data):
        super().data_received(data)
        self.transport.write(data)


def address(server) -> tuple:
    return server.sockets[0].getsockname()


@contextlib.asynccontextmanager
async def serving(loop, factory=Echo, **options):
    """A server on a free port of the loopback."""
    server = await loop.create_server(factory, "127.0.0.1", 0, **options)
    try:
        yield server
    finally:
        server.close()


async def answers(transport, protocol, message: bytes = b"hello") -> None:
    """What is sent comes back."""
    transport.write(message)
    await until(lambda: protocol.data == message)


async def ends(transport, protocol) -> None:
    transport.close()
    await until(lambda: protocol.lost)


@row("create_connection")
def _(t: Trial) -> None:
    async def main():
        async with serving(t.loop) as server:
            transport, protocol = await t.loop.create_connection(Client, *address(server)[:2])
            await answers(transport, protocol)
            await ends(transport, protocol)
            assert protocol.error is None
            sock = socket.create_connection(address(server))
            transport, protocol = await t.loop.create_connection(Client, sock=sock)
            await answers(transport, protocol)
            await ends(transport, protocol)
            transport, protocol = await t.loop.create_connection(
                Client, *address(server), local_addr=("127.0.0.1", 0), family=socket.AF_INET
            )
            await ends(transport, protocol)
        with raises(OSError):
            await t.loop.create_connection(Client, *address_nobody_hears())
        with raises(ValueError):
            await t.loop.create_connection(Client)

    t.run(main())


def address_nobody_hears() -> tuple:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()


@row("create_connection(ssl=, server_hostname=)")
def _(t: Trial) -> None:
    async def main():
        async with serving(t.loop, ssl=t.server_context()) as server:
            transport, protocol = await t.loop.create_connection(
                Client, *address(server), ssl=t.client_context(), server_hostname="localhost"
            )
            await answers(transport, protocol)
            await ends(transport, protocol)
            with raises(ssl.SSLCertVerificationError, "other.org"):
                await t.loop.create_connection(
                    Client, *address(server), ssl=t.client_context(), server_hostname="other.org"
                )
        with raises(ValueError, "server_hostname is only meaningful with ssl"):
            await t.loop.create_connection(Client, "127.0.0.1", 1, server_hostname="x")

    t.loop.set_exception_handler(lambda *_: None)
    t.run(main())


@row("create_connection(happy_eyeballs_delay=, interleave=)", (3, 8))
def _(t: Trial) -> None:
    async def main():
        async with serving(t.loop) as server:
            transport, protocol = await t.loop.create_connection(
                Client, "localhost", address(server)[1], happy_eyeballs_delay=0.1, interleave=1
            )
            await answers(transport, protocol)
            await ends(transport, protocol)

    t.run(main())


@row("create_connection(all_errors=)", (3, 12))
def _(t: Trial) -> None:
    async def main():
        with raises(ExceptionGroup):
            await t.loop.create_connection(Client, *address_nobody_hears(), all_errors=True)

    t.run(main())


def silent_listener(t: Trial, unix: bool) -> socket.socket:
    """One that takes connections and says nothing: no handshake comes to its end."""
    if not unix:
        return socket.create_server(("127.0.0.1", 0))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(t.folder / "silent"))
    listener.listen()
    return listener


@row("create_connection(ssl_handshake_timeout=)", (3, 7))
def _(t: Trial) -> None:
    async def main(unix):
        with silent_listener(t, unix) as listener, socket.socket(listener.family) as sock:
            sock.connect(listener.getsockname())
            with raises(ConnectionAbortedError, "SSL handshake is taking longer than 0.02"):
                await t.loop.create_connection(
                    Client,
                    sock=sock,
                    ssl=t.client_context(),
                    server_hostname="localhost",
                    ssl_handshake_timeout=0.02,
                )

    t.loop.set_exception_handler(lambda *_: None)
    t.run(main(False))
    with t.part("ignored on a unix socket"):
        t.run(main(True), 2)


@row("create_connection(ssl_shutdown_timeout=)", (3, 11))
def _(t: Trial) -> None:
    async def main(unix):
        with silent_listener(t, unix) as listener, socket.socket(listener.family) as sock:
            sock.connect(listener.getsockname())
            far, _ = listener.accept()
            wait = asyncio.to_thread(tls_without_end, far, t.server_context())
            served = asyncio.ensure_future(wait)
            transport, protocol = await t.loop.create_connection(
                Client,
                sock=sock,
                ssl=t.client_context(),
                server_hostname="localhost",
                ssl_shutdown_timeout=0.02,
            )
            ssl_socket = await served
            try:
                transport.close()
                await asyncio.wait_for(until(lambda: protocol.lost), 2)
            finally:
                ssl_socket.close()

    t.loop.set_exception_handler(lambda *_: None)
    t.run(main(False))
    with t.part("ignored on a unix socket"):
        t.run(main(True))


def tls_without_end(sock: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    """The handshake, and nobody who would answer a close_notify."""
    sock.settimeout(5)
    return context.wrap_socket(sock, server_side=True)


@row("create_server")
def _(t: Trial) -> None:
    async def main():
        server = await t.loop.create_server(
            Echo, ["127.0.0.1"], 0, family=socket.AF_INET, backlog=5, reuse_address=True
        )
        transport, protocol = await t.loop.create_connection(Client, *address(server))
        await answers(transport, protocol)
        await ends(transport, protocol)
        port = address(server)[1]
        with t.part("the text of its errors differs"):
            with raises(OSError, "error while attempting to bind on address ('127.0.0.1',"):
                await t.loop.create_server(Echo, "127.0.0.1", port, reuse_port=False)
        server.close()
        await server.wait_closed()
        secure = await t.loop.create_server(Echo, "127.0.0.1", 0, ssl=t.server_context())
        secure.close()
        with t.part("ssl=True raises no TypeError"):
            with raises(TypeError):
                await t.loop.create_server(Echo, "127.0.0.1", 0, ssl=True)

    t.run(main())


@row("create_server(start_serving=)", (3, 7))
def _(t: Trial) -> None:
    async def main():
        async with serving(t.loop, start_serving=False) as server:
            assert not server.is_serving()
            await server.start_serving()
            assert server.is_serving()

    t.run(main())


@row("create_server(keep_alive=)", (3, 13))
def _(t: Trial) -> None:
    async def main():
        async with serving(t.loop, keep_alive=True) as server:
            option = server.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert option

    t.run(main())


@row("create_unix_connection, create_unix_server")
def _(t: Trial) -> None:
    path = str(t.folder / "socket")

    async def main():
        server = await t.loop.create_unix_server(Echo, path)
        transport, protocol = await t.loop.create_unix_connection(Client, path)
        await answers(transport, protocol)
        assert transport.get_extra_info("peername") == path
        await ends(transport, protocol)
        server.close()

    async def abstract():
        name = f"\0parity-{os.getpid()}"
        server = await t.loop.create_unix_server(Echo, name)
        transport, protocol = await t.loop.create_unix_connection(Client, name)
        await answers(transport, protocol)
        await ends(transport, protocol)
        server.close()

    t.run(main())
    with t.part("no abstract addresses"):
        t.run(abstract())


@row("create_unix_server(cleanup_socket=)", (3, 13))
def _(t: Trial) -> None:
    async def main():
        path = t.folder / "socket"
        server = await t.loop.create_unix_server(Echo, path)
        server.close()
        assert not path.exists(), "the file stays"
        server = await t.loop.create_unix_server(Echo, path, cleanup_socket=False)
        server.close()
        assert path.exists(), "the file goes"

    t.run(main())


@row("connect_accepted_socket", (3, 5, 3))
def _(t: Trial) -> None:
    async def main(context):
        near, far = socket.socketpair()
        served = asyncio.ensure_future(
            t.loop.connect_accepted_socket(
                Echo, far, **({"ssl": t.server_context()} if context else {})
            )
        )
        await asyncio.sleep(0)
        options = {"ssl": context, "server_hostname": "localhost"} if context else {}
        transport, protocol = await t.loop.create_unix_connection(Client, sock=near, **options)
        _, server_side = await served
        await answers(transport, protocol)
        await ends(transport, protocol)
        assert isinstance(server_side, Echo), "another protocol is returned"

    t.run(main(None))
    with t.part("with ssl= it returns another protocol than the user's"):
        t.run(main(t.client_context()), 3)


@row("start_tls, StreamWriter.start_tls", (3, 7))
def _(t: Trial) -> None:
    async def serve(reader, writer):
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go on\n")
        await writer.drain()
        await writer.start_tls(t.server_context())
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        transport, protocol = await t.loop.create_connection(Client, *address(server))
        transport.write(b"STARTTLS\n")
        await until(lambda: protocol.data == b"go on\n")
        transport = await t.loop.start_tls(
            transport, protocol, t.client_context(), server_hostname="localhost"
        )
        transport.write(b"secret\n")
        await until(lambda: protocol.data == b"go on\nSECRET\n")
        await ends(transport, protocol)
        reader, writer = await asyncio.open_connection(*address(server))
        writer.write(b"STARTTLS\n")
        await reader.readline()
        await writer.start_tls(t.client_context(), server_hostname="localhost")
        writer.write(b"secret\n")
        assert await reader.readline() == b"SECRET\n"
        writer.close()
        server.close()

    t.run(main())


@row("sendfile", (3, 7))
def _(t: Trial) -> None:
    content = os.urandom(300_000)
    (t.folder / "file").write_bytes(content)

    async def main(options, arguments):
        async with serving(t.loop, lambda: received, **options.get("server", {})) as server:
            client = options.get("client", {})
            transport, _ = await t.loop.create_connection(Client, *address(server), **client)
            with open(t.folder / "file", "rb") as file:
                sent = await t.loop.sendfile(transport, file, *arguments)
            transport.close()
            await until(lambda: received.lost)
            return sent

    received = Client()
    assert t.run(main({}, ())) == len(content) and received.data == content
    received = Client()
    assert t.run(main({}, (5, 1000))) == 1000 and received.data == content[5:1005]
    received = Client()
    secure = {
        "server": {"ssl": t.server_context()},
        "client": {"ssl": t.client_context(), "server_hostname": "localhost"},
    }
    with t.part("not over TLS"):
        assert t.run(main(secure, ())) == len(content) and received.data == content


@row("Server: close, is_serving, get_loop, start_serving, sockets, async with", (3, 7))
def _(t: Trial) -> None:
    async def main():
        server = await t.loop.create_server(Echo, "127.0.0.1", 0)
        async with server:
            assert server.is_serving() and server.get_loop() is t.loop
            assert len(server.sockets) == 1
            with t.part("sockets is no tuple"):
                assert isinstance(server.sockets, tuple)
            await server.start_serving()
        assert not server.is_serving() and not server.sockets
        server.close()

    t.run(main())


@row("Server.wait_closed() waits for the connections", (3, 12, 1))
def _(t: Trial) -> None:
    async def main():
        async with serving(t.loop) as server:
            transport, protocol = await t.loop.create_connection(Client, *address(server))
            await answers(transport, protocol)
            server.close()
            waiting = asyncio.ensure_future(server.wait_closed())
            await asyncio.sleep(0.01)
            assert not waiting.done(), "it does not wait"
            await ends(transport, protocol)
            await waiting

    t.run(main())


@row("Server.serve_forever() is cancelled by close()", (3, 7))
def _(t: Trial) -> None:
    async def main():
        server = await t.loop.create_server(Echo, "127.0.0.1", 0)
        task = asyncio.ensure_future(server.serve_forever())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        server.close()
        await asyncio.wait([task], timeout=0.2)
        assert task.cancelled(), "it is not"

    t.run(main())


@row("Server.close_clients, abort_clients", (3, 13))
def _(t: Trial) -> None:
    async def main(method):
        async with serving(t.loop) as server:
            transport, protocol = await t.loop.create_connection(Client, *address(server))
            await answers(transport, protocol)
            getattr(server, method)()
            await until(lambda: protocol.lost or protocol.eof)
            transport.abort()

    t.run(main("close_clients"))
    t.run(main("abort_clients"))


@row("isinstance(server, asyncio.AbstractServer)")
def _(t: Trial) -> None:
    async def main():
        async with serving(t.loop) as server:
            assert isinstance(server, asyncio.AbstractServer), "an unrelated class"

    t.run(main())


@row("a peer's reset reaches connection_lost as ConnectionResetError")
def _(t: Trial) -> None:
    async def main():
        listener = socket.create_server(("127.0.0.1", 0))
        _transport, protocol = await t.loop.create_connection(Client, *listener.getsockname())
        far, _ = listener.accept()
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        far.close()
        await until(lambda: protocol.lost)
        assert isinstance(protocol.error, ConnectionResetError)
        listener.close()

    t.run(main())
