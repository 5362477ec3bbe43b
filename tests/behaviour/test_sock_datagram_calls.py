# SPDX-License-Identifier: MIT
"""sock_recvfrom, sock_recvfrom_into and sock_sendto."""

from __future__ import annotations

import array
import asyncio
import socket

import pytest

from tests.tools import LIMIT, run, until


@pytest.fixture
def ours():
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


@pytest.fixture
def theirs():
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(LIMIT)
        yield sock


class Own(socket.socket):
    """Its methods must be called: it might have changed them."""


@pytest.fixture
def own():
    with Own(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


def receives(loop, sock, sender, call):
    """Once with a datagram that is there, once with one that comes later."""

    async def main():
        sender.sendto(b"there", sock.getsockname())
        first = await call(sock)
        task = loop.create_task(call(sock))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not task.done()
        sender.sendto(b"later", sock.getsockname())
        return first, await task

    return run(loop, main())


@pytest.mark.parametrize("which", ["ours", "own"])
def test_recvfrom(loop, theirs, which, request):
    sock, name = request.getfixturevalue(which), theirs.getsockname()
    found = receives(loop, sock, theirs, lambda sock: loop.sock_recvfrom(sock, 100))
    assert found == ((b"there", name), (b"later", name))


@pytest.mark.parametrize("which", ["ours", "own"])
def test_recvfrom_into(loop, theirs, which, request):
    sock, name = request.getfixturevalue(which), theirs.getsockname()
    buffer = bytearray(10)
    found = receives(loop, sock, theirs, lambda sock: loop.sock_recvfrom_into(sock, buffer))
    assert found == ((5, name), (5, name))
    assert buffer == b"later\0\0\0\0\0"


@pytest.mark.parametrize("which", ["ours", "own"])
def test_sendto(loop, theirs, which, request):
    sock = request.getfixturevalue(which)
    for data in (b"bytes", bytearray(b"bytes"), memoryview(b"bytes"), array.array("b", b"bytes")):
        assert run(loop, loop.sock_sendto(sock, data, theirs.getsockname())) == 5
        assert theirs.recvfrom(100) == (b"bytes", sock.getsockname())


def test_an_empty_datagram_is_a_result(loop, ours, theirs):
    assert run(loop, loop.sock_sendto(ours, b"", theirs.getsockname())) == 0
    data, address = theirs.recvfrom(100)
    assert data == b""
    theirs.sendto(b"", address)
    assert run(loop, loop.sock_recvfrom(ours, 100)) == (b"", theirs.getsockname())


def test_a_long_datagram_is_cut(loop, ours, theirs):
    for _ in range(3):
        theirs.sendto(b"0123456789", ours.getsockname())
    assert run(loop, loop.sock_recvfrom(ours, 4))[0] == b"0123"
    buffer = bytearray(8)
    assert run(loop, loop.sock_recvfrom_into(ours, buffer, 3))[0] == 3
    assert buffer == b"012" + bytes(5)
    assert run(loop, loop.sock_recvfrom_into(ours, buffer))[0] == 8


@pytest.mark.parametrize("size", [65507, 1 << 20])
def test_a_large_one(loop, ours, theirs, size):
    theirs.sendto(b"x" * 65507, ours.getsockname())
    data, _ = run(loop, loop.sock_recvfrom(ours, size))
    assert data == b"x" * 65507


def test_a_host_that_is_a_name(loop, ours, theirs):
    address = ("localhost", theirs.getsockname()[1])
    assert run(loop, loop.sock_sendto(ours, b"x", address)) == 1
    assert theirs.recv(10) == b"x"


def test_unix_datagrams(loop, tmp_path):
    path = str(tmp_path / "s")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as near,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as far,
    ):
        far.bind(path)
        near.setblocking(False)
        far.setblocking(False)
        assert run(loop, loop.sock_sendto(near, b"u", path)) == 1
        assert run(loop, loop.sock_recvfrom(far, 10)) == (b"u", None)


def test_sendto_waits_for_room(loop, tmp_path):
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = str(tmp_path / "far")
    with near, far, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(path)
        near.connect(path)
        near.setblocking(False)
        count = 0
        with pytest.raises(BlockingIOError):
            while True:
                near.send(b"x")
                count += 1

        async def main():
            task = loop.create_task(loop.sock_sendto(near, b"last", path))
            await asyncio.sleep(0)
            assert not task.done()
            for _ in range(count):
                bound.recv(10)
            return await task

        assert run(loop, main()) == 4
        assert bound.recv(10) == b"last"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda loop, sock: loop.sock_recvfrom(sock, -1), ValueError),
        (lambda loop, sock: loop.sock_recvfrom(sock, "1"), TypeError),
        (lambda loop, sock: loop.sock_recvfrom_into(sock, b"fixed"), TypeError),
        (lambda loop, sock: loop.sock_recvfrom_into(sock, bytearray(2), 3), ValueError),
        (lambda loop, sock: loop.sock_recvfrom_into(sock, bytearray(2), -1), ValueError),
        (lambda loop, sock: loop.sock_recvfrom_into(sock, 7), TypeError),
        (lambda loop, sock: loop.sock_sendto(sock, "text", ("127.0.0.1", 9)), TypeError),
        (lambda loop, sock: loop.sock_sendto(sock, b"x", None), TypeError),
        (lambda loop, sock: loop.sock_sendto(sock, b"x", ("127.0.0.1", 99_999)), OverflowError),
        (lambda loop, sock: loop.sock_sendto(sock, b"x", ("no such host", 9)), socket.gaierror),
        (lambda loop, sock: loop.sock_sendto(sock, b"x" * 70_000, ("127.0.0.1", 9)), OSError),
    ],
)
def test_wrong_arguments(loop, ours, call, error):
    async def main():
        await call(loop, ours)

    with pytest.raises(error):
        run(loop, main())


def test_a_blocking_socket_in_debug_mode(loop, theirs):
    loop.set_debug(True)
    for call in (
        lambda: loop.sock_recvfrom(theirs, 1),
        lambda: loop.sock_recvfrom_into(theirs, bytearray(1)),
        lambda: loop.sock_sendto(theirs, b"x", theirs.getsockname()),
    ):
        with pytest.raises(ValueError, match="the socket must be non-blocking"):
            run(loop, call())


def test_a_refused_port(loop, ours):
    with socket.socket(type=socket.SOCK_DGRAM) as dead:
        dead.bind(("127.0.0.1", 0))
        ours.connect(dead.getsockname())
        name = dead.getsockname()

    async def main():
        with pytest.raises(ConnectionRefusedError):
            await loop.sock_sendto(ours, b"x", name)
            await loop.sock_recvfrom(ours, 10)

    run(loop, main())


def test_a_cancelled_wait_leaves_the_datagram(loop, ours, theirs):
    async def main():
        task = loop.create_task(loop.sock_recvfrom(ours, 10))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        theirs.sendto(b"kept", ours.getsockname())
        return await loop.sock_recvfrom(ours, 10)

    assert run(loop, main())[0] == b"kept"


def test_the_descriptor_of_a_transport_is_refused(loop):
    async def main():
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )
        fd = transport.get_extra_info("socket").fileno()
        with pytest.raises(RuntimeError, match="is used by transport"):
            loop.add_reader(fd, print)
        with socket.socket(fileno=socket.dup(fd)) as twin:
            twin.setblocking(False)
            await loop.sock_sendto(twin, b"x", twin.getsockname())
        transport.close()
        await until(lambda: transport.get_extra_info("socket").fileno() == -1)

    run(loop, main())


@pytest.mark.parametrize("scope", [0, 1 << 32, 1 << 70, -(1 << 40)])
def test_a_scope_of_more_than_32_bits_is_cut(loop, scope):
    """As the socket module does it, whose numbers wrap around."""
    with (
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as near,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as far,
    ):
        far.bind(("::1", 0))
        far.settimeout(LIMIT)
        near.setblocking(False)
        address = ("::1", far.getsockname()[1], 0, scope)
        assert run(loop, loop.sock_sendto(near, b"hello", address)) == 5
        assert far.recv(10) == b"hello"
