# SPDX-License-Identifier: MIT
"""What one side writes is what the other reads: sizes, mixtures, one-byte segments."""

import asyncio
import hashlib
import random
import socket
import threading

import pytest

from tests.tools import Recorder, connected, receive_exactly, run, run_until, shrink_buffers


def payload(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("size", [1, 100, 4096, 65536, 65537, 262144, 1_000_003, 10_000_000])
def test_received(loop, stream_kind, size):
    data = payload(size)
    with connected(loop, stream_kind) as (_, protocol, peer):
        thread = threading.Thread(target=peer.sendall, args=(data,))
        thread.start()
        run_until(loop, lambda: len(protocol.data) >= size)
        thread.join()
        assert protocol.data == data


@pytest.mark.parametrize("size", [1, 100, 4096, 65536, 65537, 262144, 1_000_003, 10_000_000])
def test_written_at_once(loop, stream_kind, size):
    data = payload(size)
    received = []
    with connected(loop, stream_kind) as (transport, _, peer):
        thread = threading.Thread(target=lambda: received.append(receive_exactly(peer, size)))
        thread.start()
        loop.call_soon(transport.write, data)
        run_until(loop, lambda: received)
        thread.join()
        assert received == [data]


def test_write_order_is_kept(loop, stream_kind):
    """Small and large, bytes and views, in one callback and over many turns."""
    chance = random.Random(4)
    pieces = [chance.randbytes(chance.choice((1, 10, 1000, 70_000))) for _ in range(600)]
    whole = b"".join(pieces)
    kinds = [bytes, bytearray, memoryview]
    received = []
    with connected(loop, stream_kind) as (transport, _, peer):
        shrink_buffers(peer)
        thread = threading.Thread(target=lambda: received.append(receive_exactly(peer, len(whole))))
        thread.start()

        async def main():
            for number, piece in enumerate(pieces):
                if number % 5 == 0:
                    transport.writelines([piece[: len(piece) // 2], piece[len(piece) // 2 :]])
                else:
                    transport.write(kinds[number % 3](piece))
                if number % 7 == 0:
                    await asyncio.sleep(0)

        run(loop, main())
        run_until(loop, lambda: received)
        thread.join()
        assert hashlib.sha256(received[0]).digest() == hashlib.sha256(whole).digest()


def test_many_small_writes_in_one_callback(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, _, peer):

        def write():
            for number in range(1000):
                transport.write(b"%d," % number)

        expected = b"".join(b"%d," % number for number in range(1000))
        loop.call_soon(write)
        received = []
        thread = threading.Thread(
            target=lambda: received.append(receive_exactly(peer, len(expected)))
        )
        thread.start()
        run_until(loop, lambda: received)
        thread.join()
        assert received == [expected]


def test_writes_of_one_callback_leave_before_the_next_callback(loop, stream_kind):
    """Cork or no cork: whoever looks from the next callback sees the bytes on the wire."""
    seen = []
    with connected(loop, stream_kind) as (transport, _, peer):
        peer.setblocking(False)

        def look():
            try:
                seen.append(peer.recv(100))
            except BlockingIOError:
                seen.append(None)
            loop.stop()

        def write():
            transport.write(b"one ")
            transport.write(b"two")
            loop.call_soon(look)

        loop.call_soon(write)
        loop.run_forever()
        assert seen == [b"one two"]


def test_writes_outside_a_run_are_sent_when_it_runs_or_before(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, _, peer):
        transport.write(b"outside")
        run(loop, asyncio.sleep(0))
        assert peer.recv(100) == b"outside"


def test_a_write_before_a_long_callback_is_not_held_back_for_ever(loop, stream_kind):
    """What is written in a task step leaves when the step ends, not when the task does."""
    with connected(loop, stream_kind) as (transport, _, peer):

        async def main():
            transport.write(b"step")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            peer.setblocking(False)
            return peer.recv(100)

        assert run(loop, main()) == b"step"


def test_n6_a_peer_that_sends_byte_by_byte(loop, stream_kind):
    with connected(loop, stream_kind) as (_, protocol, peer):
        if stream_kind == "tcp":
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = payload(5_000)
        for start in range(0, len(data), 50):
            for index in range(start, start + 50):
                peer.send(data[index : index + 1])
            run_until(loop, lambda start=start: len(protocol.data) == start + 50)
        assert protocol.data == data


def test_an_echo_of_many_messages(loop):
    class Echo(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(data)

    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()

        async def client(seed):
            reader, writer = await asyncio.open_connection(*address)
            data = payload(100_000, seed)
            for start in range(0, len(data), 5000):
                writer.write(data[start : start + 5000])
                assert await reader.readexactly(5000) == data[start : start + 5000]
            writer.close()
            await writer.wait_closed()

        await asyncio.gather(*(client(seed) for seed in range(20)))
        server.close()
        await server.wait_closed()

    run(loop, main())


def test_t3_no_byte_crosses_from_one_connection_to_another(loop):
    """Connections open, write their own tag, and are closed or aborted at random."""
    wrong = []

    class Tagged(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
            self.tag = None

        def data_received(self, data):
            self.tag = self.tag or data[:4]
            if data.replace(self.tag, b""):
                wrong.append(data)
            self.transport.write(data)

    async def main():
        server = await loop.create_server(Tagged, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        chance = random.Random(9)

        async def client(number):
            tag = b"%04d" % number
            transport, protocol = await loop.create_connection(Recorder, *address)
            for _ in range(chance.randrange(1, 4)):
                transport.write(tag * chance.randrange(1, 500))
                if chance.random() < 0.3:
                    transport.abort()
                    break
                await asyncio.sleep(0)
            transport.close()
            while not protocol.lost:
                await asyncio.sleep(0.001)
            if bytes(protocol.data).replace(tag, b"").strip(tag):
                wrong.append(bytes(protocol.data))

        for start in range(0, 400, 40):
            await asyncio.gather(*(client(n) for n in range(start, start + 40)))
        server.close()
        await server.wait_closed()

    run(loop, main())
    assert wrong == []
