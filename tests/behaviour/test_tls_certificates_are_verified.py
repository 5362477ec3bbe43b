# SPDX-License-Identifier: MIT
"""TLS11: what is wrong with a certificate reaches the caller as asyncio tells it, and the peer."""

import contextlib
import socket
import ssl

import pytest

from tests.tls import Peer, begun, contexts, failure
from tests.tools import Recorder, run_until, settle

# OpenSSL's codes of what is wrong: X509_V_ERR_...
WRONG = {
    "expired": 10,
    "stranger": 18,  # self-signed
    "untrusted": 20,  # its issuer is not among the trusted
    "revoked": 23,
    "wrong": 62,  # another name
}


@pytest.mark.parametrize("name", WRONG)
def test_tls11_a_client_refuses(loop, certificates, name, version):
    context = certificates.client(version)
    if name == "revoked":
        context.load_verify_locations(certificates.path("crl"))
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    protocol = Recorder()
    with begun(loop, "tcp", "client", lambda: protocol, context) as (task, sock):
        peer = Peer(sock, certificates.server(name, version), server=True)
        error = failure(loop, task, peer)
        assert type(error) is ssl.SSLCertVerificationError
        assert error.verify_code == WRONG[name] and error.verify_message
        assert "CERTIFICATE_VERIFY_FAILED" in str(error)
        assert protocol.events == []


@pytest.mark.hotloop_only(reason="asyncio closes without a word")
def test_tls11_the_peer_learns_what_was_wrong(loop, certificates, version):
    server = certificates.server("expired", version)
    with begun(loop, "tcp", "client", Recorder, certificates.client(version)) as (task, sock):
        peer = Peer(sock, server, server=True)
        seen = []

        def step():
            try:
                peer.step()
            except ssl.SSLError as error:
                seen.append(error.reason)
            return seen or peer.ended

        run_until(loop, step)
        assert "ALERT_CERTIFICATE_EXPIRED" in seen[0]
        run_until(loop, task.done)
        assert isinstance(task.exception(), ssl.SSLCertVerificationError)


def test_tls11_no_shared_cipher(loop, certificates, side):
    near, far = contexts(certificates, side, "1.2")
    near.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    far.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    protocol = Recorder()
    with begun(loop, "tcp", side, lambda: protocol, near) as (task, sock):
        error = failure(loop, task, Peer(sock, far, server=side == "client"))
        assert isinstance(error, ssl.SSLError)
        reason = "NO_SHARED_CIPHER" if side == "server" else "HANDSHAKE_FAILURE"
        assert reason in error.reason and protocol.events == []


def test_tls11_no_shared_version(loop, certificates, side):
    near, _ = contexts(certificates, side, "1.3")
    _, far = contexts(certificates, side, "1.2")
    with begun(loop, "tcp", side, Recorder, near) as (task, sock):
        error = failure(loop, task, Peer(sock, far, server=side == "client"))
        assert isinstance(error, ssl.SSLError)
        assert error.reason.endswith("PROTOCOL" if side == "server" else "PROTOCOL_VERSION")


def test_tls11_a_server_that_wants_a_certificate(loop, certificates, version):
    near, far = contexts(certificates, "server", version)
    near.verify_mode = ssl.CERT_REQUIRED
    near.load_verify_locations(certificates.path("ca"))
    protocol = Recorder()
    with begun(loop, "tcp", "server", lambda: protocol, near) as (task, sock):
        error = failure(loop, task, Peer(sock, far, server=False))
        assert type(error) is ssl.SSLError
        assert error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
        assert protocol.events == []


def test_a_client_shows_its_certificate(loop, certificates, side, version):
    near, far = contexts(certificates, side, version)
    server, client = (near, far) if side == "server" else (far, near)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(certificates.path("ca"))
    client.load_cert_chain(certificates.path("other"), certificates.path("other", "key"))
    with begun(loop, "tcp", side, Recorder, near) as (task, sock):
        peer = Peer(sock, far, server=side == "client")
        run_until(loop, lambda: peer.step() and peer.shaken and task.done())
        transport, _ = task.result()
        cert = transport.get_extra_info("peercert")
        names = [name for kind, name in cert["subjectAltName"] if kind == "DNS"]
        assert names == (["other.example"] if side == "server" else ["localhost"])
        transport.abort()


def test_a_listening_server_says_nothing_outside_debug_mode(loop, certificates, reports):
    """The exception has no caller to go to; the conftest checks that nothing is logged."""
    near, far = contexts(certificates, "server", "1.2")
    near.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    far.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    made = []
    server = loop.run_until_complete(
        loop.create_server(lambda: made.append(Recorder()) or made[-1], "127.0.0.1", 0, ssl=near)
    )
    with socket.create_connection(server.sockets[0].getsockname()) as sock:
        peer = Peer(sock, far, server=False)
        with contextlib.suppress(ssl.SSLError):
            run_until(loop, lambda: peer.step() and peer.ended)
        run_until(loop, lambda: made)
    server.close()
    loop.run_until_complete(server.wait_closed())
    settle(loop)
    assert len(made) == 1 and made[0].events == [] and reports == []
