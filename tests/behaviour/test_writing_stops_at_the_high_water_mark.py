# SPDX-License-Identifier: MIT
"""Flow control outwards: pause_writing, resume_writing, limits, sizes (A21, F11, N4)."""

import asyncio
import contextlib
import socket

import pytest

from tests.tools import Recorder, connected, run_until, settle, shrink_buffers


def drain(loop, peer, until):
    """Read from the blocking peer, without blocking, until the condition holds."""
    peer.setblocking(False)

    def step():
        try:
            peer.recv(1 << 20)
        except BlockingIOError:
            pass
        return until()

    run_until(loop, step)


def test_f11_pause_and_resume_once_each(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer)
        for _ in range(10):
            transport.write(b"x" * 200_000)
        assert protocol.events.count("pause") == 1
        assert transport.get_write_buffer_size() > transport.get_write_buffer_limits()[1]
        drain(loop, peer, lambda: "resume" in protocol.events)
        assert protocol.events == ["made", "pause", "resume"]
        assert transport.get_write_buffer_size() <= transport.get_write_buffer_limits()[0]


@pytest.mark.hotloop_only(reason="early asyncio of 3.12 and 3.13 forgets to pause: a vulnerability")
def test_f11_writelines_pauses_too(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer)
        transport.writelines([b"x" * 100_000 for _ in range(50)])
        assert protocol.events.count("pause") == 1
        drain(loop, peer, lambda: "resume" in protocol.events)


def test_it_can_happen_again(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer)
        for round_ in range(1, 4):
            transport.write(b"x" * 2_000_000)
            assert protocol.events.count("pause") == round_
            drain(loop, peer, lambda round_=round_: protocol.events.count("resume") == round_)


def test_the_default_limits(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, _, _):
        assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
        assert transport.get_write_buffer_size() == 0


@pytest.mark.parametrize(
    "given, expected",
    [
        ({}, (16 * 1024, 64 * 1024)),
        ({"high": 100}, (25, 100)),
        ({"low": 100}, (100, 400)),
        ({"high": 100, "low": 100}, (100, 100)),
        ({"high": 0}, (0, 0)),
        ({"high": 100, "low": 0}, (0, 100)),
        ({"high": 1 << 40}, ((1 << 40) // 4, 1 << 40)),
    ],
)
def test_limits_follow_from_each_other(loop, stream_kind, given, expected):
    with connected(loop, stream_kind) as (transport, _, _):
        transport.set_write_buffer_limits(**given)
        assert transport.get_write_buffer_limits() == expected


@pytest.mark.parametrize(
    ("given", "high", "low"),
    [
        ({"high": 1, "low": 2}, 1, 2),
        ({"high": 1, "low": -1}, 1, -1),
        ({"high": -5}, -5, -2),
        ({"low": -1}, -4, -1),
    ],
)
def test_a21_senseless_limits(loop, stream_kind, given, high, low):
    with connected(loop, stream_kind) as (transport, _, _):
        with pytest.raises(ValueError) as caught:
            transport.set_write_buffer_limits(**given)
        assert str(caught.value) == f"high ({high}) must be >= low ({low}) must be >= 0"
        assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)


def test_lower_limits_take_effect_for_what_is_queued(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer)
        transport.set_write_buffer_limits(high=100_000_000)
        transport.write(b"x" * 5_000_000)
        assert "pause" not in protocol.events
        transport.set_write_buffer_limits(high=1000)
        assert protocol.events.count("pause") == 1


def test_the_size_counts_what_waits(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, _, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer)
        transport.write(b"x" * 5_000_000)
        settle(loop)
        before = transport.get_write_buffer_size()
        assert 0 < before <= 5_000_000
        transport.write(b"x" * 1000)
        assert transport.get_write_buffer_size() == before + 1000
        drain(loop, peer, lambda: transport.get_write_buffer_size() == 0)


def test_closing_inside_pause_writing(loop, stream_kind):
    for how in ("close", "abort"):

        class Leaves(Recorder):
            def pause_writing(self, how=how):
                super().pause_writing()
                getattr(self.transport, how)()

        with connected(loop, stream_kind, Leaves()) as (transport, protocol, peer):
            shrink_buffers(transport.get_extra_info("socket"), peer)
            transport.write(b"x" * 5_000_000)
            drain(loop, peer, lambda protocol=protocol: protocol.lost)
            assert protocol.names.count("lost") == 1 and protocol.names.count("pause") == 1


def test_writing_inside_resume_writing(loop, stream_kind):
    class Writes(Recorder):
        left = 3

        def resume_writing(self):
            super().resume_writing()
            if self.left:
                self.left -= 1
                self.transport.write(b"x" * 3_000_000)

    with connected(loop, stream_kind, Writes()) as (transport, protocol, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer)
        transport.write(b"x" * 3_000_000)
        drain(loop, peer, lambda: protocol.events.count("resume") == 4)
        assert protocol.events[1:] == ["pause", "resume"] * 4


def test_n4_a_peer_that_never_reads_and_a_close_that_waits(loop, stream_kind):
    """close() lingers as long as data waits; abort() ends it."""
    with connected(loop, stream_kind) as (transport, protocol, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer)
        transport.write(b"x" * 5_000_000)
        transport.close()
        settle(loop)
        assert not protocol.lost and transport.is_closing()
        transport.abort()
        settle(loop)
        assert protocol.lost and protocol.error is None
        assert transport.get_write_buffer_size() == 0


def test_n4_drain_waits_for_the_reader(loop):
    async def main():
        near, far = socket.socketpair()
        near.setblocking(False)
        shrink_buffers(near, far)
        _, writer = await asyncio.open_unix_connection(sock=near)
        writer.write(b"x" * 2_000_000)
        waiting = asyncio.ensure_future(writer.drain())
        await asyncio.sleep(0.005)
        assert not waiting.done()
        far.setblocking(False)
        while not waiting.done():
            try:
                far.recv(1 << 20)
            except BlockingIOError:
                pass
            await asyncio.sleep(0)
        far.close()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    loop.run_until_complete(asyncio.wait_for(main(), 20))


@pytest.mark.hotloop_only(reason="asyncio from 3.12 on adds up the whole queue for each size")
def test_f15_a_million_small_writes_to_a_stalled_peer(loop, stream_kind):
    """Asking for the size stays cheap, and the bytes all come."""
    with connected(loop, stream_kind) as (transport, _, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer)
        transport.set_write_buffer_limits(high=1 << 30)
        settle(loop)
        transport.write(b"y" * 3_000_000)
        for _ in range(200_000):
            transport.write(b"xyz")
            transport.get_write_buffer_size()
        total = 3_600_000
        got = 0
        peer.setblocking(False)

        def read():
            nonlocal got
            try:
                got += len(peer.recv(1 << 20))
            except BlockingIOError:
                pass
            return got == total

        run_until(loop, read)
