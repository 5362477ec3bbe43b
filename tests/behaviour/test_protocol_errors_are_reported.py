# SPDX-License-Identifier: MIT
"""X1-X6: exceptions out of protocols and factories, told once, the rest unharmed."""

import asyncio
import socket

import pytest

from tests.loops import open_descriptors
from tests.tools import (
    Recorder,
    assert_usable,
    connected,
    run,
    run_until,
    settle,
    shrink_buffers,
    steady,
)


def failing(name):
    class Fails(Recorder):
        pass

    def method(self, *args):
        getattr(Recorder, name)(self, *args)
        raise ZeroDivisionError(name)

    setattr(Fails, name, method)
    return Fails()


def test_x1_data_received(loop, stream_kind, reports):
    with connected(loop, stream_kind, failing("data_received")) as (transport, protocol, peer):
        peer.sendall(b"x")
        run_until(loop, lambda: protocol.lost)
        assert isinstance(protocol.error, ZeroDivisionError)
        (report,) = reports
        assert report["message"] == "Fatal error: protocol.data_received() call failed."
        assert report["exception"] is protocol.error
        assert report["transport"] is transport and report["protocol"] is protocol
        assert peer.recv(1) == b""


def test_x2_connection_made(loop, stream_kind, reports):
    """It is reported, and the connection goes on."""
    protocol = failing("connection_made")
    with connected(loop, stream_kind, protocol) as (transport, _, peer):
        assert [type(report["exception"]) for report in reports] == [ZeroDivisionError]
        peer.sendall(b"on")
        run_until(loop, lambda: protocol.data == b"on")
        assert not transport.is_closing()
        transport.close()
        run_until(loop, lambda: protocol.lost)


@pytest.mark.parametrize("how", ["close", "abort", "peer"])
def test_x4_connection_lost(loop, stream_kind, reports, how):
    before = steady(loop)
    with connected(loop, stream_kind, failing("connection_lost")) as (transport, protocol, peer):
        peer.shutdown(socket.SHUT_WR) if how == "peer" else getattr(transport, how)()
        run_until(loop, lambda: protocol.lost)
        settle(loop)
    assert [type(report["exception"]) for report in reports] == [ZeroDivisionError]
    assert open_descriptors() == before
    assert_usable(loop)


@pytest.mark.parametrize("name", ["pause_writing", "resume_writing"])
def test_x5_flow_control(loop, stream_kind, reports, name):
    with connected(loop, stream_kind, failing(name)) as (transport, protocol, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer)
        transport.write(b"x" * 3_000_000)
        peer.setblocking(False)

        def read():
            try:
                peer.recv(1 << 20)
            except BlockingIOError:
                pass
            return "resume" in protocol.events

        run_until(loop, read)
        (report,) = reports
        assert report["message"] == f"protocol.{name}() failed"
        assert protocol.events == ["made", "pause", "resume"]
        assert not transport.is_closing()


@pytest.mark.hotloop_only(reason="asyncio tells it in debug mode only, and leaves the socket open")
def test_x6_factory_in_accept(loop, reports):
    before = steady(loop)

    def factory():
        raise ZeroDivisionError

    server = run(loop, loop.create_server(factory, "127.0.0.1", 0))
    address = server.sockets[0].getsockname()
    with socket.create_connection(address) as client:
        client.settimeout(20)
        run_until(loop, lambda: reports)
        settle(loop)
        assert client.recv(1) == b""
    assert isinstance(reports[0]["exception"], ZeroDivisionError)
    assert server.is_serving()
    server.close()
    run(loop, server.wait_closed())
    settle(loop)
    assert open_descriptors() == before


@pytest.mark.hotloop_only(reason="asyncio leaves the socket to the collector")
def test_x6_factory_in_create_connection(loop):
    before = steady(loop)

    def factory():
        raise ZeroDivisionError

    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(ZeroDivisionError):
            run(loop, loop.create_connection(factory, *listener.getsockname()))
        settle(loop)
    assert open_descriptors() == before


def test_x8_an_error_while_another_is_being_delivered(loop, stream_kind, reports):
    """data_received raises, then connection_lost raises: both are told, none is lost."""

    class Fails(Recorder):
        def data_received(self, data):
            raise ZeroDivisionError

        def connection_lost(self, exc):
            super().connection_lost(exc)
            raise KeyError

    with connected(loop, stream_kind, Fails()) as (_, protocol, peer):
        peer.sendall(b"x")
        run_until(loop, lambda: protocol.lost)
        settle(loop)
        assert [type(report["exception"]) for report in reports] == [ZeroDivisionError, KeyError]
    assert_usable(loop)


@pytest.mark.parametrize("kind", [asyncio.CancelledError, GeneratorExit])
def test_x9_other_base_exceptions_from_data_received(loop, stream_kind, reports, kind):
    class Fails(Recorder):
        def data_received(self, data):
            raise kind

    with connected(loop, stream_kind, Fails()) as (_, protocol, peer):
        peer.sendall(b"x")
        run_until(loop, lambda: protocol.lost)
        assert type(protocol.error) is kind
    assert_usable(loop)


def test_u12_deep_recursion_in_data_received(loop, stream_kind, reports):
    class Deep(Recorder):
        def data_received(self, data):
            self.data_received(data)

    with connected(loop, stream_kind, Deep()) as (_, protocol, peer):
        peer.sendall(b"x")
        run_until(loop, lambda: protocol.lost)
        assert isinstance(protocol.error, RecursionError)
    assert_usable(loop)
