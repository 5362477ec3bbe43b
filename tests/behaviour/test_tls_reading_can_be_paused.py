# SPDX-License-Identifier: MIT
"""pause_reading of a TLS transport: nothing is delivered, and what waits is bounded (TLS4)."""

import pytest

from tests.tls import secured, talk
from tests.tools import BufferedRecorder, Recorder, run_until, settle, turns


def test_nothing_comes_while_paused(loop, certificates, stream_kind, side, version):
    parts = secured(loop, certificates, stream_kind, side, version=version)
    with parts as (transport, protocol, peer):
        transport.pause_reading()
        assert not transport.is_reading()
        peer.send(b"not yet")
        settle(loop)
        assert protocol.data == b""
        transport.resume_reading()
        assert transport.is_reading()
        run_until(loop, lambda: protocol.data == b"not yet")


def test_pausing_in_data_received_stops_at_once(loop, certificates, side):
    class Pauses(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.pause_reading()

    with secured(loop, certificates, side=side, protocol=Pauses()) as (transport, protocol, peer):
        for number in range(5):
            peer.send(b"%d" % number * 1000)
            run_until(loop, lambda number=number: len(protocol.data) == (number + 1) * 1000)
            peer.send(b"x" * 100)
            settle(loop)
            assert len(protocol.data) == (number + 1) * 1000
            del protocol.data[:]
            protocol.data += b"-" * (number + 1) * 1000
            transport.resume_reading()
            run_until(loop, lambda number=number: len(protocol.data) == (number + 1) * 1000 + 100)
            del protocol.data[-100:]
            transport.resume_reading()


def test_the_kernel_holds_what_is_not_read(loop, certificates, stream_kind, side):
    """A peer that sends without end is stopped by flow control: our memory has a bound."""
    with secured(loop, certificates, stream_kind, side) as (transport, protocol, peer):
        transport.pause_reading()
        total = 0

        def stuffed():
            nonlocal total
            if not peer.unsent:
                peer.send(b"x" * 200_000)
                total += 200_000
            peer.flush()
            return total > 100_000_000

        waits = 0
        while waits < 20 and not stuffed():
            before = len(peer.unsent)
            settle(loop)
            peer.flush()
            waits = waits + 1 if peer.unsent and len(peer.unsent) == before else 0
        assert waits == 20, "the peer could send 100 MB that nobody read"
        assert protocol.data == b"" and transport.get_read_buffer_size() < 2_000_000
        transport.resume_reading()
        run_until(loop, lambda: peer.step() and len(protocol.data) == total, 60)


def test_a_small_buffer_slows_the_peer_down(loop, certificates, side):
    """A byte a turn is what it wants: what has come is kept by the kernel, not by us."""
    protocol = Tiny(1)
    with secured(loop, certificates, "unix", side, protocol) as (transport, _, peer):
        largest = 0
        for _ in range(300):
            if not peer.unsent:
                peer.send(b"x" * 100_000)
            peer.flush()
            turns(loop)
            largest = max(largest, transport.get_read_buffer_size())
        assert protocol.data and largest < 1_000_000


class Tiny(BufferedRecorder):
    def get_buffer(self, sizehint):
        return memoryview(super().get_buffer(sizehint))


def test_a_buffered_protocol_takes_over(loop, certificates, side):
    """set_protocol() in data_received(), with more to read than one call delivers."""
    second = Tiny(100_000)

    class Hands(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.set_protocol(second)

    with secured(loop, certificates, side=side, protocol=Hands()) as (transport, first, peer):
        transport.pause_reading()
        peer.send(b"z" * 600_000)
        for _ in range(20):
            settle(loop)
            peer.flush()
        transport.resume_reading()
        run_until(loop, lambda: peer.step() and len(first.data) + len(second.data) == 600_000)
        assert first.names.count("data") == 1
        transport.abort()
        run_until(loop, lambda: second.lost)
        first.events.append("lost")


def test_twice_is_once(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, protocol, peer):
        for _ in range(2):
            transport.pause_reading()
        for _ in range(2):
            transport.resume_reading()
        peer.send(b"x")
        run_until(loop, lambda: protocol.data == b"x")


def test_pausing_before_the_first_byte(loop, certificates, side, version):
    class Starts(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.pause_reading()
            transport.write(b"and ")

    parts = secured(loop, certificates, side=side, protocol=Starts(), version=version)
    with parts as (transport, protocol, peer):
        peer.send(b"patience")
        settle(loop)
        assert protocol.data == b""
        transport.write(b"writing goes on")
        talk(loop, peer, lambda: peer.data == b"and writing goes on")
        transport.resume_reading()
        run_until(loop, lambda: protocol.data == b"patience")


@pytest.mark.hotloop_only(reason="asyncio keeps the end of the handshake back until a write")
def test_pausing_does_not_hold_up_the_handshake(loop, certificates, side, version):
    class Starts(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.pause_reading()

    parts = secured(loop, certificates, side=side, protocol=Starts(), version=version)
    with parts as (transport, protocol, peer):
        peer.send(b"patience")
        settle(loop)
        assert protocol.data == b""
        transport.resume_reading()
        run_until(loop, lambda: protocol.data == b"patience")


def test_a_paused_transport_closes(loop, certificates, side):
    with secured(loop, certificates, side=side, ssl_shutdown_timeout=0.05) as parts:
        transport, protocol, peer = parts
        transport.pause_reading()
        peer.send(b"never read")
        settle(loop)
        transport.close()
        run_until(loop, lambda: peer.step() and protocol.lost)
        assert protocol.names == ["made", "lost"]


@pytest.mark.parametrize("how", ["close", "abort"])
def test_pausing_and_resuming_after_the_end(loop, certificates, side, how):
    with secured(loop, certificates, side=side) as (transport, protocol, peer):
        getattr(transport, how)()
        transport.pause_reading()
        transport.resume_reading()
        talk(loop, peer, lambda: peer.notified or peer.ended)
        peer.sock.close()
        run_until(loop, lambda: protocol.lost)
        assert protocol.names[-1] == "lost"


def test_read_buffer_limits(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, protocol, peer):
        low, high = transport.get_read_buffer_limits()
        assert (low, high) == (64 * 1024, 256 * 1024)
        transport.set_read_buffer_limits(high=1000)
        assert transport.get_read_buffer_limits() == (250, 1000)
        transport.set_read_buffer_limits(low=100)
        assert transport.get_read_buffer_limits() == (100, 400)
        with pytest.raises(ValueError, match="must be >= low"):
            transport.set_read_buffer_limits(high=1, low=2)
        with pytest.raises(ValueError, match="must be >= 0"):
            transport.set_read_buffer_limits(high=-1)
        peer.send(b"y" * 50_000)
        run_until(loop, lambda: peer.step() and len(protocol.data) == 50_000)
        assert transport.get_read_buffer_size() == 0
