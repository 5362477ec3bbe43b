# SPDX-License-Identifier: MIT
"""TLS9, TLS10: the end of a connection that was not agreed upon, and bytes that are not TLS."""

import socket
import ssl

import pytest

from tests.tls import secured
from tests.tools import BufferedRecorder, reset, run_until, settle


def test_tls9_fin_without_close_notify(loop, certificates, stream_kind, side, version):
    parts = secured(loop, certificates, stream_kind, side, version=version)
    with parts as (_, protocol, peer):
        peer.send(b"half a message")
        peer.step()
        peer.sock.shutdown(socket.SHUT_WR)
        run_until(loop, lambda: peer.step() and protocol.lost)
        assert protocol.data == b"half a message"
        assert protocol.names == ["made", "data", "eof", "lost"] and protocol.error is None


def test_tls9_a_peer_that_is_reset(loop, certificates, side, version):
    with secured(loop, certificates, side=side, version=version) as (_, protocol, peer):
        peer.step()
        reset(peer.sock)
        run_until(loop, lambda: protocol.lost)
        assert isinstance(protocol.error, ConnectionResetError)
        assert "eof" not in protocol.names


def test_tls9_a_peer_that_is_reset_while_we_write(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, protocol, peer):
        transport.write(b"x" * 10_000_000)
        settle(loop)
        reset(peer.sock)
        run_until(loop, lambda: protocol.lost)
        assert isinstance(protocol.error, (ConnectionResetError, BrokenPipeError))


@pytest.mark.parametrize("what", ["garbage", "plaintext", "a broken record"])
def test_tls10_what_is_not_tls_ends_the_connection(
    loop, certificates, side, version, what, reports
):
    with secured(loop, certificates, side=side, version=version) as (_, protocol, peer):
        peer.send(b"good")
        run_until(loop, lambda: protocol.data == b"good")
        if what == "a broken record":
            raw = bytearray(peer.encrypted(b"never to be seen"))
            raw[-3] ^= 1
        else:
            raw = b"\xff" * 100 if what == "garbage" else b"GET / HTTP/1.1\r\n\r\n"
        peer.sock.sendall(raw)
        run_until(loop, lambda: protocol.lost)
        assert isinstance(protocol.error, ssl.SSLError) and protocol.data == b"good"
        # OpenSSL 3.5 has one name for both.
        assert protocol.error.reason in (
            "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
            if what == "a broken record"
            else "WRONG_VERSION_NUMBER",
            "RECORD_LAYER_FAILURE",
        )
        assert protocol.names == ["made", "data", "lost"]
    assert reports == []


def test_tls9_the_end_in_the_middle_of_a_record(loop, certificates, side, version):
    with secured(loop, certificates, side=side, version=version) as (_, protocol, peer):
        raw = peer.encrypted(b"never whole")
        peer.sock.sendall(raw[:-5])
        settle(loop)
        peer.sock.shutdown(socket.SHUT_WR)
        run_until(loop, lambda: peer.step() and protocol.lost)
        assert protocol.data == b""
        assert protocol.names == ["made", "eof", "lost"] and protocol.error is None


def test_data_after_close_notify_is_not_delivered(loop, certificates, side):
    with secured(loop, certificates, side=side) as (_, protocol, peer):
        peer.send(b"first")
        peer.notify()
        peer.sock.sendall(b"what follows the end")
        run_until(loop, lambda: peer.fill() or protocol.lost)
        assert protocol.data == b"first"
        assert protocol.names == ["made", "data", "eof", "lost"] and protocol.error is None


@pytest.mark.parametrize("how", ["close_notify", "FIN"])
def test_a_buffered_protocol_hears_of_the_end(loop, certificates, side, how):
    protocol = BufferedRecorder()
    with secured(loop, certificates, side=side, protocol=protocol) as (_, _, peer):
        peer.send(b"some")
        if how == "close_notify":
            peer.notify()
        else:
            peer.sock.shutdown(socket.SHUT_WR)
        run_until(loop, lambda: peer.step() and protocol.lost)
        assert protocol.data == b"some"
        assert protocol.events == ["made", "data", "eof", "lost"]


def test_the_end_while_paused(loop, certificates, side, version):
    with secured(loop, certificates, side=side, version=version) as (transport, protocol, peer):
        transport.pause_reading()
        peer.send(b"unread")
        peer.notify()
        peer.sock.shutdown(socket.SHUT_WR)
        settle(loop)
        assert protocol.data == b""
        transport.resume_reading()
        run_until(loop, lambda: peer.step() and protocol.lost)
        assert protocol.data == b"unread"
        assert protocol.names == ["made", "data", "eof", "lost"] and protocol.error is None


def test_a_loss_while_paused_is_noticed_by_writing(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, protocol, peer):
        transport.pause_reading()
        reset(peer.sock)

        def write():
            if not transport.is_closing():
                transport.write(b"x")
            return protocol.lost

        run_until(loop, write)
        assert isinstance(protocol.error, (ConnectionError, type(None)))


def test_a_loss_is_told_once(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, protocol, peer):
        reset(peer.sock)
        run_until(loop, lambda: protocol.lost)
        transport.abort()
        transport.close()
        settle(loop)
        assert protocol.names.count("lost") == 1
