# SPDX-License-Identifier: MIT
"""Transports and protocols."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from asyncio.trsock import TransportSocket

from .connections import Client, Echo, address, ends, serving
from .descriptors import Datagrams, PipeEnd
from .rows import Trial, raises, row, until


@contextlib.asynccontextmanager
async def connected(t: Trial, factory=Client):
    """A transport, its protocol, and the blocking socket at the other end."""
    near, far = socket.socketpair()
    near.setblocking(False)
    far.settimeout(5)
    transport, protocol = await t.loop.create_unix_connection(factory, sock=near)
    try:
        yield transport, protocol, far
    finally:
        far.close()
        transport.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@row("isinstance(transport, asyncio.Transport), DatagramTransport, ReadTransport")
def _(t: Trial) -> None:
    async def main():
        async with connected(t) as (transport, _, _far):
            assert isinstance(transport, asyncio.Transport), "unrelated classes"
            assert isinstance(transport, asyncio.ReadTransport)
        datagrams, _ = await t.loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
        with t.part("not that of datagrams"):
            assert isinstance(datagrams, asyncio.DatagramTransport)
        datagrams.close()
        read_end, write_end = os.pipe()
        source, _ = await t.loop.connect_read_pipe(PipeEnd, os.fdopen(read_end, "rb", 0))
        assert isinstance(source, asyncio.ReadTransport)
        source.close()
        os.close(write_end)

    t.run(main())


@row("get_extra_info('socket') is a TransportSocket", (3, 8))
def _(t: Trial) -> None:
    async def main():
        async with serving(t.loop) as server:
            transport, protocol = await t.loop.create_connection(Client, *address(server))
            sock = transport.get_extra_info("socket")
            assert sock.getpeername() == address(server)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
            assert transport.get_extra_info("peername") == address(server)
            await ends(transport, protocol)
            with t.part("another class"):
                assert isinstance(sock, TransportSocket)

    t.run(main())


@row("get_extra_info('ssl_object'), peercert, cipher")
def _(t: Trial) -> None:
    async def main():
        async with serving(t.loop, ssl=t.server_context()) as server:
            context = t.client_context()
            transport, protocol = await t.loop.create_connection(
                Client, *address(server), ssl=context, server_hostname="localhost"
            )
            assert transport.get_extra_info("ssl_object").version().startswith("TLS")
            assert transport.get_extra_info("sslcontext") is context
            assert ("DNS", "localhost") in transport.get_extra_info("peercert")["subjectAltName"]
            assert len(transport.get_extra_info("cipher")) == 3
            assert transport.get_extra_info("compression", 1) is None
            await ends(transport, protocol)

    t.run(main())


@row("get_protocol, set_protocol", (3, 5, 3))
def _(t: Trial) -> None:
    async def main():
        async with connected(t) as (transport, protocol, far):
            assert transport.get_protocol() is protocol
            other = Echo()
            other.transport = transport
            transport.set_protocol(other)
            far.send(b"hello")
            await until(lambda: other.data == b"hello")
            assert far.recv(10) == b"hello" and protocol.data == b""

    t.run(main())


class Buffered(asyncio.BufferedProtocol):
    """Reads into its own buffer."""

    def __init__(self) -> None:
        self.buffer = bytearray(3)
        self.data = b""

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, nbytes):
        self.data += self.buffer[:nbytes]


@row("BufferedProtocol", (3, 7))
def _(t: Trial) -> None:
    async def main():
        async with connected(t, Buffered) as (_transport, protocol, far):
            far.send(b"hello")
            await until(lambda: protocol.data == b"hello")

    t.run(main())


@row("is_reading, pause_reading, resume_reading", (3, 7))
def _(t: Trial) -> None:
    async def main():
        async with connected(t) as (transport, protocol, far):
            assert transport.is_reading()
            transport.pause_reading()
            transport.pause_reading()
            assert not transport.is_reading()
            far.send(b"hello")
            await asyncio.sleep(0.01)
            assert protocol.data == b""
            transport.resume_reading()
            await until(lambda: protocol.data == b"hello")

    t.run(main())


@row("set_write_buffer_limits, get_write_buffer_size", (3, 4, 2))
def _(t: Trial) -> None:
    class Paused(Client):
        calls = ""

        def pause_writing(self):
            self.calls += "p"

        def resume_writing(self):
            self.calls += "r"

    async def main():
        async with connected(t, Paused) as (transport, protocol, far):
            with t.part("the default of the low-water mark is not a quarter of the high one"):
                low, high = transport.get_write_buffer_limits()
                assert (low, high) == (16384, 65536)
            transport.set_write_buffer_limits(high=1000, low=10)
            transport.write(bytes(1_000_000))
            assert protocol.calls == "p" and 0 < transport.get_write_buffer_size() <= 1_000_000
            await t.loop.run_in_executor(None, receive, far, 1_000_000)
            await until(lambda: protocol.calls == "pr")
            assert transport.get_write_buffer_size() == 0
            with raises(ValueError, "must be >= low"):
                transport.set_write_buffer_limits(high=1, low=2)

    t.run(main())


def receive(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += sock.recv(size)
    return data


@row("get_write_buffer_limits", (3, 4, 2))
def _(t: Trial) -> None:
    async def main():
        async with connected(t) as (transport, _, _far):
            transport.set_write_buffer_limits(high=100)
            assert transport.get_write_buffer_limits() == (25, 100)
        datagrams, _ = await t.loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
        datagrams.get_write_buffer_limits()
        datagrams.close()

    t.run(main())


@row("write, writelines, write_eof, can_write_eof, abort")
def _(t: Trial) -> None:
    async def main():
        async with connected(t) as (transport, protocol, far):
            transport.write(b"a")
            transport.writelines([b"b", bytearray(b"c"), memoryview(b"d")])
            with raises(TypeError):
                transport.write("text")
            assert transport.can_write_eof()
            transport.write_eof()
            assert await t.loop.run_in_executor(None, receive, far, 4) == b"abcd"
            assert await t.loop.run_in_executor(None, far.recv, 1) == b""
            with raises(RuntimeError, "Cannot call write() after write_eof()"):
                transport.write(b"more")
            transport.abort()
            assert transport.is_closing()
            await until(lambda: protocol.lost)
            assert protocol.error is None

    t.run(main())


@row("write(bytearray), which is changed afterwards, is safe", (3, 4), (3, 11))
def _(t: Trial) -> None:
    async def main():
        async with connected(t) as (transport, _, far):
            first, then = bytes(1_000_000), bytearray(b"before")
            transport.write(first)
            transport.write(then)
            then[:] = b"after!"
            data = await t.loop.run_in_executor(None, receive, far, len(first) + 6)
            assert data.endswith(b"before"), "the change is sent"

    t.run(main())


@row("writing after the connection is lost is logged, and raises nothing")
def _(t: Trial) -> None:
    async def main():
        async with connected(t) as (transport, protocol, far):
            far.close()
            await until(lambda: protocol.eof)
            transport.abort()
            for _ in range(10):
                transport.write(b"x")
                await asyncio.sleep(0)

    t.run(main())


@row("StreamReader, StreamWriter")
def _(t: Trial) -> None:
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*address(server))
        writer.writelines([b"one\n", b"two\nrest"])
        await writer.drain()
        assert await reader.readexactly(4) == b"ONE\n"
        assert await reader.readuntil(b"O\n") == b"TWO\n"
        writer.write_eof()
        assert await reader.read() == b"REST"
        assert reader.at_eof()
        writer.close()
        await writer.wait_closed()
        server.close()
        with raises(asyncio.IncompleteReadError):
            await reader.readexactly(1)

    t.run(main())
