# SPDX-License-Identifier: MIT
"""What a protocol raises over TLS ends its connection and is told as asyncio tells it (X1-X4)."""

import contextlib

import pytest

from tests.tls import Peer, begun, contexts, failure, secured, talk
from tests.tools import BufferedRecorder, Recorder, run_until, settle


class Fails(Recorder):
    where = ""

    def fail(self, name):
        if self.where == name:
            raise ZeroDivisionError(name)

    def connection_made(self, transport):
        super().connection_made(transport)
        self.fail("connection_made")

    def data_received(self, data):
        super().data_received(data)
        self.fail("data_received")

    def eof_received(self):
        super().eof_received()
        self.fail("eof_received")

    def connection_lost(self, exc):
        super().connection_lost(exc)
        self.fail("connection_lost")


@pytest.fixture
def failing():
    def make(where):
        protocol = Fails()
        protocol.where = where
        return protocol

    return make


def test_x1_data_received(loop, certificates, side, version, failing, reports):
    protocol = failing("data_received")
    parts = secured(loop, certificates, side=side, protocol=protocol, version=version)
    with parts as (_, _, peer):
        peer.send(b"bad news")
        run_until(loop, lambda: peer.step() and protocol.lost)
        assert type(protocol.error) is ZeroDivisionError
        assert [type(report["exception"]) for report in reports] == [ZeroDivisionError]
        assert reports[0]["message"] == "Fatal error on SSL protocol"
        assert protocol.names == ["made", "data", "lost"]


def test_x1_oserror_is_not_reported(loop, certificates, side, reports):
    class Breaks(Recorder):
        def data_received(self, data):
            raise OSError("the disk, not the socket")

    with secured(loop, certificates, side=side, protocol=Breaks()) as (_, protocol, peer):
        peer.send(b"x")
        run_until(loop, lambda: peer.step() and protocol.lost)
        assert str(protocol.error) == "the disk, not the socket" and reports == []


@pytest.mark.parametrize("name", ["get_buffer", "buffer_updated"])
def test_x1_buffered_protocols(loop, certificates, side, name, reports):
    def fails(self, argument):
        if armed:
            raise ZeroDivisionError
        return getattr(BufferedRecorder, name)(self, argument)

    armed = False  # asyncio asks for a buffer as soon as hands are shaken
    kind = type("Breaks", (BufferedRecorder,), {name: fails})
    with secured(loop, certificates, side=side, protocol=kind()) as (_, protocol, peer):
        armed = True
        peer.send(b"x")
        run_until(loop, lambda: peer.step() and protocol.lost)
        assert type(protocol.error) is ZeroDivisionError
        assert [type(report["exception"]) for report in reports] == [ZeroDivisionError]


@pytest.mark.parametrize("buffer", [None, 42, "text", b"constant"])
def test_u7_get_buffer_gives_junk(loop, certificates, side, buffer, reports):
    class Gives(BufferedRecorder):
        def get_buffer(self, sizehint):
            return buffer if armed else super().get_buffer(sizehint)

    armed = False
    with secured(loop, certificates, side=side, protocol=Gives()) as (_, protocol, peer):
        armed = True
        peer.send(b"x")
        run_until(loop, lambda: peer.step() and protocol.lost)
        assert isinstance(protocol.error, (TypeError, BufferError, ValueError))
        assert len(reports) == 1 and protocol.data == b""


def test_x2_connection_made(loop, certificates, side, version, failing):
    """The caller of the opening hears of it; asyncio leaves the transport to its fate."""
    protocol = failing("connection_made")
    near, far = contexts(certificates, side, version)
    with begun(loop, "tcp", side, lambda: protocol, near, ssl_handshake_timeout=0.2) as (
        task,
        sock,
    ):
        log = []
        loop.set_exception_handler(lambda _, context: log.append(context))
        peer = Peer(sock, far, server=side == "client")
        peer_goes_on(loop, peer, lambda: log)
        assert type(log[0]["exception"]) is ZeroDivisionError
        if not task.done():
            task.cancel()
            run_until(loop, task.done)
        protocol.transport.abort()
        settle(loop)


def peer_goes_on(loop, peer, condition):
    def step():
        with contextlib.suppress(OSError):
            peer.step()
        return condition()

    run_until(loop, step)


def test_x3_eof_received(loop, certificates, side, failing, reports):
    protocol = failing("eof_received")
    with secured(loop, certificates, side=side, protocol=protocol) as (_, _, peer):
        peer.notify()
        run_until(loop, lambda: peer.step() and protocol.lost)
        assert type(protocol.error) is ZeroDivisionError
        assert [report["message"] for report in reports] == ["Error calling eof_received()"]
        assert protocol.names == ["made", "eof", "lost"]


def test_x4_connection_lost(loop, certificates, side, failing, reports):
    protocol = failing("connection_lost")
    with secured(loop, certificates, side=side, protocol=protocol) as (transport, _, _):
        transport.abort()
        run_until(loop, lambda: reports)
        assert type(reports[0]["exception"]) is ZeroDivisionError
        assert "connection_lost" in reports[0]["message"]


def test_a_protocol_can_be_replaced(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, first, peer):
        second, third = Recorder(), BufferedRecorder()
        transport.set_protocol(second)
        assert transport.get_protocol() is second
        peer.send(b"for the second")
        run_until(loop, lambda: second.data == b"for the second")
        transport.set_protocol(third)
        peer.send(b"for the third")
        run_until(loop, lambda: third.data == b"for the third")
        assert first.events == ["made"]
        transport.close()
        talk(loop, peer, lambda: peer.notified)
        peer.notify()
        run_until(loop, lambda: third.lost)
        assert second.names == ["data"]
        first.events.append("lost")


def test_u9_replaced_in_data_received(loop, certificates, side):
    second = Recorder()

    class Hands(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.set_protocol(second)

    with secured(loop, certificates, side=side, protocol=Hands()) as (transport, first, peer):
        peer.send(b"one")
        run_until(loop, lambda: first.data == b"one")
        peer.send(b"two")
        run_until(loop, lambda: second.data == b"two")
        transport.abort()
        run_until(loop, lambda: second.lost)
        first.events.append("lost")


def test_u9_a_protocol_without_methods(loop, certificates, side, reports):
    with secured(loop, certificates, side=side) as (transport, first, peer):
        transport.set_protocol(object())
        peer.send(b"x")
        run_until(loop, lambda: peer.step() and reports and transport.is_closing())
        assert type(reports[0]["exception"]) is AttributeError
        settle(loop)
        first.events.append("lost")


def test_a_handshake_that_fails_reaches_no_protocol(loop, certificates, reports):
    protocol = Fails()
    with begun(loop, "tcp", "client", lambda: protocol, certificates.client()) as (task, sock):
        failure(loop, task, Peer(sock, certificates.server("wrong"), server=True))
        settle(loop)
        assert protocol.events == [] and reports == []
