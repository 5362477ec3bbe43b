# SPDX-License-Identifier: MIT
"""A18, A20: what write() takes and refuses, and what may happen to a buffer afterwards."""

import array

import pytest

from tests.tools import Recorder, connected, receive_exactly, run_until, shrink_buffers


@pytest.mark.parametrize("junk", ["text", None, 42, [b"x"], object()])
def test_a18_write_takes_bytes_only(loop, stream_kind, junk):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        with pytest.raises(TypeError):
            transport.write(junk)
        transport.write(b"fine")
        run_until(loop, lambda: transport.get_write_buffer_size() == 0)
        assert peer.recv(100) == b"fine"
        assert protocol.names == ["made"]


@pytest.mark.hotloop_only(reason="asyncio from 3.12 on takes junk and fails later")
@pytest.mark.parametrize("junk", [None, 42, ["text"], [None], [42]])
def test_a18_writelines_takes_bytes_only(loop, stream_kind, junk):
    with connected(loop, stream_kind) as (transport, _, peer):
        with pytest.raises(TypeError):
            transport.writelines(junk)
        transport.write(b"fine")
        run_until(loop, lambda: transport.get_write_buffer_size() == 0)
        assert peer.recv(100) == b"fine"


@pytest.mark.hotloop_only(reason="asyncio from 3.12 on queues what stood before the bad piece")
def test_a18_nothing_of_a_bad_writelines_is_queued(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, _, peer):
        with pytest.raises(TypeError):
            transport.writelines([b"half", 1])
        transport.write(b"fine")
        run_until(loop, lambda: transport.get_write_buffer_size() == 0)
        assert peer.recv(100) == b"fine"


def test_an_array_and_a_cast_view(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, _, peer):
        transport.write(memoryview(b"abcdefgh").cast("I"))
        transport.write(memoryview(array.array("H", [0x4141, 0x4242])))
        run_until(loop, lambda: transport.get_write_buffer_size() == 0)
        assert receive_exactly(peer, 12) == b"abcdefghAABB"


def test_a20_a_view_that_is_not_contiguous(loop, stream_kind, asyncio_log):
    """Refused, copied, or fatal to the connection as in asyncio; never other bytes."""
    with connected(loop, stream_kind) as (transport, protocol, peer):
        try:
            transport.write(memoryview(b"a-b-c-d-")[::2])
        except (TypeError, BufferError, ValueError):
            transport.write(b"refused")
            expected = b"refused"
        else:
            expected = b"abcd"
        run_until(loop, lambda: transport.get_write_buffer_size() == 0 or protocol.lost)
        if not protocol.lost:
            assert peer.recv(100) == expected


def received(loop, peer, size):
    """What the peer of a busy transport gets, up to `size` bytes, while the loop runs."""
    got = bytearray()
    peer.setblocking(False)

    def read():
        try:
            got.extend(peer.recv(1 << 20))
        except BlockingIOError:
            pass
        return len(got) >= size

    run_until(loop, read)
    return got


@pytest.mark.hotloop_only(reason="asyncio from 3.12 on keeps a view of what it could not send")
def test_a20_a_bytearray_may_change_after_the_write(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, _, peer):
        shrink_buffers(peer)
        buffer = bytearray(b"x" * 3_000_000)
        transport.write(buffer)
        buffer[:] = b"y" * len(buffer)
        transport.write(buffer)
        buffer.clear()
        expected = b"x" * 3_000_000 + b"y" * 3_000_000
        assert received(loop, peer, len(expected)) == expected


def test_a20_resizing_a_queued_bytearray_is_refused_or_harmless(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, _, peer):
        shrink_buffers(peer)
        buffer = bytearray(b"z" * 3_000_000)
        transport.write(buffer)
        try:
            buffer.clear()
        except BufferError:
            pass
        assert received(loop, peer, 3_000_000) == b"z" * 3_000_000


@pytest.mark.hotloop_only(reason="asyncio from 3.12 on never closes after an empty piece")
def test_f14_empty_writes_are_nothing(loop, stream_kind):
    with connected(loop, stream_kind, Recorder()) as (transport, protocol, peer):
        transport.write(b"")
        transport.writelines([])
        transport.writelines([b"", b"a", b"", b"b", b""])
        transport.write(bytearray())
        transport.close()
        run_until(loop, lambda: protocol.lost)
        assert receive_exactly(peer, 100) == b"ab"


def test_f12_writelines_of_very_many_pieces(loop, stream_kind):
    """More pieces than one system call takes."""
    with connected(loop, stream_kind) as (transport, _, peer):
        shrink_buffers(peer)
        pieces = [b"%06d" % number * 16 for number in range(6_500)]
        transport.writelines(iter(pieces))
        whole = b"".join(pieces)
        assert received(loop, peer, len(whole)) == whole


def test_writelines_whose_iterator_fails(loop, stream_kind):
    def pieces():
        yield b"one"
        raise ZeroDivisionError

    with connected(loop, stream_kind) as (transport, _, _):
        with pytest.raises(ZeroDivisionError):
            transport.writelines(pieces())
        assert not transport.is_closing()
