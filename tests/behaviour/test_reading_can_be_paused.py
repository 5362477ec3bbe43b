# SPDX-License-Identifier: MIT
"""Flow control inwards: pause_reading and resume_reading (A22, F17)."""

import socket
import sys
import threading

import pytest

from tests.tools import Recorder, connected, run_until, settle


def test_nothing_comes_while_paused_and_everything_after(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        assert transport.is_reading()
        transport.pause_reading()
        assert not transport.is_reading()
        peer.sendall(b"held back")
        settle(loop)
        assert protocol.data == b""
        transport.resume_reading()
        assert transport.is_reading()
        run_until(loop, lambda: protocol.data == b"held back")


def test_a22_twice_is_once(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        transport.pause_reading()
        transport.pause_reading()
        transport.resume_reading()
        transport.resume_reading()
        peer.sendall(b"x")
        run_until(loop, lambda: protocol.data == b"x")


@pytest.mark.parametrize("how", ["close", "abort"])
def test_a22_after_close_they_are_nothing(loop, stream_kind, how):
    with connected(loop, stream_kind) as (transport, protocol, _):
        getattr(transport, how)()
        transport.pause_reading()
        transport.resume_reading()
        assert not transport.is_reading()
        run_until(loop, lambda: protocol.lost)
        transport.resume_reading()
        transport.pause_reading()


def test_f17_pausing_in_data_received_holds_the_next_data(loop, stream_kind):
    class Pauses(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.pause_reading()

    with connected(loop, stream_kind, Pauses()) as (transport, protocol, peer):
        thread = threading.Thread(target=peer.sendall, args=(b"x" * 2_000_000,))
        thread.start()
        run_until(loop, lambda: protocol.data)
        got = len(protocol.data)
        settle(loop)
        assert len(protocol.data) == got and protocol.names.count("data") == 1
        while len(protocol.data) < 2_000_000:
            calls = protocol.names.count("data")
            transport.resume_reading()
            run_until(loop, lambda calls=calls: protocol.names.count("data") == calls + 1)
        thread.join()


def test_f17_pausing_and_resuming_in_data_received(loop, stream_kind):
    class Flaps(Recorder):
        depth = 0

        def data_received(self, data):
            assert self.depth == 0, "data_received inside data_received"
            self.depth += 1
            super().data_received(data)
            self.transport.pause_reading()
            self.transport.resume_reading()
            self.depth -= 1

    with connected(loop, stream_kind, Flaps()) as (_, protocol, peer):
        thread = threading.Thread(target=peer.sendall, args=(b"x" * 2_000_000,))
        thread.start()
        run_until(loop, lambda: len(protocol.data) == 2_000_000)
        thread.join()


def test_pausing_in_connection_made(loop, loop_kind, stream_kind):
    if loop_kind == "asyncio" and sys.version_info < (3, 11, 5):
        pytest.skip("asyncio read on all the same in the first versions of 3.11")

    class Pauses(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.pause_reading()

    with connected(loop, stream_kind, Pauses()) as (transport, protocol, peer):
        peer.sendall(b"held")
        settle(loop)
        assert protocol.data == b"" and not transport.is_reading()
        transport.resume_reading()
        run_until(loop, lambda: protocol.data == b"held")


def test_eof_waits_while_paused(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        transport.pause_reading()
        peer.sendall(b"last words")
        peer.shutdown(socket.SHUT_WR)
        settle(loop)
        assert protocol.names == ["made"]
        transport.resume_reading()
        run_until(loop, lambda: protocol.lost)
        assert protocol.names == ["made", "data", "eof", "lost"]


def test_writing_goes_on_while_reading_is_paused(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, _, peer):
        transport.pause_reading()
        transport.write(b"out")
        settle(loop)
        assert peer.recv(10) == b"out"


def test_pausing_from_a_timer_between_reads(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        stop = threading.Event()

        def flood():
            while not stop.is_set():
                try:
                    peer.sendall(b"x" * 65536)
                except OSError:
                    return

        thread = threading.Thread(target=flood)
        thread.start()
        run_until(loop, lambda: len(protocol.data) > 1_000_000)
        transport.pause_reading()
        size = len(protocol.data)
        settle(loop)
        assert len(protocol.data) == size
        stop.set()
        transport.abort()
        run_until(loop, lambda: protocol.lost)
        thread.join()
