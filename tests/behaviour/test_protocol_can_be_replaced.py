# SPDX-License-Identifier: MIT
"""set_protocol in mid-stream, from anywhere, between plain and buffered (U9)."""

import asyncio
import contextlib

import pytest

from tests.tools import BufferedRecorder, Recorder, connected, run_until


def test_get_and_set(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, _):
        assert transport.get_protocol() is protocol
        other = Recorder()
        transport.set_protocol(other)
        assert transport.get_protocol() is other
        transport.set_protocol(protocol)


@pytest.mark.parametrize("first", [Recorder, BufferedRecorder])
@pytest.mark.parametrize("second", [Recorder, BufferedRecorder])
def test_the_new_one_gets_the_next_data(loop, stream_kind, first, second):
    with connected(loop, stream_kind, first()) as (transport, old, peer):
        peer.sendall(b"old")
        run_until(loop, lambda: old.data == b"old")
        new = second()
        transport.set_protocol(new)
        peer.sendall(b"new")
        run_until(loop, lambda: new.data == b"new")
        assert old.data == b"old"
        transport.close()
        run_until(loop, lambda: new.lost)
        assert not old.lost


def send_one_to_each(loop, peer, old, new):
    peer.sendall(b"first")
    run_until(loop, lambda: old.data == b"first")
    peer.sendall(b"second")
    run_until(loop, lambda: new.data == b"second")


@pytest.mark.parametrize("second", [Recorder, BufferedRecorder])
def test_u9_inside_data_received(loop, stream_kind, second):
    new = second()

    class Hands(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.set_protocol(new)

    with connected(loop, stream_kind, Hands()) as (transport, old, peer):
        send_one_to_each(loop, peer, old, new)
        assert old.names == ["made", "data"]
        transport.abort()
        run_until(loop, lambda: new.lost)


def test_inside_buffer_updated(loop, stream_kind):
    new = Recorder()

    class Hands(BufferedRecorder):
        def buffer_updated(self, nbytes):
            super().buffer_updated(nbytes)
            self.transport.set_protocol(new)

    with connected(loop, stream_kind, Hands()) as (transport, old, peer):
        send_one_to_each(loop, peer, old, new)
        transport.abort()
        run_until(loop, lambda: new.lost)


def test_inside_connection_made(loop, stream_kind):
    new = Recorder()

    class Hands(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.set_protocol(new)

    with connected(loop, stream_kind, Hands()) as (transport, old, peer):
        peer.sendall(b"for the new one")
        run_until(loop, lambda: new.data == b"for the new one")
        assert old.names == ["made"]
        transport.abort()
        run_until(loop, lambda: new.lost)


def test_flow_control_goes_to_the_new_one(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, old, _):
        new = Recorder()
        transport.set_protocol(new)
        transport.write(b"x" * 20_000_000)
        assert new.events == ["pause"] and old.events == ["made"]
        transport.abort()
        run_until(loop, lambda: new.lost)


def test_u9_attributes_replaced_on_the_instance(loop, stream_kind):
    """Whether it is seen at once is not promised; after set_protocol it is."""
    with connected(loop, stream_kind) as (transport, protocol, peer):
        seen = []
        protocol.data_received = seen.append
        transport.set_protocol(protocol)
        peer.sendall(b"x")
        run_until(loop, lambda: seen or protocol.data)
        assert seen == [b"x"]


def test_u9_a_method_that_connection_made_sets(loop, stream_kind):
    class Choosing(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            self.seen = []
            self.data_received = self.seen.append

    with connected(loop, stream_kind, Choosing()) as (_, protocol, peer):
        peer.sendall(b"x")
        run_until(loop, lambda: protocol.seen or protocol.data)
        assert protocol.seen == [b"x"]


def test_u9_a_method_that_cannot_be_looked_up(loop, stream_kind, reports):
    class Locked(Recorder):
        @property
        def data_received(self):
            raise ZeroDivisionError

    with connected(loop, stream_kind) as (transport, old, peer):
        new = Locked()
        with contextlib.suppress(ZeroDivisionError):
            transport.set_protocol(new)  # asyncio looks it up later
        peer.sendall(b"x")
        run_until(loop, lambda: new.lost)
        assert old.data == b"" and isinstance(new.error, ZeroDivisionError)
    assert len(reports) == 1


def test_u9_a_protocol_without_the_methods(loop, stream_kind, reports):
    class Bare:
        lost = False

    class Half(Recorder):
        pass

    with connected(loop, stream_kind, Half()) as (transport, _, peer):
        transport.set_protocol(Bare())
        peer.sendall(b"x")
        run_until(loop, lambda: reports)
        run_until(loop, transport.is_closing)
        assert all(isinstance(report["exception"], AttributeError) for report in reports)
        run_until(loop, lambda: len(reports) >= 2)


def test_start_reading_again_after_a_switch_while_paused(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, old, peer):
        transport.pause_reading()
        peer.sendall(b"held")
        new = BufferedRecorder()
        transport.set_protocol(new)
        transport.resume_reading()
        run_until(loop, lambda: new.data == b"held")
        assert old.data == b""
        transport.abort()
        run_until(loop, lambda: new.lost)


def test_a_stream_reader_protocol_replaced_by_a_plain_one(loop, stream_kind):
    reader = asyncio.StreamReader(loop=loop)
    with connected(loop, stream_kind, asyncio.StreamReaderProtocol(reader, loop=loop)) as (
        transport,
        _,
        peer,
    ):
        peer.sendall(b"line\n")
        assert loop.run_until_complete(asyncio.wait_for(reader.readline(), 20)) == b"line\n"
        new = Recorder()
        transport.set_protocol(new)
        peer.sendall(b"raw")
        run_until(loop, lambda: new.data == b"raw")
        transport.abort()
        run_until(loop, lambda: new.lost)
