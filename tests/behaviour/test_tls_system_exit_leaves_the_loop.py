# SPDX-License-Identifier: MIT
"""X7: KeyboardInterrupt and SystemExit out of any callback of a TLS protocol leave run_forever."""

import contextlib
import socket

import pytest

from tests.tls import Peer, begun, contexts, secured
from tests.tools import Recorder, assert_usable, run_until, settle, shrink_buffers


def leaving(name, error):
    def leaves(self, *args):
        getattr(Recorder, name)(self, *args)
        if self.left:
            return
        self.left = True
        raise error("leaving")

    return type("Leaves", (Recorder,), {name: leaves, "left": False})()


@pytest.fixture(params=[KeyboardInterrupt, SystemExit])
def error(request):
    return request.param


def leaves_the_loop(loop, peer, error):
    """Run until the exception comes; it comes once."""
    with pytest.raises(error, match="leaving"):
        run_until(loop, lambda: goes_on(peer) and False)


def goes_on(peer):
    with contextlib.suppress(OSError):
        peer.step()
    return True


def test_x7_data_received(loop, certificates, side, error, reports):
    with secured(loop, certificates, side=side, protocol=leaving("data_received", error)) as parts:
        transport, _, peer = parts
        peer.send(b"x")
        leaves_the_loop(loop, peer, error)
        assert_usable(loop)
        transport.abort()
        settle(loop)
    assert reports == []


def test_x7_eof_received(loop, certificates, side, error, reports):
    with secured(loop, certificates, side=side, protocol=leaving("eof_received", error)) as parts:
        transport, _, peer = parts
        peer.notify()
        leaves_the_loop(loop, peer, error)
        assert_usable(loop)
        transport.abort()
        settle(loop)
    assert reports == []


def test_x7_connection_lost(loop, certificates, side, error):
    protocol = leaving("connection_lost", error)
    with secured(loop, certificates, side=side, protocol=protocol) as (transport, _, peer):
        transport.abort()
        leaves_the_loop(loop, peer, error)
        assert_usable(loop)


def test_x7_connection_made(loop, certificates, side, error):
    protocol = leaving("connection_made", error)
    near, far = contexts(certificates, side)
    with begun(loop, "tcp", side, lambda: protocol, near) as (task, sock):
        peer = Peer(sock, far, server=side == "client")
        leaves_the_loop(loop, peer, error)
        protocol.transport.abort()
        settle(loop)
        assert_usable(loop)
        if not task.done():
            task.cancel()


def test_x7_pause_writing(loop, certificates, side, error):
    """In the frame of whoever writes."""
    protocol = leaving("pause_writing", error)
    with secured(loop, certificates, "unix", side, protocol) as (transport, _, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer.sock)
        with pytest.raises(error, match="leaving"):
            for _ in range(3):
                transport.write(b"x" * 1_000_000)
        assert_usable(loop)
        transport.abort()
        settle(loop)


def test_x7_after_a_pause(loop, certificates, side, error, reports):
    """resume_reading() delivers from a callback of its own."""
    with secured(loop, certificates, side=side, protocol=leaving("data_received", error)) as parts:
        transport, _, peer = parts
        transport.pause_reading()
        peer.send(b"x")
        settle(loop)
        transport.resume_reading()
        leaves_the_loop(loop, peer, error)
        assert_usable(loop)
        transport.abort()
        settle(loop)
    assert reports == []


def test_x7_eof_received_of_a_peer_that_says_no_goodbye(loop, certificates, side, error):
    with secured(loop, certificates, side=side, protocol=leaving("eof_received", error)) as parts:
        transport, _, peer = parts
        peer.sock.shutdown(socket.SHUT_WR)
        leaves_the_loop(loop, peer, error)
        assert_usable(loop)
        transport.abort()
        settle(loop)
