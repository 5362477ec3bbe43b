# SPDX-License-Identifier: MIT
"""Contexts and SSL objects that misbehave: an exception for the caller, never a crash (U rows)."""

import gc
import ssl
from contextlib import suppress

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
def test_tls16_an_sslobject_that_raises(loop, certificates, side, error, reports):
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


def junk_class(name, answer):
    """An SSLObject class with one method that gives junk as soon as `armed` is set."""

    def method(self, *args):
        if not Junk.armed:
            return getattr(ssl.SSLObject, name)(self, *args)
        return answer() if callable(answer) else answer

    Junk = type("Junk", (ssl.SSLObject,), {name: method, "armed": False})
    return Junk


@pytest.mark.hotloop_only(reason="asyncio loops for ever or loses its count on some of these")
@pytest.mark.parametrize("name", ["read", "write", "pending", "unwrap"])
@pytest.mark.parametrize("answer", [None, 0, -1, 10**9, b"x" * 100_000])
def test_tls16_methods_that_return_junk(loop, certificates, name, answer, reports):
    if name == "read" and isinstance(answer, bytes):
        answer = b""  # a read() that always has something is a stream without end
    near, far = contexts(certificates, "client")
    near.sslobject_class = junk_class(name, answer)
    parts = secured(loop, certificates, near=near, far=far, ssl_shutdown_timeout=0.01)
    with parts as (transport, protocol, peer):
        near.sslobject_class.armed = True
        transport.write(b"a" * 100)
        transport.writelines([b"b" * 50_000, b"c", b"d"])
        peer.send(b"y" * 50_000)
        settle(loop)
        assert transport.get_write_buffer_size() >= 0
        transport.close()
        with suppress(ssl.SSLError):
            peer.step()
        run_until(loop, lambda: protocol.lost)
    assert_usable(loop)


@pytest.mark.hotloop_only(reason="asyncio writes the same piece twice")
def test_write_writes(loop, certificates):
    """write() of the SSL object writes to its own transport, and asks how much is unsent."""

    class Nests(ssl.SSLObject):
        depth = 0
        transport = None

        def write(self, data):
            if self.transport is not None and self.depth < 3:
                Nests.depth += 1
                self.transport.write(b"nested %d" % self.depth)
                self.transport.get_write_buffer_size()
            return super().write(data)

    near, far = contexts(certificates, "client")
    near.sslobject_class = Nests
    with secured(loop, certificates, near=near, far=far) as (transport, _, peer):
        Nests.transport = transport
        transport.write(b"outer " * 10_000)
        talk(loop, peer, lambda: b"nested 3" in peer.data)
        assert peer.data == b"outer " * 10_000 + b"nested 1nested 2nested 3"
        assert transport.get_write_buffer_size() == 0
        Nests.transport = None


@pytest.mark.parametrize("how", ["abort", "close"])
@pytest.mark.parametrize("name", ["read", "write"])
def test_methods_that_end_the_connection(loop, certificates, name, how, reports):
    def ends(self, *args):
        transport, Ends.transport = Ends.transport, None
        if transport is not None:
            getattr(transport, how)()
        return getattr(ssl.SSLObject, name)(self, *args)

    Ends = type("Ends", (ssl.SSLObject,), {name: ends, "transport": None})
    near, far = contexts(certificates, "client")
    near.sslobject_class = Ends
    parts = secured(loop, certificates, near=near, far=far, ssl_shutdown_timeout=0.05)
    with parts as (transport, protocol, peer):
        Ends.transport = transport
        peer.send(b"y" * 1000)
        transport.write(b"x" * 1000)
        run_until(loop, lambda: peer.step() and protocol.lost)
        assert protocol.names.count("lost") == 1


def test_a_message_callback_that_uses_the_transport(loop, certificates):
    """The ssl module's own hook for debugging runs in the middle of its C functions."""
    near, far = contexts(certificates, "client")
    seen = []
    using = []

    def callback(conn, direction, *rest):
        seen.append(direction)
        for transport in using:
            transport.get_extra_info("peername")
            transport.is_closing()
            transport.get_read_buffer_size()

    near._msg_callback = callback
    with secured(loop, certificates, near=near, far=far) as (transport, protocol, peer):
        using.append(transport)
        transport.write(b"x" * 1000)
        peer.send(b"y" * 1000)
        talk(loop, peer, lambda: len(peer.data) == len(protocol.data) == 1000)
    assert {"read", "write"} <= set(seen)
    near._msg_callback = None


def test_t1_a_read_within_a_read_mixes_nothing_up(loop, certificates):
    """While one connection decrypts, a hook makes another one deliver what it has."""
    near, far = contexts(certificates, "client")
    reads = []

    def callback(conn, direction, *rest):
        nonlocal armed
        if armed and direction == "read":
            armed = False
            reads.append(direction)
            second.resume_reading()
            second.close()

    armed = False
    near._msg_callback = callback  # an SSL object takes it over when it is made
    options = {"ssl_shutdown_timeout": 0.05}
    with (
        secured(loop, certificates, near=near, far=far) as (_, mine, peer),
        secured(loop, certificates, **options) as (second, other, other_peer),
    ):
        second.pause_reading()
        other_peer.send(b"B" * 30_000)
        run_until(loop, lambda: second.get_read_buffer_size() > 30_000)
        peer.step()
        armed = True
        records = b"".join(peer.encrypted(b"%d" % number * 1000) for number in range(3))
        peer.sock.sendall(records)
        run_until(loop, lambda: len(mine.data) == 3000)
        assert mine.data == b"0" * 1000 + b"1" * 1000 + b"2" * 1000
        assert other.data == b"B" * 30_000
        assert reads == ["read"]
        near._msg_callback = None


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
