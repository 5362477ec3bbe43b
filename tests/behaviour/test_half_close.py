# SPDX-License-Identifier: MIT
"""write_eof and eof_received: one direction ends, the other goes on (N3, X3)."""

import socket

import pytest

from tests.tools import Recorder, connected, receive_exactly, run_until, settle


class KeepsOpen(Recorder):
    def eof_received(self):
        super().eof_received()
        return True


def test_write_eof_ends_our_direction_only(loop, stream_kind):
    with connected(loop, stream_kind, KeepsOpen()) as (transport, protocol, peer):
        assert transport.can_write_eof() is True
        transport.write(b"request")
        transport.write_eof()
        run_until(loop, lambda: receive_exactly(peer, 7) == b"request")
        assert peer.recv(1) == b""
        peer.sendall(b"response")
        run_until(loop, lambda: protocol.data == b"response")
        assert not protocol.lost


def test_write_eof_waits_for_what_is_queued(loop, stream_kind):
    with connected(loop, stream_kind, KeepsOpen()) as (transport, _, peer):
        transport.write(b"x" * 5_000_000)
        transport.write_eof()
        peer.setblocking(False)
        got, ended = 0, False

        def read():
            nonlocal got, ended
            try:
                chunk = peer.recv(1 << 20)
            except BlockingIOError:
                return False
            got, ended = got + len(chunk), not chunk
            return ended

        run_until(loop, read)
        assert got == 5_000_000


def test_a19_writing_after_write_eof(loop, stream_kind):
    with connected(loop, stream_kind, KeepsOpen()) as (transport, _, _):
        transport.write_eof()
        with pytest.raises(RuntimeError, match=r"Cannot call write\(\) after write_eof\(\)"):
            transport.write(b"x")
        transport.write_eof()


def test_a19_writelines_after_write_eof(loop, stream_kind):
    with connected(loop, stream_kind, KeepsOpen()) as (transport, _, _):
        transport.write_eof()
        with pytest.raises(RuntimeError, match=r"after write_eof\(\)"):
            transport.writelines([b"x"])


def test_write_eof_after_close_is_nothing(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, _):
        transport.close()
        transport.write_eof()
        run_until(loop, lambda: protocol.lost)


def test_n3_a_true_answer_keeps_the_write_side_open(loop, stream_kind):
    with connected(loop, stream_kind, KeepsOpen()) as (transport, protocol, peer):
        peer.shutdown(socket.SHUT_WR)
        run_until(loop, lambda: "eof" in protocol.names)
        settle(loop)
        assert not protocol.lost and not transport.is_closing()
        transport.write(b"still here")
        settle(loop)
        assert peer.recv(100) == b"still here"
        transport.close()
        run_until(loop, lambda: protocol.lost)
        assert protocol.names == ["made", "eof", "lost"] and protocol.error is None


def test_a_false_answer_closes_after_what_is_queued(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        transport.write(b"x" * 3_000_000)
        peer.shutdown(socket.SHUT_WR)
        peer.setblocking(False)
        got = 0

        def read():
            nonlocal got
            try:
                got += len(peer.recv(1 << 20))
            except BlockingIOError:
                pass
            return protocol.lost

        run_until(loop, read)
        while chunk := peer.recv(1 << 20):
            got += len(chunk)
        assert got == 3_000_000 and protocol.error is None


def test_both_directions_end(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        transport.write_eof()
        peer.shutdown(socket.SHUT_WR)
        run_until(loop, lambda: protocol.lost)
        assert protocol.names == ["made", "eof", "lost"] and protocol.error is None


def test_eof_comes_once(loop, stream_kind):
    with connected(loop, stream_kind, KeepsOpen()) as (_, protocol, peer):
        peer.shutdown(socket.SHUT_WR)
        run_until(loop, lambda: "eof" in protocol.names)
        settle(loop)
        settle(loop)
        assert protocol.names.count("eof") == 1


def test_x3_eof_received_that_raises(loop, stream_kind, reports):
    class Fails(Recorder):
        def eof_received(self):
            raise ZeroDivisionError

    with connected(loop, stream_kind, Fails()) as (_, protocol, peer):
        peer.shutdown(socket.SHUT_WR)
        run_until(loop, lambda: protocol.lost)
        assert isinstance(protocol.error, ZeroDivisionError)
        assert [type(report["exception"]) for report in reports] == [ZeroDivisionError]
        assert reports[0]["message"] == "Fatal error: protocol.eof_received() call failed."
