# SPDX-License-Identifier: MIT
"""close(), abort() and what still reaches the protocol afterwards (A19, F13, F18)."""

import gc
import socket
import weakref

import pytest

from tests.tools import Recorder, connected, receive_exactly, run_until, settle, shrink_buffers


def test_close_sends_what_is_queued(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        transport.write(b"x" * 2_000_000)
        transport.close()
        assert transport.is_closing() and not protocol.lost
        peer.setblocking(False)
        got = bytearray()

        def read():
            try:
                got.extend(peer.recv(1 << 20))
            except BlockingIOError:
                pass
            return protocol.lost

        run_until(loop, read)
        while chunk := peer.recv(1 << 20):
            got += chunk
        assert len(got) == 2_000_000 and protocol.error is None


def test_abort_drops_what_is_queued(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer)
        transport.write(b"x" * 5_000_000)
        transport.abort()
        assert transport.is_closing()
        run_until(loop, lambda: protocol.lost)
        assert protocol.error is None
        try:
            assert len(receive_exactly(peer, 5_000_000)) < 5_000_000
        except ConnectionResetError:
            pass


def test_connection_lost_comes_in_a_later_turn(loop, stream_kind):
    for how in ("close", "abort"):
        with connected(loop, stream_kind) as (transport, protocol, _):
            getattr(transport, how)()
            assert not protocol.lost
            run_until(loop, lambda protocol=protocol: protocol.lost)


def test_no_data_after_close(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        peer.sendall(b"too late")
        transport.close()
        run_until(loop, lambda: protocol.lost)
        assert protocol.data == b"" and protocol.names == ["made", "lost"]


@pytest.mark.parametrize("first", ["close", "abort"])
@pytest.mark.parametrize("second", ["close", "abort"])
def test_twice_is_once(loop, stream_kind, first, second):
    with connected(loop, stream_kind) as (transport, protocol, _):
        getattr(transport, first)()
        getattr(transport, second)()
        settle(loop)
        getattr(transport, second)()
        settle(loop)
        assert protocol.names == ["made", "lost"]


@pytest.mark.parametrize("how", ["close", "abort"])
def test_in_data_received(loop, stream_kind, how):
    class Leaves(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.write(b"bye")
            getattr(self.transport, how)()

    with connected(loop, stream_kind, Leaves()) as (_, protocol, peer):
        peer.sendall(b"x" * 100_000)
        run_until(loop, lambda: protocol.lost)
        assert protocol.names == ["made", "data", "lost"] and protocol.error is None


@pytest.mark.parametrize("how", ["close", "abort"])
def test_in_eof_received(loop, stream_kind, how):
    class Leaves(Recorder):
        def eof_received(self):
            super().eof_received()
            getattr(self.transport, how)()
            return True

    with connected(loop, stream_kind, Leaves()) as (_, protocol, peer):
        peer.shutdown(socket.SHUT_WR)
        run_until(loop, lambda: protocol.lost)
        assert protocol.names == ["made", "eof", "lost"] and protocol.error is None


@pytest.mark.parametrize("how", ["close", "abort", "write", "write_eof", "pause_reading"])
def test_in_connection_lost(loop, stream_kind, how):
    class Clings(Recorder):
        def connection_lost(self, exc):
            super().connection_lost(exc)
            args = (b"late",) if how == "write" else ()
            getattr(self.transport, how)(*args)

    with connected(loop, stream_kind, Clings()) as (transport, protocol, _):
        transport.close()
        run_until(loop, lambda: protocol.lost)
        settle(loop)
        assert protocol.names == ["made", "lost"]


def test_a19_writes_after_close_are_dropped_silently(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        transport.close()
        run_until(loop, lambda: protocol.lost)
        for _ in range(3):
            transport.write(b"late")
        assert transport.get_write_buffer_size() == 0
        assert peer.recv(10) == b""


def test_a19_f13_the_fifth_write_after_a_loss_warns(loop, stream_kind, asyncio_log):
    with connected(loop, stream_kind) as (transport, protocol, _):
        transport.abort()
        run_until(loop, lambda: protocol.lost)
        for _ in range(10):
            transport.write(b"late")
        assert asyncio_log.messages
        assert set(asyncio_log.messages) == {"socket.send() raised exception."}
        assert len(asyncio_log.messages) <= 6


@pytest.mark.hotloop_only(reason="asyncio of 3.12 and 3.13 fails with an AttributeError")
def test_f13_writelines_after_a_loss_is_dropped(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, _):
        transport.abort()
        run_until(loop, lambda: protocol.lost)
        transport.writelines([b"late", b"later"])
        assert transport.get_write_buffer_size() == 0


def test_writes_between_close_and_the_loss_are_dropped(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        transport.write(b"first")
        transport.close()
        transport.write(b"second")
        run_until(loop, lambda: protocol.lost)
        assert receive_exactly(peer, 100).startswith(b"first")


def test_the_peer_sees_the_end(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        transport.close()
        run_until(loop, lambda: protocol.lost)
        assert peer.recv(1) == b""


def test_after_the_loss_protocol_and_transport_let_go_of_each_other(loop, stream_kind):
    near, far = socket.socketpair()
    near.setblocking(False)
    transport, protocol = loop.run_until_complete(loop.create_unix_connection(Recorder, sock=near))
    gone = weakref.ref(protocol)
    transport.close()
    settle(loop)
    assert protocol.lost
    protocol.transport = None
    del protocol
    gc.collect()
    assert gone() is None
    assert transport.is_closing()
    transport.close()
    transport.abort()
    far.close()


def test_f18_abort_frees_a_large_queue_at_once(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer)
        for _ in range(10):
            transport.write(b"x" * 10_000_000)
        assert transport.get_write_buffer_size() > 90_000_000
        transport.abort()
        run_until(loop, lambda: protocol.lost)
        assert transport.get_write_buffer_size() == 0
