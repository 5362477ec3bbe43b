# SPDX-License-Identifier: MIT
"""connect_accepted_socket: sockets accepted by other means."""

import socket

import pytest

from tests.tools import Recorder, receive_exactly, run, run_until, socket_pair


def test_a_connection_made_elsewhere(loop, stream_kind):
    near, far = socket_pair(stream_kind)
    with far:
        far.settimeout(20)
        transport, protocol = run(loop, loop.connect_accepted_socket(Recorder, near))
        assert protocol.events == ["made"]
        far.sendall(b"in")
        run_until(loop, lambda: protocol.data == b"in")
        transport.write(b"out")
        transport.close()
        run_until(loop, lambda: protocol.lost)
        assert receive_exactly(far, 100) == b"out"


def test_a_datagram_socket(loop):
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        with pytest.raises(ValueError, match="A Stream Socket was expected"):
            run(loop, loop.connect_accepted_socket(Recorder, sock))


@pytest.mark.parametrize("name", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
def test_tls_limits_without_ssl(loop, name):
    near, far = socket.socketpair()
    with near, far, pytest.raises(ValueError, match=f"{name} is only meaningful with ssl"):
        run(loop, loop.connect_accepted_socket(Recorder, near, **{name: 1}))


def test_a_closed_socket(loop):
    near, far = socket.socketpair()
    near.close()
    with far, pytest.raises(OSError):
        run(loop, loop.connect_accepted_socket(Recorder, near))
