# SPDX-License-Identifier: MIT
"""ALPN, SNI, sessions, key logs: what a user set up in a context happens on the loop."""

import ssl

import pytest

from tests.tls import Peer, begun, contexts, failure, secured, talk
from tests.tools import Recorder, run_until


@pytest.mark.parametrize(
    ("ours", "theirs", "chosen"),
    [
        (["h2", "http/1.1"], ["http/1.1", "h2"], {"client": "http/1.1", "server": "h2"}),
        (["http/1.1"], ["http/1.1"], {"client": "http/1.1", "server": "http/1.1"}),
        (["h2"], ["spdy"], {"client": None, "server": None}),
        (["h2"], None, {"client": None, "server": None}),
    ],
)
def test_alpn(loop, certificates, side, version, ours, theirs, chosen):
    near, far = contexts(certificates, side, version)
    near.set_alpn_protocols(ours)
    if theirs:
        far.set_alpn_protocols(theirs)
    with secured(loop, certificates, side=side, near=near, far=far) as (transport, _, peer):
        tls = transport.get_extra_info("ssl_object")
        assert tls.selected_alpn_protocol() == chosen[side] == peer.tls.selected_alpn_protocol()


def test_sni_chooses_another_context(loop, certificates, version):
    near, far = contexts(certificates, "server", version)
    other = certificates.server("other", version)
    asked = []

    def choose(tls, name, context):
        asked.append((name, context))
        tls.context = other

    near.sni_callback = choose
    with begun(loop, "tcp", "server", Recorder, near) as (task, sock):
        peer = Peer(sock, far, server=False, server_hostname="other.example")
        run_until(loop, lambda: peer.step() and peer.shaken and task.done())
        transport, _ = task.result()
        assert asked == [("other.example", near)]
        assert ("DNS", "other.example") in peer.tls.getpeercert()["subjectAltName"]
        assert transport.get_extra_info("ssl_object").context is other
        assert transport.get_extra_info("sslcontext") is near
        transport.write(b"over the other certificate")
        talk(loop, peer, lambda: peer.data == b"over the other certificate")
        transport.abort()


@pytest.mark.parametrize(
    ("answer", "alert"),
    [
        (ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME, "CALLBACK_FAILED"),
        (ssl.ALERT_DESCRIPTION_ACCESS_DENIED, "CALLBACK_FAILED"),
    ],
)
def test_sni_refuses(loop, certificates, version, answer, alert):
    near, far = contexts(certificates, "server", version)
    near.sni_callback = lambda *_: answer
    protocol = Recorder()
    with begun(loop, "tcp", "server", lambda: protocol, near) as (task, sock):
        error = failure(loop, task, Peer(sock, far, server=False))
        assert isinstance(error, ssl.SSLError) and error.reason == alert
        assert protocol.events == []


@pytest.mark.parametrize("wrong", ["raises", "returns junk"])
def test_sni_fails(loop, certificates, version, wrong, unraisable):
    near, far = contexts(certificates, "server", version)

    def callback(*_):
        if wrong == "raises":
            raise ZeroDivisionError
        return "junk"

    near.sni_callback = callback
    protocol = Recorder()
    with begun(loop, "tcp", "server", lambda: protocol, near) as (task, sock):
        error = failure(loop, task, Peer(sock, far, server=False))
        assert isinstance(error, ssl.SSLError)
        assert protocol.events == []
    kind = ZeroDivisionError if wrong == "raises" else TypeError
    assert [type(error) for error in unraisable] == [kind]


def test_sni_may_use_the_loop(loop, certificates):
    near, far = contexts(certificates, "server")
    seen = []
    near.sni_callback = lambda *_: loop.call_soon(seen.append, "from the callback") and None
    with secured(loop, certificates, side="server", near=near, far=far):
        run_until(loop, lambda: seen == ["from the callback"])


def test_a_session_is_used_again(loop, certificates, version):
    """The loop is the server; a client comes back with the session of its first visit."""
    near, far = contexts(certificates, "server", version)
    session = None
    for visit in range(2):
        with begun(loop, "tcp", "server", Recorder, near) as (task, sock):
            peer = Peer(sock, far, server=False, session=session)
            run_until(
                loop, lambda peer=peer, task=task: peer.step() and peer.shaken and task.done()
            )
            transport, _ = task.result()
            transport.write(b"x")
            talk(loop, peer, lambda peer=peer: peer.data == b"x")
            session = peer.tls.session
            assert session is not None and peer.tls.session_reused is bool(visit)
            assert transport.get_extra_info("ssl_object").session_reused is bool(visit)
            transport.abort()


def test_the_session_of_a_client_can_be_taken(loop, certificates, version):
    with secured(loop, certificates, version=version) as (transport, protocol, peer):
        peer.send(b"x")
        run_until(loop, lambda: protocol.data == b"x")
        tls = transport.get_extra_info("ssl_object")
        assert isinstance(tls.session, ssl.SSLSession) and not tls.session_reused


def test_a_context_that_brings_a_session(loop, certificates, version):
    """asyncio passes no session; a context may add one in wrap_bio."""

    class Remembers(ssl.SSLContext):
        session = None

        def wrap_bio(self, *args, **options):
            return super().wrap_bio(*args, session=self.session, **options)

    plain, far = contexts(certificates, "client", version)
    near = Remembers(ssl.PROTOCOL_TLS_CLIENT)
    near.load_verify_locations(certificates.path("ca"))
    near.maximum_version = plain.maximum_version
    for visit in range(2):
        with secured(loop, certificates, near=near, far=far) as (transport, protocol, peer):
            peer.send(b"x")
            run_until(loop, lambda protocol=protocol: protocol.data == b"x")
            tls = transport.get_extra_info("ssl_object")
            assert tls.session_reused is bool(visit)
            near.session = tls.session


def test_keys_are_logged(loop, certificates, side, version, tmp_path):
    near, far = contexts(certificates, side, version)
    near.keylog_filename = str(tmp_path / "keys")
    with secured(loop, certificates, side=side, near=near, far=far):
        labels = {line.split()[0] for line in (tmp_path / "keys").read_text().splitlines()}
        wanted = "CLIENT_RANDOM" if version == "1.2" else "CLIENT_TRAFFIC_SECRET_0"
        assert wanted in labels


def test_channel_binding(loop, certificates, side):
    with secured(loop, certificates, side=side, version="1.2") as (transport, _, peer):
        tls = transport.get_extra_info("ssl_object")
        ours = tls.get_channel_binding("tls-unique")
        assert ours and ours == peer.tls.get_channel_binding("tls-unique")


def test_names_of_the_certificate_are_checked(loop, certificates):
    with begun(
        loop, "tcp", "client", Recorder, certificates.client(), server_hostname="127.0.0.1"
    ) as (task, sock):
        peer = Peer(sock, certificates.server(), server=True)
        run_until(loop, lambda: peer.step() and task.done())
        transport, _ = task.result()
        assert transport.get_extra_info("ssl_object").server_hostname == "127.0.0.1"
        transport.abort()
    with begun(
        loop, "tcp", "client", Recorder, certificates.client(), server_hostname="127.0.0.2"
    ) as (task, sock):
        error = failure(loop, task, Peer(sock, certificates.server(), server=True))
        assert type(error) is ssl.SSLCertVerificationError and error.verify_code == 64
