# SPDX-License-Identifier: MIT
"""create_datagram_endpoint: every parameter, and asyncio's checks of them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket

import pytest

from tests.datagrams import Datagrams, close_all, endpoint
from tests.loops import open_descriptors
from tests.tools import PY, run, run_until, settle, steady

LOOPBACK = ("127.0.0.1", 0)


def test_bound_to_an_address(loop):
    transport, protocol = endpoint(loop, local_addr=LOOPBACK)
    assert protocol.events == ["made"]
    assert protocol.transport is transport
    assert transport.get_extra_info("sockname")[0] == "127.0.0.1"
    assert transport.get_extra_info("peername") is None
    assert transport.get_extra_info("socket").type == socket.SOCK_DGRAM
    assert transport.get_extra_info("nothing", 7) == 7
    close_all(loop, transport)
    assert protocol.events == ["made", ("lost", None)]


def test_connected_to_an_address(loop):
    far, _ = endpoint(loop, local_addr=LOOPBACK)
    near, _ = endpoint(loop, remote_addr=far.get_extra_info("sockname"))
    assert near.get_extra_info("peername") == far.get_extra_info("sockname")
    close_all(loop, near, far)


def test_bound_and_connected(loop):
    far, received = endpoint(loop, local_addr=LOOPBACK)
    near, _ = endpoint(loop, local_addr=LOOPBACK, remote_addr=far.get_extra_info("sockname"))
    near.sendto(b"x")
    run_until(loop, lambda: received.data)
    assert received.data == [(b"x", near.get_extra_info("sockname"))]
    close_all(loop, near, far)


def test_a_name_is_looked_up(loop):
    transport, _ = endpoint(loop, local_addr=("localhost", 0), family=socket.AF_INET)
    assert transport.get_extra_info("sockname")[0] == "127.0.0.1"
    close_all(loop, transport)


def test_a_family_alone(loop):
    transport, _ = endpoint(loop, family=socket.AF_INET)
    assert transport.get_extra_info("socket").family == socket.AF_INET
    close_all(loop, transport)


def test_ipv6(loop):
    far, received = endpoint(loop, local_addr=("::1", 0))
    name = far.get_extra_info("sockname")
    assert len(name) == 4
    near, _ = endpoint(loop, remote_addr=name[:2])
    near.sendto(b"six")
    run_until(loop, lambda: received.data)
    assert received.data == [(b"six", near.get_extra_info("sockname"))]
    close_all(loop, near, far)


@pytest.fixture
def link_local():
    """(address, interface, its number) of one that exists on one link only, if there is any."""
    with contextlib.suppress(FileNotFoundError), open("/proc/net/if_inet6") as lines:
        for line in lines:
            digits, number, _, scope, flags, interface = line.split()
            if scope == "20" and not int(flags, 16) & 0x48:  # neither refused nor not yet tried
                address = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits))
                return address, interface, int(number, 16)
    # No other address has a scope, and giving one to an interface would change the machine.
    pytest.skip("no interface of this machine has an IPv6 address of its link, fe80::...")


def test_ipv6_with_its_scope(loop, link_local):
    """An address of a link says which link in every way that there is, both ways."""
    address, interface, number = link_local
    far, received = endpoint(loop, local_addr=(f"{address}%{interface}", 0))
    port = far.get_extra_info("sockname")[1]
    assert far.get_extra_info("sockname") == (address, port, 0, number)
    near, answered = endpoint(loop, remote_addr=(f"{address}%{interface}", port))
    assert near.get_extra_info("peername") == (address, port, 0, number)
    near.sendto(b"connected")
    free, _ = endpoint(loop, local_addr=("::", 0))
    ways = [
        (address, port, 0, number),
        (f"{address}%{interface}", port),
        (f"{address}%{interface}", port, 0, 0),
        (f"{address}%{number}", port),
    ]
    for way in ways:
        free.sendto(repr(way).encode(), way)
    run_until(loop, lambda: len(received.data) == 1 + len(ways))
    ours, ours_free = (one.get_extra_info("sockname") for one in (near, free))
    theirs = (address, ours_free[1], 0, number)
    assert received.data[0] == (b"connected", ours)
    assert received.data[1:] == [(repr(way).encode(), theirs) for way in ways]
    far.sendto(b"answer", received.data[0][1])
    run_until(loop, lambda: answered.data)
    assert answered.data == [(b"answer", (address, port, 0, number))]
    close_all(loop, near, far, free)


def test_ipv6_of_two_links_is_that_of_the_text(loop, link_local):
    address, interface, number = link_local

    async def connect():
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as plain:
            plain.setblocking(False)
            await loop.sock_connect(plain, (f"{address}%{interface}", 9, 0, number + 1_000_000))
            return plain.getpeername()

    assert run(loop, connect()) == (address, 9, 0, number)


def test_ipv6_of_a_link_that_is_not_there(loop, link_local):
    address, _, number = link_local
    nowhere = (address, 9, 0, number + 1_000_000)
    free, protocol = endpoint(loop, local_addr=("::", 0))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as plain:
        with pytest.raises(OSError) as refused:
            plain.sendto(b"?", nowhere)
    free.sendto(b"?", nowhere)
    run_until(loop, lambda: protocol.errors)
    assert [error.errno for error in protocol.errors] == [refused.value.errno]
    close_all(loop, free)


def test_ipv6_of_a_link_whose_name_nobody_knows(loop):
    """The name is looked up, and the answer reaches who sends."""
    free, protocol = endpoint(loop, local_addr=("::", 0))
    address = ("fe80::1%nonsense", 9)
    free.sendto(b"?", address)
    run_until(loop, lambda: protocol.errors)

    async def send():
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as plain:
            plain.setblocking(False)
            with pytest.raises(socket.gaierror):
                await loop.sock_sendto(plain, b"?", address)
            with pytest.raises(socket.gaierror):
                await loop.sock_connect(plain, address)

    run(loop, send())
    assert [type(error) for error in protocol.errors] == [socket.gaierror]
    close_all(loop, free)


@pytest.mark.hotloop_only(reason="the socket module's sendto() forgets what the text says")
def test_ipv6_the_link_in_the_text_is_the_one(loop, link_local):
    address, _, _ = link_local
    free, protocol = endpoint(loop, local_addr=("::", 0))
    free.sendto(b"?", (f"{address}%lo", 9))
    run_until(loop, lambda: protocol.errors)
    assert [error.errno for error in protocol.errors] == [errno.ENETUNREACH]
    close_all(loop, free)


@pytest.mark.parametrize("path", ["file", "abstract"])
def test_unix_datagrams(loop, tmp_path, path):
    far_path, near_path = str(tmp_path / "far"), str(tmp_path / "near")
    if path == "abstract":
        far_path, near_path = f"\0{os.getpid()}-far", f"\0{os.getpid()}-near"
    far, received = endpoint(loop, local_addr=far_path, family=socket.AF_UNIX)
    near, answered = endpoint(
        loop, local_addr=near_path, remote_addr=far_path, family=socket.AF_UNIX
    )
    near.sendto(b"question")
    run_until(loop, lambda: received.data)
    data, address = received.data[0]
    assert data == b"question"
    assert address == (near_path.encode() if path == "abstract" else near_path)
    far.sendto(b"answer", address)
    run_until(loop, lambda: answered.data)
    assert answered.data[0][0] == b"answer"
    close_all(loop, near, far)


def test_a_unix_sender_without_a_name(loop, tmp_path):
    far, received = endpoint(loop, local_addr=str(tmp_path / "far"), family=socket.AF_UNIX)
    near, _ = endpoint(loop, remote_addr=str(tmp_path / "far"), family=socket.AF_UNIX)
    near.sendto(b"who?")
    run_until(loop, lambda: received.data)
    assert received.data == [(b"who?", None)]
    close_all(loop, near, far)


def test_the_file_of_a_dead_socket_is_replaced(loop, tmp_path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(path)
    transport, _ = endpoint(loop, local_addr=path, family=socket.AF_UNIX)
    close_all(loop, transport)


def test_an_ordinary_file_is_not(loop, tmp_path):
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(OSError):
        endpoint(loop, local_addr=str(path), family=socket.AF_UNIX)
    assert path.read_text() == "precious"


def test_a_file_that_cannot_be_looked_at(loop, tmp_path, asyncio_log):
    path = f"{tmp_path}/file/s"
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        endpoint(loop, local_addr=path, family=socket.AF_UNIX)
    [message] = asyncio_log.messages
    assert "Unable to check or remove stale UNIX socket" in message


def test_two_endpoints_share_a_port(loop):
    first, _ = endpoint(loop, local_addr=LOOPBACK, reuse_port=True)
    second, _ = endpoint(loop, local_addr=first.get_extra_info("sockname"), reuse_port=True)
    close_all(loop, first, second)
    with contextlib.closing(socket.socket(type=socket.SOCK_DGRAM)) as taken:
        taken.bind(LOOPBACK)
        with pytest.raises(OSError, match="in use"):
            endpoint(loop, local_addr=taken.getsockname())


def test_broadcast_is_allowed_and_not_connected(loop):
    far, received = endpoint(loop, local_addr=LOOPBACK)
    name = far.get_extra_info("sockname")
    near, _ = endpoint(loop, remote_addr=name, allow_broadcast=True)
    sock = near.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST) == 1
    assert near.get_extra_info("peername") is None
    near.sendto(b"all")
    near.sendto(b"of you", name)
    run_until(loop, lambda: len(received.data) == 2)
    with pytest.raises(ValueError, match="Invalid address: must be None or"):
        near.sendto(b"x", ("127.0.0.1", 9))
    close_all(loop, near, far)


def test_a_socket_of_the_user(loop):
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.bind(LOOPBACK)
    transport, protocol = endpoint(loop, sock=sock)
    assert sock.gettimeout() == 0
    assert transport.get_extra_info("sockname") == sock.getsockname()
    transport.sendto(b"to myself", sock.getsockname())
    run_until(loop, lambda: protocol.data)
    close_all(loop, transport)
    assert sock.fileno() == -1


def test_a_connected_socket_of_the_user(loop):
    far, received = endpoint(loop, local_addr=LOOPBACK)
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.connect(far.get_extra_info("sockname"))
    near, _ = endpoint(loop, sock=sock)
    near.sendto(b"one")
    near.sendto(b"two", ("127.0.0.1", 9))  # asyncio does not look at the address here
    run_until(loop, lambda: len(received.data) == 2)
    assert [data for data, _ in received.data] == [b"one", b"two"]
    close_all(loop, near, far)


@pytest.mark.hotloop_only("asyncio ends the transport with a TypeError")
def test_a_pair_without_names(loop):
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with far:
        far.settimeout(10)
        transport, protocol = endpoint(loop, sock=near)
        transport.sendto(b"there")
        settle(loop)
        assert far.recv(100) == b"there"
        far.send(b"back")
        run_until(loop, lambda: protocol.data)
        assert protocol.data == [(b"back", None)]
        close_all(loop, transport)


def test_a_stream_socket_is_refused(loop):
    name = "datagram socket" if PY >= (3, 13) else "UDP Socket"
    with socket.socket() as sock, pytest.raises(ValueError, match=f"A {name} was expected, got"):
        endpoint(loop, sock=sock)


def test_a_socket_takes_no_modifiers(loop):
    for modifier in (
        {"local_addr": LOOPBACK},
        {"remote_addr": ("127.0.0.1", 9)},
        {"family": socket.AF_INET},
        {"proto": 17},
        {"flags": 1},
        {"reuse_port": True},
        {"allow_broadcast": True},
    ):
        [name] = modifier
        with (
            socket.socket(type=socket.SOCK_DGRAM) as sock,
            pytest.raises(ValueError, match=rf"when sock is specified\. \({name}="),
        ):
            endpoint(loop, sock=sock, **modifier)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({}, ValueError, "unexpected address family"),
        ({"local_addr": "127.0.0.1"}, TypeError, "2-tuple is expected"),
        ({"local_addr": ("127.0.0.1", 0, 0)}, TypeError, "2-tuple is expected"),
        ({"remote_addr": ["127.0.0.1", 0]}, TypeError, "2-tuple is expected"),
        ({"local_addr": ("x", 0), "family": socket.AF_UNIX}, TypeError, "string is expected"),
        (
            {"local_addr": LOOPBACK, "remote_addr": ("::1", 9)},
            ValueError,
            "can not get address information",
        ),
        ({"reuse_address": True, "local_addr": LOOPBACK}, TypeError, "unexpected keyword"),
    ],
)
def test_what_does_not_fit(loop, options, error, text):
    with pytest.raises(error, match=text):
        endpoint(loop, **options)


def test_an_address_of_another_machine(loop):
    before = steady(loop)
    with pytest.raises(OSError) as caught:
        endpoint(loop, local_addr=("192.0.2.1", 0))
    assert caught.value.errno == 99
    assert open_descriptors().keys() == before.keys()


def test_a_factory_that_fails(loop):
    def factory():
        raise LookupError("no protocol")

    with pytest.raises(LookupError):
        run(loop, loop.create_datagram_endpoint(factory, local_addr=LOOPBACK))


def test_connection_made_that_fails(loop, reports):
    class Failing(Datagrams):
        def connection_made(self, transport):
            super().connection_made(transport)
            raise LookupError("not made")

    transport, _ = endpoint(loop, Failing(), local_addr=LOOPBACK)
    assert [type(report["exception"]) for report in reports] == [LookupError]
    transport.sendto(b"still alive", transport.get_extra_info("sockname"))
    run_until(loop, lambda: transport.get_protocol().data)
    close_all(loop, transport)


def test_cancelled_before_it_is_made(loop):
    protocol = Datagrams()

    async def main():
        task = loop.create_task(
            loop.create_datagram_endpoint(lambda: protocol, local_addr=LOOPBACK)
        )
        while protocol.transport is None and not task.done():
            await asyncio.sleep(0)
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            transport, _ = await task
            transport.close()

    run(loop, main())
    settle(loop)


def test_debug_mode_tells_of_it(loop, caplog):
    loop.set_debug(True)
    with caplog.at_level(logging.DEBUG, logger="asyncio"):
        near, _ = endpoint(loop, local_addr=LOOPBACK)
        far, _ = endpoint(loop, remote_addr=near.get_extra_info("sockname"))
    texts = [record.getMessage() for record in caplog.records]
    assert any(text.startswith("Datagram endpoint local_addr=('127.0.0.1', 0)") for text in texts)
    assert any(text.startswith("Datagram endpoint remote_addr=('127.0.0.1',") for text in texts)
    close_all(loop, near, far)


def test_it_is_what_programs_look_for(loop):
    transport, protocol = endpoint(loop, local_addr=LOOPBACK)
    assert isinstance(transport, asyncio.Transport)
    if PY >= (3, 12):  # in 3.11 asyncio's own is not
        assert isinstance(transport, asyncio.DatagramTransport)
    assert transport._sock_fd == transport.get_extra_info("socket").fileno()
    assert transport._loop is loop
    assert transport._protocol is protocol
    assert transport._address is None
    assert transport._buffer_size == 0
    assert not transport._closing
    assert "read=polling write=<idle, bufsize=0>" in repr(transport)
    transport.anything = 1
    close_all(loop, transport)
    assert "closed" in repr(transport)
