# SPDX-License-Identifier: MIT
"""What becomes no handshake: silence, garbage, half a hello, an end in the middle (TLS1-3)."""

import asyncio
import contextlib
import socket
import ssl

import pytest

from tests.tls import Peer, begun, contexts, failure, listening
from tests.tools import Recorder, assert_usable, reset, run_until, settle, turns

SHORT = 0.05  # seconds; what is silent until then never speaks


@pytest.fixture
def context(certificates, side):
    return contexts(certificates, side)[0]


def test_tls2_a_silent_peer(loop, context, stream_kind, side):
    protocol = Recorder()
    parts = begun(loop, stream_kind, side, lambda: protocol, context, ssl_handshake_timeout=SHORT)
    with parts as (task, sock):
        run_until(loop, task.done)
        error = task.exception()
        assert type(error) is ConnectionAbortedError
        text = f"SSL handshake is taking longer than {SHORT} seconds: aborting the connection"
        assert str(error) == text
        settle(loop)
        assert at_its_end(sock) and protocol.events == []


def test_tls2_silent_clients_of_a_server(loop, certificates, stream_kind, tmp_path):
    """One that is left to the usual minute would be waited for in vain."""
    protocol = Recorder()
    context, _ = contexts(certificates, "server")
    options = {"ssl": context, "ssl_handshake_timeout": SHORT}
    with listening(loop, stream_kind, tmp_path / "s", protocol, **options) as sock:
        run_until(loop, lambda: no_longer_open(sock))
        settle(loop)
    assert protocol.events == []


def test_tls2_half_a_hello(loop, certificates, context, stream_kind, side):
    protocol = Recorder()
    parts = begun(loop, stream_kind, side, lambda: protocol, context, ssl_handshake_timeout=SHORT)
    with parts as (task, sock):
        send_half(loop, Peer(sock, contexts(certificates, side)[1], server=side == "client"))
        run_until(loop, task.done)
        assert type(task.exception()) is ConnectionAbortedError
        assert protocol.events == []


def send_half(loop, peer):
    """The peer's first message, up to its middle."""
    if peer.tls.server_side:
        run_until(loop, lambda: peer.fill() or peer.received > 100)
    with contextlib.suppress(ssl.SSLWantReadError):
        peer.tls.do_handshake()
    hello = peer.outgoing.read()
    assert peer.sock.send(hello[: len(hello) // 2]) > 10
    settle(loop)


def at_its_end(sock):
    """Whether the other side is closed; what it said before does not matter."""
    sock.settimeout(10)
    with contextlib.suppress(ConnectionResetError):
        while sock.recv(65536):
            pass
    return True


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT localhost:443 HTTP/1.1\r\n\r\n",
        b"\0" * 100,
        b"\x16\x03\x01\xff\xff" * 400,
        b"\x16\x04\x01\0\x05hello" * 10,
    ],
    ids=["http", "proxy", "zeros", "records", "version"],
)
@pytest.mark.parametrize("first", [0, 1, 2, 5])
def test_tls1_garbage_instead_of_a_hello(loop, context, stream_kind, side, garbage, first):
    """At once, and with a few bytes that come before the rest."""
    protocol = Recorder()
    with begun(loop, stream_kind, side, lambda: protocol, context) as (task, sock):
        if first:
            sock.sendall(garbage[:first])
            turns(loop, 3)
        with contextlib.suppress(ConnectionError):  # it may be enough already
            sock.sendall(garbage[first:])
        run_until(loop, task.done)
        assert isinstance(task.exception(), ssl.SSLError)
        settle(loop)
        assert at_its_end(sock) and protocol.events == []


@pytest.mark.parametrize("how", ["FIN", "RST"])
@pytest.mark.parametrize("first", [b"\x16", b"\x16\x03", b"GE"])
def test_tls1_the_peer_leaves_after_two_bytes(loop, context, side, how, first):
    """The head of a record is longer."""
    protocol = Recorder()
    with begun(loop, "tcp", side, lambda: protocol, context) as (task, sock):
        sock.sendall(first)
        turns(loop, 3)
        reset(sock) if how == "RST" else sock.close()
        run_until(loop, task.done)
        assert isinstance(task.exception(), (ConnectionResetError, ssl.SSLError))
        assert protocol.events == []


@pytest.mark.parametrize("how", ["FIN", "RST"])
@pytest.mark.parametrize("when", ["at once", "in the middle"])
def test_tls1_the_peer_leaves(loop, certificates, context, side, how, when):
    protocol = Recorder()
    with begun(loop, "tcp", side, lambda: protocol, context) as (task, sock):
        if when == "in the middle":
            send_half(loop, Peer(sock, contexts(certificates, side)[1], server=side == "client"))
        reset(sock) if how == "RST" else sock.close()
        run_until(loop, task.done)
        assert isinstance(task.exception(), ConnectionResetError)
        assert protocol.events == []


def test_tls1_plaintext_on_a_tls_port_is_never_data(loop, certificates):
    """TLS6 as well: a server that got something else than TLS delivers none of it."""
    near, _ = contexts(certificates, "server")
    made = []
    server = loop.run_until_complete(
        loop.create_server(lambda: made.append(Recorder()) or made[-1], "127.0.0.1", 0, ssl=near)
    )
    for _ in range(3):
        with socket.create_connection(server.sockets[0].getsockname()) as sock:
            sock.sendall(b"plaintext before the handshake")
            sock.shutdown(socket.SHUT_WR)
            sock.setblocking(False)
            run_until(loop, lambda sock=sock: no_longer_open(sock))
    server.close()
    loop.run_until_complete(server.wait_closed())
    settle(loop)
    assert len(made) == 3 and [protocol.events for protocol in made] == [[], [], []]


def no_longer_open(sock):
    try:
        return sock.recv(65536) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_tls6_plaintext_and_the_end_before_the_handshake(loop, context, side):
    protocol = Recorder()
    with begun(loop, "tcp", side, lambda: protocol, context) as (task, sock):
        sock.sendall(b"plaintext")
        sock.shutdown(socket.SHUT_WR)
        run_until(loop, task.done)
        assert isinstance(task.exception(), (ssl.SSLError, ConnectionResetError))
        assert protocol.events == []


def test_tls3_half_done_handshakes_give_everything_back(loop, certificates):
    """The descriptors are counted by the conftest."""
    near, _ = contexts(certificates, "server")
    made = []
    server = loop.run_until_complete(
        loop.create_server(
            lambda: made.append(Recorder()) or made[-1],
            "127.0.0.1",
            0,
            ssl=near,
            ssl_handshake_timeout=0.2,
        )
    )
    address = server.sockets[0].getsockname()
    socks = [socket.create_connection(address) for _ in range(50)]
    for sock in socks[::2]:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    for sock in socks:
        sock.setblocking(False)
        run_until(loop, lambda sock=sock: no_longer_open(sock))
        sock.close()
    server.close()
    loop.run_until_complete(server.wait_closed())
    settle(loop)
    assert len(made) == 50 and all(protocol.events == [] for protocol in made)


@pytest.mark.parametrize("far_along", [False, True])
def test_tls14_cancelled_in_the_handshake(
    loop, certificates, context, stream_kind, side, far_along
):
    protocol = Recorder()
    with begun(loop, stream_kind, side, lambda: protocol, context) as (task, sock):
        settle(loop)
        if far_along:
            send_half(loop, Peer(sock, contexts(certificates, side)[1], server=side == "client"))
        task.cancel()
        run_until(loop, task.done)
        assert task.cancelled()
        settle(loop)
        assert at_its_end(sock) and protocol.events == []


def test_tls14_wait_for_bounds_a_handshake(loop, context, stream_kind, side):
    async def main(task):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(task, SHORT)

    with begun(loop, stream_kind, side, Recorder, context) as (task, sock):
        loop.run_until_complete(main(task))
        assert at_its_end(sock)


def test_the_loop_may_end_in_the_middle(loop, context, side):
    with begun(loop, "tcp", side, Recorder, context) as (task, _):
        settle(loop)
        assert not task.done()


def test_a_handshake_that_fails_leaves_the_loop_usable(loop, certificates, context, side):
    other = certificates.server("wrong") if side == "client" else certificates.client()
    with begun(loop, "tcp", side, Recorder, context) as (task, sock):
        if side == "server":
            sock.sendall(b"junk" * 10)
            run_until(loop, task.done)
            assert task.exception()
        else:
            assert failure(loop, task, Peer(sock, other, server=True))
    assert_usable(loop)
