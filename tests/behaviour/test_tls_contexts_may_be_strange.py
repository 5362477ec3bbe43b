# SPDX-License-Identifier: MIT
"""Contexts and SSL objects that misbehave: an exception for the caller, never a crash (U rows)."""

import gc
import ssl

import pytest

from tests.certificates import NAME
from tests.tls import Peer, begun, contexts, secured, talk
from tests.tools import Recorder, assert_usable, run, run_until, settle


def subclassed(certificates, wrap_bio):
    """A client's context whose wrap_bio is that function."""
    kind = type("Strange", (ssl.SSLContext,), {"wrap_bio": wrap_bio})
    context = kind(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificates.path("ca"))
    return context


def outcome(loop, context):
    """How an opening with that context ends while nobody answers."""
    with begun(loop, "tcp", "client", Recorder, context, ssl_handshake_timeout=0.05) as (task, _):
        run_until(loop, task.done)
        return task.exception()


@pytest.mark.parametrize("answer", [None, 42, "text", object(), ssl.MemoryBIO()])
def test_wrap_bio_returns_junk(loop, certificates, answer, reports):
    context = subclassed(certificates, lambda *args, **options: answer)
    with begun(loop, "tcp", "client", Recorder, context, ssl_handshake_timeout=0.05) as (task, _):
        run_until(loop, lambda: task.done() or reports)
        if task.done():
            assert task.exception() is not None
        else:
            task.cancel()
    settle(loop)
    assert_usable(loop)


def test_wrap_bio_raises(loop, certificates):
    def fails(*args, **options):
        raise ZeroDivisionError

    assert type(outcome(loop, subclassed(certificates, fails))) is ZeroDivisionError
    assert_usable(loop)


def test_wrap_bio_gives_the_same_object_twice(loop, certificates):
    """Two connections on one SSL object: the second finds it used; both end with an exception."""
    kept = []

    def again(self, incoming, outgoing, **options):
        if not kept:
            kept.append(ssl.SSLContext.wrap_bio(self, incoming, outgoing, **options))
        return kept[0]

    context = subclassed(certificates, again)
    for _ in range(2):
        assert isinstance(outcome(loop, context), Exception)
    kept.clear()
    gc.collect()


def test_wrap_bio_uses_other_buffers(loop, certificates):
    """An SSL object that is not connected to the given BIOs never shakes hands."""

    def elsewhere(self, incoming, outgoing, **options):
        return ssl.SSLContext.wrap_bio(self, ssl.MemoryBIO(), ssl.MemoryBIO(), **options)

    error = outcome(loop, subclassed(certificates, elsewhere))
    assert type(error) is ConnectionAbortedError


def test_wrap_bio_swaps_the_buffers(loop, certificates):
    def swapped(self, incoming, outgoing, **options):
        return ssl.SSLContext.wrap_bio(self, outgoing, incoming, **options)

    assert isinstance(outcome(loop, subclassed(certificates, swapped)), Exception)


def test_wrap_bio_shakes_hands_itself(loop, certificates):
    """The ClientHello is in the buffer before the loop asked for it."""

    def eager(self, incoming, outgoing, **options):
        tls = ssl.SSLContext.wrap_bio(self, incoming, outgoing, **options)
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        return tls

    context = subclassed(certificates, eager)
    with secured(loop, certificates, near=context) as (transport, _, peer):
        transport.write(b"all the same")
        talk(loop, peer, lambda: peer.data == b"all the same")


def test_an_sslobject_class_of_ones_own(loop, certificates, side):
    calls = []

    class Counts(ssl.SSLObject):
        def do_handshake(self):
            calls.append("do_handshake")
            return super().do_handshake()

    near, far = contexts(certificates, side)
    near.sslobject_class = Counts
    with secured(loop, certificates, side=side, near=near, far=far) as (transport, protocol, peer):
        assert type(transport.get_extra_info("ssl_object")) is Counts
        transport.write(b"mine")
        peer.send(b"yours")
        talk(loop, peer, lambda: peer.data == b"mine" and protocol.data == b"yours")
    assert "do_handshake" in calls


@pytest.mark.parametrize("error", [ZeroDivisionError, OSError])
def test_an_sslobject_that_raises(loop, certificates, side, error, reports):
    class Breaks(ssl.SSLObject):
        def do_handshake(self):
            raise error("broken")

    near, _ = contexts(certificates, side)
    near.sslobject_class = Breaks
    with begun(loop, "tcp", side, Recorder, near, ssl_handshake_timeout=0.05) as (task, _):
        run_until(loop, task.done)
        assert task.exception() is not None
    settle(loop)
    assert_usable(loop)


def test_the_user_plays_with_the_sslobject(loop, certificates, side):
    """Reading, writing, shaking hands and ending by hand confuse the stream, never the process."""
    with secured(loop, certificates, side=side, ssl_shutdown_timeout=0.05) as parts:
        transport, protocol, peer = parts
        tls = transport.get_extra_info("ssl_object")
        peer.send(b"for the loop")
        run_until(loop, lambda: protocol.data == b"for the loop")
        with pytest.raises(ssl.SSLWantReadError):
            tls.read(100)
        tls.do_handshake()
        tls.write(b"past the transport")
        transport.write(b", then through it")
        talk(loop, peer, lambda: b"through it" in peer.data)
        assert b"past the transport" in peer.data
        try:
            tls.unwrap()
        except ssl.SSLError:
            pass
        transport.write(b"after the end")
        transport.close()
        run_until(loop, lambda: peer.step() and protocol.lost)


def test_the_sslobject_outlives_the_transport(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, protocol, _):
        tls = transport.get_extra_info("ssl_object")
        transport.abort()
        run_until(loop, lambda: protocol.lost)
        settle(loop)
    gc.collect()
    assert tls.version() and tls.cipher()
    for call in (tls.pending, lambda: tls.write(b"x"), lambda: tls.read(10), tls.unwrap):
        try:
            call()
        except ssl.SSLError:
            pass


def test_the_context_may_change_afterwards(loop, certificates, side):
    near, far = contexts(certificates, side)
    with secured(loop, certificates, side=side, near=near, far=far) as (transport, protocol, peer):
        near.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        near.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
        del near, far
        gc.collect()
        peer.send(b"x")
        transport.write(b"y")
        talk(loop, peer, lambda: protocol.data == b"x" and peer.data == b"y")


def test_post_handshake_authentication(loop, certificates):
    """A server asks for the client's certificate in the middle of a TLS 1.3 connection."""
    near, far = certificates.client("1.3"), certificates.server("good", "1.3")
    near.post_handshake_auth = True
    near.load_cert_chain(certificates.path("other"), certificates.path("other", "key"))
    far.post_handshake_auth = True
    far.verify_mode = ssl.CERT_REQUIRED
    far.load_verify_locations(certificates.path("ca"))
    with secured(loop, certificates, near=near, far=far) as (transport, protocol, peer):
        assert peer.tls.getpeercert() is None
        peer.tls._sslobj.verify_client_post_handshake()
        peer.send(b"who are you?")
        run_until(loop, lambda: peer.step() and protocol.data)
        transport.write(b"guess")
        talk(loop, peer, lambda: peer.data == b"guess")
        assert ("DNS", "other.example") in peer.tls.getpeercert()["subjectAltName"]


def test_a_loop_closed_in_the_sni_callback_is_refused(loop, certificates):
    near, far = contexts(certificates, "server")
    seen = []

    def callback(tls, name, context):
        with pytest.raises(RuntimeError):
            loop.close()
        seen.append(name)

    near.sni_callback = callback
    with secured(loop, certificates, side="server", near=near, far=far):
        assert seen == [NAME]


def test_aborted_in_the_sni_callback(loop, certificates, reports):
    """The callback ends the very connection that asks."""
    near, far = contexts(certificates, "server")
    protocol = Recorder()
    cancelled = []
    with begun(loop, "tcp", "server", lambda: protocol, near) as (task, sock):
        near.sni_callback = lambda *_: cancelled.append(task.cancel()) and None
        peer = Peer(sock, far, server=False)

        def step():
            peer.step()
            return task.done()

        run_until(loop, step)
        assert cancelled == [True] and task.cancelled()
    settle(loop)


def test_run_is_refused_in_the_sni_callback(loop, certificates):
    near, far = contexts(certificates, "server")
    seen = []

    def callback(*_):
        try:
            run(loop, run_nothing())
        except RuntimeError as error:
            seen.append(str(error))

    async def run_nothing():
        pass

    import warnings

    near.sni_callback = callback
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with secured(loop, certificates, side="server", near=near, far=far):
            assert len(seen) == 1
