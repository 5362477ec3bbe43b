# SPDX-License-Identifier: MIT
"""A listening socket with an accept() of its own is asked for each connection."""

import asyncio
import contextvars
import errno
import socket

import pytest

from tests.tls import Peer
from tests.tools import Recorder, assert_usable, run, run_until, settle


class Choosy(socket.socket):
    """Notes what it accepts, and fails first as often as it is told."""

    def __init__(self):
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self.bind(("127.0.0.1", 0))
        self.accepted = []
        self.failures = []

    def accept(self):
        if self.failures:
            raise self.failures.pop()
        conn, address = super().accept()
        self.accepted.append(address)
        return conn, address


class Wrapped:
    """No socket at all, but it has one."""

    family, type, proto = socket.AF_INET, socket.SOCK_STREAM, 0

    def __init__(self):
        self._sock = Choosy()

    def __getattr__(self, name):
        return getattr(self._sock, name)


@pytest.fixture(params=[Choosy, Wrapped])
def sock(request):
    sock = request.param()
    yield sock
    sock.close()


@pytest.fixture(autouse=True)
def soon_again(monkeypatch):
    monkeypatch.setattr(asyncio.constants, "ACCEPT_RETRY_DELAY", 0.001)


def served(loop, sock, factory, **options):
    return run(loop, loop.create_server(factory, sock=sock, **options))


def finish(loop, server, *protocols):
    for protocol in protocols:
        protocol.transport.abort()
    run_until(loop, lambda: all(protocol.lost for protocol in protocols))
    server.close()
    run(loop, server.wait_closed())
    settle(loop)


def test_it_is_asked(loop, sock):
    protocols = [Recorder(), Recorder()]
    waiting = list(protocols)
    server = served(loop, sock, lambda: waiting.pop())
    with socket.create_connection(sock.getsockname()) as one:
        with socket.create_connection(sock.getsockname()) as two:
            one.sendall(b"x")
            two.sendall(b"x")
            run_until(loop, lambda: all(protocol.data for protocol in protocols))
            names = [one.getsockname(), two.getsockname()]
            assert sorted(sock.accepted) == sorted(names)
            peers = [p.transport.get_extra_info("peername") for p in protocols]
            assert sorted(peers) == sorted(names)
            finish(loop, server, *protocols)


def test_the_server_knows_its_clients(loop, sock):
    def clients():
        return len(server._clients) if hasattr(server, "_clients") else server._active_count

    protocol = Recorder()
    server = served(loop, sock, protocol)
    with socket.create_connection(sock.getsockname()) as peer:
        run_until(loop, lambda: protocol.transport is not None)
        assert clients() == 1
        peer.close()
        run_until(loop, lambda: protocol.lost)
        settle(loop)
        assert clients() == 0
    finish(loop, server)


def test_a_closed_server_asks_no_more(loop, sock):
    server = served(loop, sock, Recorder)
    address = sock.getsockname()
    finish(loop, server)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    assert_usable(loop)


@pytest.mark.parametrize("error", [ConnectionAbortedError, InterruptedError])
def test_what_means_nothing(loop, sock, error):
    sock.failures.append(error())
    protocol = Recorder()
    server = served(loop, sock, protocol)
    with socket.create_connection(sock.getsockname()):
        run_until(loop, lambda: protocol.transport is not None)
        finish(loop, server, protocol)


def test_no_descriptors_left(loop, sock, reports):
    sock.failures.append(OSError(errno.EMFILE, "Too many open files"))
    protocol = Recorder()
    server = served(loop, sock, protocol)
    with socket.create_connection(sock.getsockname()):
        run_until(loop, lambda: protocol.transport is not None)
        finish(loop, server, protocol)
    assert reports[0]["message"] == "socket.accept() out of system resource"
    assert reports[0]["exception"].errno == errno.EMFILE and len(reports) == 1


@pytest.mark.hotloop_only("asyncio watches a socket that is closed by then")
def test_closed_while_there_are_no_descriptors(loop, sock, reports, monkeypatch):
    monkeypatch.setattr(asyncio.constants, "ACCEPT_RETRY_DELAY", 100)
    sock.failures.append(OSError(errno.EMFILE, "Too many open files"))
    server = served(loop, sock, Recorder)
    with socket.create_connection(sock.getsockname()):
        run_until(loop, lambda: reports)
        (again,) = loop._scheduled
        finish(loop, server)
        again._run()
        again.cancel()
        assert sock.fileno() not in loop._watchers()
    assert len(reports) == 1
    assert_usable(loop)


def test_any_other_error_is_reported(loop, sock, reports):
    sock.failures.append(OSError(errno.EBADF, "what?"))
    protocol = Recorder()
    server = served(loop, sock, protocol)
    with socket.create_connection(sock.getsockname()):
        run_until(loop, lambda: protocol.transport is not None)
        finish(loop, server, protocol)
    assert [report["exception"].errno for report in reports] == [errno.EBADF]


@pytest.mark.hotloop_only("asyncio tells in debug mode only, and leaves the connection open")
def test_a_factory_that_fails(loop, sock, reports):
    def factory():
        raise ZeroDivisionError

    server = served(loop, sock, factory)
    with socket.create_connection(sock.getsockname()) as peer:
        peer.settimeout(20)
        run_until(loop, lambda: reports)
        assert peer.recv(1) == b""
        finish(loop, server)
    assert isinstance(reports[0]["exception"], ZeroDivisionError)


@pytest.mark.hotloop_only("before 3.15 it is another context in asyncio")
def test_each_connection_has_a_copy_of_the_servers_context(loop, sock):
    variable = contextvars.ContextVar("variable", default="none")
    seen = []

    class Setting(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            seen.append(variable.get())
            variable.set("mine")

    protocols = [Setting(), Setting()]
    waiting = list(protocols)
    token = variable.set("server's")
    server = served(loop, sock, lambda: waiting.pop())
    variable.set("later")
    with socket.create_connection(sock.getsockname()):
        with socket.create_connection(sock.getsockname()):
            run_until(loop, lambda: len(seen) == 2)
            assert seen == ["server's"] * 2
            finish(loop, server, *protocols)
    variable.reset(token)


def test_tls(loop, sock, certificates):
    protocol = Recorder()
    server = served(loop, sock, protocol, ssl=certificates.server())
    raw = socket.create_connection(sock.getsockname())
    with raw:
        peer = Peer(raw, certificates.client(), server=False)
        run_until(loop, lambda: peer.step() and protocol.transport is not None)
        protocol.transport.write(b"hello")
        run_until(loop, lambda: peer.step() and peer.data == b"hello")
        finish(loop, server, protocol)
