# SPDX-License-Identifier: MIT
"""ssl=, server_hostname= and the timeouts: asyncio's exceptions, its words (A24, A25)."""

import socket

import pytest

from tests.certificates import NAME
from tests.tls import Peer, begun, contexts
from tests.tools import PY, Recorder, run, run_until, settle

HOST = ("127.0.0.1", 1)  # nobody is there: what is checked first never gets so far


def refused(loop, error, match, call):
    with pytest.raises(error, match=match):
        run(loop, call)
    settle(loop)


@pytest.fixture
def client(certificates):
    return certificates.client()


def test_a_server_needs_a_context(loop):
    refused(
        loop,
        TypeError,
        "ssl argument must be an SSLContext or None",
        loop.create_server(Recorder, "127.0.0.1", 0, ssl=True),
    )
    near, far = socket.socketpair()
    with far, near:
        refused(
            loop,
            ValueError,
            "Server side SSL needs a valid SSLContext",
            loop.connect_accepted_socket(Recorder, near, ssl=True),
        )


def test_server_hostname_without_ssl(loop):
    refused(
        loop,
        ValueError,
        "server_hostname is only meaningful with ssl",
        loop.create_connection(Recorder, *HOST, server_hostname=NAME),
    )


def test_a_socket_with_ssl_needs_a_name(loop, client):
    near, far = socket.socketpair()
    with near, far:
        refused(
            loop,
            ValueError,
            "You must set server_hostname when using ssl without a host",
            loop.create_connection(Recorder, sock=near, ssl=client),
        )


def test_a_unix_path_with_ssl_needs_a_name(loop, client):
    refused(
        loop,
        ValueError,
        "you have to pass server_hostname when using ssl",
        loop.create_unix_connection(Recorder, "/nowhere", ssl=client),
    )


def test_a_unix_path_without_ssl_takes_no_name(loop):
    refused(
        loop,
        ValueError,
        "server_hostname is only meaningful with ssl",
        loop.create_unix_connection(Recorder, "/nowhere", server_hostname=NAME),
    )


@pytest.mark.parametrize("name", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
def test_timeouts_without_ssl(loop, name):
    text = f"{name} is only meaningful with ssl"
    option = {name: 1.0}
    refused(loop, ValueError, text, loop.create_connection(Recorder, *HOST, **option))
    refused(loop, ValueError, text, loop.create_server(Recorder, "127.0.0.1", 0, **option))
    refused(loop, ValueError, text, loop.create_unix_connection(Recorder, "/nowhere", **option))
    refused(loop, ValueError, text, loop.create_unix_server(Recorder, "/nowhere/s", **option))
    near, far = socket.socketpair()
    with near, far:
        refused(loop, ValueError, text, loop.connect_accepted_socket(Recorder, near, **option))


@pytest.mark.parametrize("name", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
@pytest.mark.parametrize("value", [0, -1, -0.5])
def test_a25_timeouts_are_positive(loop, certificates, name, value):
    near, far = socket.socketpair()
    near.setblocking(False)
    with far, near:
        refused(
            loop,
            ValueError,
            f"{name} should be a positive number, got {value}",
            loop.create_connection(
                Recorder,
                sock=near,
                ssl=certificates.client(),
                server_hostname=NAME,
                **{name: value},
            ),
        )


@pytest.mark.parametrize("wrong", ["context", 42, object()])
def test_junk_for_a_context(loop, wrong):
    near, far = socket.socketpair()
    near.setblocking(False)
    with far, near:
        opening = loop.create_connection(Recorder, sock=near, ssl=wrong, server_hostname=NAME)
        with pytest.raises((TypeError, AttributeError)):
            run(loop, opening)
    settle(loop)


@pytest.mark.filterwarnings("ignore:check_hostname requires server_hostname:DeprecationWarning")
def test_an_empty_name_is_not_checked(loop, certificates):
    context, _ = contexts(certificates, "client")
    server = certificates.server("wrong")
    with begun(loop, "tcp", "client", Recorder, context, server_hostname="") as (task, sock):
        peer = Peer(sock, server, server=True)
        run_until(loop, lambda: peer.step() and task.done())
        if PY >= (3, 13) and task.exception() is not None:  # newer ssl modules want a name
            assert str(task.exception()) == "check_hostname requires server_hostname"
            return
        transport, _ = task.result()
        assert transport.get_extra_info("ssl_object").server_hostname is None
        transport.abort()
