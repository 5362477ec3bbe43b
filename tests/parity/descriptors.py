# SPDX-License-Identifier: MIT
"""Datagrams, raw sockets, watchers, pipes."""

from __future__ import annotations

import asyncio
import os
import socket

from .rows import Trial, raises, row, until


class Datagrams(asyncio.DatagramProtocol):
    """Keeps what comes."""

    def __init__(self) -> None:
        self.got: list = []
        self.errors: list = []
        self.lost = False

    def datagram_received(self, data, addr):
        self.got.append((data, addr))

    def error_received(self, exc):
        self.errors.append(exc)

    def connection_lost(self, exc):
        self.lost = True


@row("create_datagram_endpoint", (3, 4, 2))
def _(t: Trial) -> None:
    home = ("127.0.0.1", 0)

    async def udp():
        server, received = await t.loop.create_datagram_endpoint(Datagrams, local_addr=home)
        there = server.get_extra_info("sockname")
        client, answer = await t.loop.create_datagram_endpoint(Datagrams, remote_addr=there)
        client.sendto(b"question")
        await until(lambda: received.got)
        data, sender = received.got[0]
        assert data == b"question" and sender == client.get_extra_info("sockname")
        server.sendto(b"answer", sender)
        await until(lambda: answer.got)
        server.close()
        await until(lambda: received.lost)
        client.sendto(b"is anybody there?")
        await until(lambda: answer.errors)
        assert isinstance(answer.errors[0], ConnectionRefusedError)
        client.close()
        with raises(ValueError, "unexpected address family"):
            await t.loop.create_datagram_endpoint(Datagrams)

    async def unix():
        paths = [str(t.folder / name) for name in "ab"]
        one, _ = await t.loop.create_datagram_endpoint(
            Datagrams, local_addr=paths[0], family=socket.AF_UNIX
        )
        two, received = await t.loop.create_datagram_endpoint(
            Datagrams, local_addr=paths[1], family=socket.AF_UNIX
        )
        one.sendto(b"hello", paths[1])
        await until(lambda: received.got)
        assert received.got == [(b"hello", paths[0])]
        one.close()
        two.close()

    async def family():
        for options in (
            {"local_addr": ("localhost", 0)},
            {"family": socket.AF_INET},
            {"local_addr": ("::1", 0)},
        ):
            transport, _ = await t.loop.create_datagram_endpoint(Datagrams, **options)
            transport.close()

    async def reuse():
        with raises(TypeError):
            await t.loop.create_datagram_endpoint(Datagrams, local_addr=home, reuse_address=True)
        transport, _ = await t.loop.create_datagram_endpoint(
            Datagrams, local_addr=home, reuse_port=True, allow_broadcast=True
        )
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
        transport.close()

    t.run(udp())
    with t.part("no unix sockets"):
        t.run(unix(), 2)
    with t.part("some forms of addresses are refused"):
        t.run(family(), 2)
    with t.part("reuse_address is still taken, or options are not set"):
        t.run(reuse(), 2)


@row("... sendto sends empty datagrams", (3, 13))
def _(t: Trial) -> None:
    async def main():
        server, received = await t.loop.create_datagram_endpoint(
            Datagrams, local_addr=("127.0.0.1", 0)
        )
        there = server.get_extra_info("sockname")
        client, _ = await t.loop.create_datagram_endpoint(Datagrams, remote_addr=there)
        client.sendto(b"")
        client.sendto(b"end")
        await until(lambda: b"end" in [data for data, _ in received.got])
        assert [data for data, _ in received.got] == [b"", b"end"], "they are dropped"
        client.close()
        server.close()

    t.run(main())


@row("sock_recv, sock_recv_into, sock_sendall, sock_connect, sock_accept")
def _(t: Trial) -> None:
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
            listener.setblocking(False)
            client.setblocking(False)
            accepting = asyncio.ensure_future(t.loop.sock_accept(listener))
            await t.loop.sock_connect(client, listener.getsockname())
            server, peer = await accepting
            with server:
                assert peer == client.getsockname() and server.gettimeout() == 0
                waiting = asyncio.ensure_future(t.loop.sock_recv(server, 100))
                await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.wait([waiting])
                assert waiting.cancelled()
                big = bytes(3_000_000)
                sending = asyncio.ensure_future(t.loop.sock_sendall(client, big))
                buffer = bytearray(100_000)
                count = len(await t.loop.sock_recv(server, 1000))
                while count < len(big):
                    count += await t.loop.sock_recv_into(server, buffer)
                await sending

    t.run(main())


@row("sock_recvfrom, sock_recvfrom_into, sock_sendto", (3, 11))
def _(t: Trial) -> None:
    async def main():
        socks = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(2)]
        for sock in socks:
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        near, far = socks
        waiting = asyncio.ensure_future(t.loop.sock_recvfrom(far, 100))
        await asyncio.sleep(0)
        await t.loop.sock_sendto(near, b"one", far.getsockname())
        assert await waiting == (b"one", near.getsockname())
        await t.loop.sock_sendto(near, b"two", far.getsockname())
        buffer = bytearray(10)
        assert await t.loop.sock_recvfrom_into(far, buffer) == (3, near.getsockname())
        assert buffer[:3] == b"two"
        near.close()
        far.close()

    t.run(main())


@row("sock_sendfile", (3, 7))
def _(t: Trial) -> None:
    content = os.urandom(200_000)
    (t.folder / "file").write_bytes(content)

    async def main():
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        with near, far, open(t.folder / "file", "rb") as file:
            sending = asyncio.ensure_future(t.loop.sock_sendfile(near, file, 10, 150_000))
            data = b""
            while len(data) < 150_000 and not (sending.done() and sending.exception()):
                data += await t.loop.sock_recv(far, 65536)
            assert await sending == 150_000 and data == content[10:150_010]

    t.run(main())


@row("add_reader, add_writer")
def _(t: Trial) -> None:
    near, far = socket.socketpair()
    order = []

    def readable():
        order.append("reader")
        far.recv(10)
        t.loop.call_soon(order.append, "queued")

    t.loop.add_reader(far, readable)
    t.loop.add_writer(near.fileno(), lambda: (order.append("writer"), t.loop.remove_writer(near)))
    near.send(b"x")
    t.turns(4)
    assert sorted(order) == ["queued", "reader", "writer"]
    with t.part("the descriptor becomes a non-blocking one"):
        assert os.get_blocking(far.fileno())
    seen = []
    t.loop.add_reader(far, seen.append, 1)
    t.loop.add_reader(far, seen.append, 2)
    near.send(b"y")
    t.turns(3)
    t.loop.remove_reader(far)
    assert set(seen) == {2}
    near.close()
    far.close()


@row("remove_reader, remove_writer say whether there was one")
def _(t: Trial) -> None:
    near, far = socket.socketpair()
    with near, far:
        t.loop.add_reader(far, int)
        t.loop.add_writer(far, int)
        assert t.loop.remove_reader(far) is True, "no"
        assert t.loop.remove_reader(far) is False
        assert t.loop.remove_writer(far) is True
        assert t.loop.remove_writer(far) is False


class PipeEnd(asyncio.Protocol):
    """Either end."""

    def __init__(self) -> None:
        self.data = b""
        self.lost = self.eof = False

    def data_received(self, data):
        self.data += data

    def eof_received(self):
        self.eof = True

    def connection_lost(self, exc):
        self.lost = True


@row("connect_read_pipe, connect_write_pipe")
def _(t: Trial) -> None:
    async def pipe():
        read_end, write_end = os.pipe()
        source, reading = await t.loop.connect_read_pipe(PipeEnd, os.fdopen(read_end, "rb", 0))
        sink, writing = await t.loop.connect_write_pipe(PipeEnd, os.fdopen(write_end, "wb", 0))
        sink.write(b"hello")
        await until(lambda: reading.data == b"hello")
        sink.close()
        await until(lambda: reading.eof and reading.lost and writing.lost)
        source.close()

    async def reader_gone():
        read_end, write_end = os.pipe()
        _, writing = await t.loop.connect_write_pipe(PipeEnd, os.fdopen(write_end, "wb", 0))
        os.close(read_end)
        await until(lambda: writing.lost)

    async def closed_once():
        read_end, write_end = os.pipe()
        file = os.fdopen(read_end, "rb", 0)
        source, reading = await t.loop.connect_read_pipe(PipeEnd, file)
        source.close()
        await until(lambda: reading.lost)
        assert file.closed
        os.close(write_end)

    async def regular_file():
        with open(t.folder / "file", "wb") as file:
            with raises(ValueError, "Pipe transport is only for"):
                await t.loop.connect_write_pipe(PipeEnd, file)

    t.run(pipe())
    with t.part("the end of the reader is not noticed"):
        t.run(reader_gone(), 2)
    with t.part("the file object is not closed with the transport"):
        t.run(closed_once(), 2)
    with t.part("regular files are taken"):
        t.run(regular_file(), 2)
