# SPDX-License-Identifier: MIT
"""TLS12: a peer that does not take part in the end cannot hold a connection open."""

import socket

import pytest

from tests.certificates import NAME
from tests.tls import Peer, contexts, listening, secured, talk
from tests.tools import Recorder, connected, run_until, settle, shrink_buffers

SHORT = 0.05  # seconds


def test_tls12_the_peer_never_answers_close_notify(loop, certificates, stream_kind, side):
    parts = secured(loop, certificates, stream_kind, side, ssl_shutdown_timeout=SHORT)
    with parts as (transport, protocol, peer):
        transport.close()
        run_until(loop, lambda: protocol.lost)
        assert type(protocol.error) is TimeoutError
        assert str(protocol.error) == "SSL shutdown timed out"
        peer.step()
        assert peer.notified


def test_tls12_clients_of_a_server_never_answer(loop, certificates, stream_kind, tmp_path):
    protocol = Recorder()
    near, far = contexts(certificates, "server")
    options = {"ssl": near, "ssl_shutdown_timeout": SHORT}
    with listening(loop, stream_kind, tmp_path / "s", protocol, **options) as sock:
        peer = Peer(sock, far, server=False)
        talk(loop, peer, lambda: peer.shaken and protocol.transport)
        protocol.transport.close()
        run_until(loop, lambda: protocol.lost)
    assert type(protocol.error) is TimeoutError


def test_tls12_the_peer_of_an_upgraded_stream_never_answers(loop, certificates, stream_kind, side):
    near, far = contexts(certificates, side)
    options = {"server_side": side == "server", "ssl_shutdown_timeout": SHORT}
    options["server_hostname"] = NAME if side == "client" else None
    with connected(loop, stream_kind) as (plain, protocol, sock):
        task = loop.create_task(loop.start_tls(plain, protocol, near, **options))
        peer = Peer(sock, far, server=side == "client")
        talk(loop, peer, lambda: task.done() and peer.shaken)
        task.result().close()
        run_until(loop, lambda: protocol.lost)
        assert type(protocol.error) is TimeoutError


def test_tls12_the_peer_never_reads(loop, certificates, stream_kind, side):
    parts = secured(loop, certificates, stream_kind, side, ssl_shutdown_timeout=SHORT)
    with parts as (transport, protocol, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer.sock)
        transport.write(b"x" * 20_000_000)
        transport.close()
        run_until(loop, lambda: protocol.lost)
        assert type(protocol.error) is TimeoutError


def test_tls12_the_peer_sends_without_end(loop, certificates, side):
    """Reading goes on for close_notify's sake, but nothing is delivered and nothing grows."""
    parts = secured(loop, certificates, side=side, ssl_shutdown_timeout=0.3)
    with parts as (transport, protocol, peer):
        transport.close()
        largest = 0

        def flood():
            nonlocal largest
            if len(peer.unsent) < 1_000_000:
                peer.send(b"x" * 100_000)
            peer.flush()
            largest = max(largest, transport.get_read_buffer_size() if not protocol.lost else 0)
            return protocol.lost

        run_until(loop, flood)
        assert protocol.data == b"" and protocol.names == ["made", "lost"]
        assert largest < 2_000_000


@pytest.mark.parametrize("late", [False, True])
def test_abort_ends_a_shutdown(loop, certificates, side, late):
    with secured(loop, certificates, side=side) as (transport, protocol, peer):
        transport.close()
        if late:
            talk(loop, peer, lambda: peer.notified)
        transport.abort()
        run_until(loop, lambda: protocol.lost)
        assert protocol.error is None and protocol.names.count("lost") == 1


def test_a_peer_that_ends_while_it_owes_us_the_reading(loop, certificates, side):
    """Its FIN comes while much is unsent: that still leaves, and then the connection ends."""
    with secured(loop, certificates, side=side) as (transport, protocol, peer):
        transport.write(b"x" * (16 << 20))
        peer.sock.shutdown(socket.SHUT_WR)
        settle(loop)
        run_until(loop, lambda: peer.step() and protocol.lost)
        assert protocol.error is None or isinstance(protocol.error, OSError)
        assert transport.set_protocol(protocol) is None
