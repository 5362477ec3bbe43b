# SPDX-License-Identifier: MIT
"""What start_tls() refuses, and what is left of the connection when the handshake fails."""

from __future__ import annotations

import ssl

import pytest

from tests.tools import Recorder, connected, run, run_until


@pytest.fixture
def context():
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_stream_can_be_upgraded(loop, kind):
    with connected(loop, kind) as (transport, _, _):
        assert transport._start_tls_compatible


@pytest.mark.parametrize("given", [None, True, object()])
def test_without_a_context(loop, given):
    with connected(loop, "tcp") as (transport, protocol, _):
        with pytest.raises(TypeError, match="sslcontext is expected to be an instance of"):
            run(loop, loop.start_tls(transport, protocol, given))
        assert not transport.is_closing()


def test_not_a_transport(loop, context):
    with pytest.raises(TypeError, match="is not supported by start_tls"):
        run(loop, loop.start_tls(object(), Recorder(), context))


@pytest.mark.parametrize("name", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
@pytest.mark.parametrize("seconds", [0, -1])
def test_a_limit_that_is_not_positive(loop, context, name, seconds):
    with connected(loop, "tcp") as (transport, protocol, _):
        with pytest.raises(ValueError, match=f"{name} should be a positive number, got"):
            how = {"server_hostname": "localhost", name: seconds}
            run(loop, loop.start_tls(transport, protocol, context, **how))
        assert not transport.is_closing()


def test_a_peer_that_speaks_no_tls(loop, context):
    with connected(loop, "tcp") as (transport, protocol, peer):
        transport.pause_reading()  # what is read before is the old protocol's
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(ssl.SSLError):
            run(loop, loop.start_tls(transport, protocol, context, server_hostname="x"))
        run_until(loop, lambda: protocol.lost)
        assert protocol.names == ["made", "lost"]
        assert isinstance(protocol.error, ssl.SSLError)
