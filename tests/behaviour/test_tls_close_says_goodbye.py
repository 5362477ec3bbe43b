# SPDX-License-Identifier: MIT
"""TLS12: close() flushes, then close_notify, then FIN; abort() does neither; both end once."""

import pytest

from tests.tls import EOF_RETURNS_TRUE, secured, talk
from tests.tools import Recorder, run_until, settle, shrink_buffers


def test_tls12_close_flushes_then_notifies(loop, certificates, stream_kind, side, version):
    parts = secured(loop, certificates, stream_kind, side, version=version)
    with parts as (transport, protocol, peer):
        transport.write(b"x" * 1_000_000)
        transport.close()
        assert transport.is_closing()
        talk(loop, peer, lambda: peer.notified)
        assert len(peer.data) == 1_000_000
        peer.notify()
        talk(loop, peer, lambda: peer.ended and protocol.lost)
        assert protocol.error is None and peer.broken is None
        assert protocol.names[-1] == "lost" and protocol.names.count("lost") == 1


def test_abort_says_nothing(loop, certificates, side, version):
    with secured(loop, certificates, side=side, version=version) as (transport, protocol, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer.sock)
        transport.write(b"x" * 5_000_000)
        transport.abort()
        assert transport.is_closing()
        run_until(loop, lambda: protocol.lost)
        assert protocol.error is None and transport.get_extra_info("sslcontext")
        while not peer.ended:
            peer.step()
        assert not peer.notified and len(peer.data) < 5_000_000


def test_the_peer_closes_first(loop, certificates, stream_kind, side, version):
    parts = secured(loop, certificates, stream_kind, side, version=version)
    with parts as (transport, protocol, peer):
        peer.send(b"last words")
        peer.notify()
        talk(loop, peer, lambda: protocol.lost and peer.ended)
        assert peer.notified, "close_notify is answered"
        assert protocol.names == ["made", "data", "eof", "lost"]
        assert protocol.data == b"last words" and protocol.error is None
        assert transport.is_closing()


def test_close_needs_no_answer_but_the_end_of_the_peer(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, protocol, peer):
        transport.close()
        talk(loop, peer, lambda: peer.notified)
        peer.sock.close()
        run_until(loop, lambda: protocol.lost)


def test_tls12_data_that_comes_after_close(loop, certificates, side):
    """Nothing more is delivered than what was under way, and none of it is kept."""
    with secured(loop, certificates, side=side) as (transport, protocol, peer):
        transport.close()
        talk(loop, peer, lambda: peer.notified)
        peer.send(b"too late" * 1000)
        settle(loop)
        peer.notify()
        run_until(loop, lambda: peer.fill() or protocol.lost)
        assert b"too late" not in protocol.data


@pytest.mark.parametrize("first", ["close", "abort"])
@pytest.mark.parametrize("second", ["close", "abort"])
def test_twice_is_once(loop, certificates, side, first, second):
    with secured(loop, certificates, side=side) as (transport, protocol, peer):
        getattr(transport, first)()
        getattr(transport, second)()
        talk(loop, peer, lambda: peer.notified or peer.ended)
        peer.notify()
        peer.sock.close()
        run_until(loop, lambda: protocol.lost)
        getattr(transport, second)()
        settle(loop)
        assert protocol.names.count("lost") == 1 and protocol.names[0] == "made"


def test_a19_writes_after_close_are_dropped(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, protocol, peer):
        transport.write(b"before")
        transport.close()
        transport.write(b"after")
        transport.writelines([b"after"])
        talk(loop, peer, lambda: peer.notified)
        assert peer.data == b"before"
        peer.notify()
        run_until(loop, lambda: protocol.lost)
        transport.write(b"much later")
        assert protocol.error is None


def test_a19_many_writes_after_a_loss_warn(loop, certificates, side, asyncio_log):
    with secured(loop, certificates, side=side) as (transport, protocol, _):
        transport.abort()
        run_until(loop, lambda: protocol.lost)
        for _ in range(10):
            transport.write(b"late")
        assert set(asyncio_log.messages) == {"SSL connection is closed"}


def test_eof_received_cannot_keep_it_open(loop, certificates, side, asyncio_log):
    class Keeps(Recorder):
        def eof_received(self):
            super().eof_received()
            return True

    with secured(loop, certificates, side=side, protocol=Keeps()) as (_, protocol, peer):
        peer.notify()
        talk(loop, peer, lambda: protocol.lost and peer.ended)
        assert protocol.names == ["made", "eof", "lost"]
        assert asyncio_log.messages == [EOF_RETURNS_TRUE]


def test_what_is_written_in_eof_received(loop, certificates, side, version):
    """asyncio answers close_notify first: what eof_received writes finds a closing transport."""

    class Answers(Recorder):
        def eof_received(self):
            super().eof_received()
            self.transport.write(b"goodbye")

    parts = secured(loop, certificates, side=side, protocol=Answers(), version=version)
    with parts as (_, protocol, peer):
        peer.notify()
        # A peer that has said goodbye can still read, down to the notice of the other side.
        run_until(loop, lambda: peer.step() and protocol.lost)
        assert protocol.error is None
        assert protocol.names == ["made", "eof", "lost"]
