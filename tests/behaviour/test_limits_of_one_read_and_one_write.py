# SPDX-License-Identifier: MIT
"""F16, io F 9, F 13: what comes before a reset is delivered; one pause for a huge write."""

import asyncio
import socket
import threading

import pytest

from tests.tools import (
    BufferedRecorder,
    Recorder,
    connected,
    receive_exactly,
    run,
    run_until,
    settle,
    shrink_buffers,
)


def test_one_huge_write_pauses_once_and_arrives(loop, stream_kind):
    size = 100_000_000
    received = []

    def read(peer):
        received.append(len(receive_exactly(peer, size)))

    with connected(loop, stream_kind) as (transport, protocol, peer):
        thread = threading.Thread(target=read, args=(peer,))
        transport.write(bytes(size))
        assert protocol.events.count("pause") == 1
        thread.start()
        run_until(loop, lambda: received)
        thread.join()
        run_until(loop, lambda: "resume" in protocol.events)
        assert received == [size]
        assert protocol.events == ["made", "pause", "resume"]


@pytest.mark.parametrize("protocol", [Recorder, BufferedRecorder])
def test_data_and_the_end_that_come_together_arrive_in_order(loop, stream_kind, protocol):
    for _ in range(30):
        with connected(loop, stream_kind, protocol()) as (_, seen, peer):
            peer.sendall(b"x" * 5000)
            peer.close()
            run_until(loop, lambda seen=seen: seen.lost)
            assert bytes(seen.data) == b"x" * 5000


def test_a_sender_that_closes_at_once_loses_nothing(loop):
    received = []

    class Server(Recorder):
        def connection_lost(self, exc):
            received.append(len(self.data))

    async def main():
        server = await loop.create_server(Server, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        for _ in range(20):
            transport, _ = await loop.create_connection(asyncio.Protocol, *address)
            transport.write(b"x" * 300_000)
            transport.close()
        while len(received) < 20:
            await asyncio.sleep(0.001)
        server.close()
        await server.wait_closed()

    run(loop, main())
    assert received == [300_000] * 20


def test_n12_an_urgent_byte_does_no_harm(loop):
    with connected(loop, "tcp") as (_, protocol, peer):
        peer.send(b"before")
        peer.send(b"!", socket.MSG_OOB)
        peer.send(b"after")
        run_until(loop, lambda: len(protocol.data) >= 11)
        assert protocol.data.replace(b"!", b"") == b"beforeafter"


def test_a_reader_slower_than_the_writer_loses_nothing(loop, stream_kind):
    """One side pauses at random; the other heeds pause_writing as asyncio.streams do."""

    async def main():
        near, far = socket.socketpair()
        shrink_buffers(near, far)
        near.setblocking(False)
        far.setblocking(False)
        _, writer = await asyncio.open_unix_connection(sock=near)
        reader, other = await asyncio.open_unix_connection(sock=far, limit=1000)
        total = 2_000_000

        async def send():
            for number in range(total // 1000):
                writer.write(b"%03d" % (number % 1000) + b"x" * 997)
                await writer.drain()
            writer.write_eof()

        sending = asyncio.ensure_future(send())
        got = 0
        while chunk := await reader.read(3333):
            got += len(chunk)
            if got % 7 == 0:
                await asyncio.sleep(0)
        await sending
        assert got == total
        for one in (writer, other):
            one.close()
            await one.wait_closed()

    run(loop, main())


def test_closing_while_a_write_waits_and_the_peer_leaves(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer)
        transport.write(b"x" * 3_000_000)
        transport.close()
        settle(loop)
        peer.close()
        run_until(loop, lambda: protocol.lost)
        assert protocol.names.count("lost") == 1
