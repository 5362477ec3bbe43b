# SPDX-License-Identifier: MIT
"""create_connection: its options and its errors (A23, A24, N13, E12, T1)."""

import asyncio
import socket

import pytest

from tests.loops import open_descriptors
from tests.tools import PY, Recorder, assert_usable, run, run_until, settle, steady


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def close(loop, transport, protocol):
    transport.abort()
    run_until(loop, lambda: protocol.lost)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_by_name_and_by_number(loop, listener, host):
    port = listener.getsockname()[1]
    transport, protocol = run(loop, loop.create_connection(Recorder, host, port))
    assert transport.get_extra_info("peername")[1] == port
    close(loop, transport, protocol)


def test_a_port_as_text(loop, listener):
    port = str(listener.getsockname()[1])
    transport, protocol = run(loop, loop.create_connection(Recorder, "127.0.0.1", port))
    close(loop, transport, protocol)


def test_a_local_address(loop, listener):
    port = closed_port()
    transport, protocol = run(
        loop,
        loop.create_connection(Recorder, *listener.getsockname(), local_addr=("127.0.0.1", port)),
    )
    assert transport.get_extra_info("sockname") == ("127.0.0.1", port)
    close(loop, transport, protocol)


def test_e12_a_local_address_in_use(loop, listener):
    before = steady(loop)
    with pytest.raises(OSError) as caught:
        run(
            loop,
            loop.create_connection(
                Recorder, *listener.getsockname(), local_addr=listener.getsockname()
            ),
        )
    assert "attempting to bind on address" in str(caught.value)
    assert open_descriptors() == before


@pytest.mark.parametrize("options", [{"interleave": 1}, {"happy_eyeballs_delay": 0.1}])
def test_happy_eyeballs(loop, listener, options):
    port = listener.getsockname()[1]
    transport, protocol = run(loop, loop.create_connection(Recorder, "localhost", port, **options))
    assert transport.get_extra_info("peername") == ("127.0.0.1", port)
    close(loop, transport, protocol)


def test_n13_one_dead_address_before_a_live_one(loop, listener, monkeypatch):
    """The first answer of the resolver refuses; the second serves."""
    port, dead = listener.getsockname()[1], closed_port()

    async def two(host, port_, **options):
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("127.0.0.1", dead)), (*kind, ("127.0.0.1", port))]

    loop.getaddrinfo = two
    for options in ({}, {"happy_eyeballs_delay": 0.01}):
        transport, protocol = run(
            loop, loop.create_connection(Recorder, "two.example", port, **options)
        )
        assert transport.get_extra_info("peername") == ("127.0.0.1", port)
        close(loop, transport, protocol)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_n13_refused(loop, host):
    before = steady(loop)
    with pytest.raises(OSError) as caught:
        run(loop, loop.create_connection(Recorder, host, closed_port()))
    assert "refused" in str(caught.value).lower() or "Connect call failed" in str(caught.value)
    if host == "127.0.0.1":
        assert isinstance(caught.value, ConnectionRefusedError)
        assert "Connect call failed ('127.0.0.1', " in str(caught.value)
    assert open_descriptors() == before
    assert_usable(loop)


@pytest.mark.skipif(PY < (3, 12), reason="all_errors came with 3.12")
def test_all_errors(loop):
    with pytest.raises(ExceptionGroup) as caught:
        run(loop, loop.create_connection(Recorder, "127.0.0.1", closed_port(), all_errors=True))
    assert all(isinstance(error, ConnectionRefusedError) for error in caught.value.exceptions)
    assert "create_connection failed" in str(caught.value)


def test_n13_several_refusals_are_named_together(loop):
    dead = [closed_port(), closed_port()]

    async def two(host, port, **options):
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("127.0.0.1", port)) for port in dead]

    loop.getaddrinfo = two
    with pytest.raises(OSError, match=r"^Multiple exceptions: \[Errno 111\].*\[Errno 111\]"):
        run(loop, loop.create_connection(Recorder, "two.example", 1))


def test_no_addresses(loop):
    async def none(*args, **options):
        return []

    loop.getaddrinfo = none
    with pytest.raises(OSError, match=r"getaddrinfo\(\) returned empty list"):
        run(loop, loop.create_connection(Recorder, "none.example", 1))


def test_a_host_that_does_not_exist(loop):
    with pytest.raises(socket.gaierror):
        run(loop, loop.create_connection(Recorder, "does.not.exist.invalid", 80))
    assert_usable(loop)


@pytest.mark.parametrize("port", [65536, 99999, 2**31, -1])
def test_a23_a_port_out_of_range(loop, port):
    before = steady(loop)
    with pytest.raises((OverflowError, OSError)):
        run(loop, loop.create_connection(Recorder, "127.0.0.1", port))
    assert open_descriptors() == before


def test_a24_neither_host_nor_sock(loop):
    with pytest.raises(ValueError, match="host and port was not specified and no sock specified"):
        run(loop, loop.create_connection(Recorder))


def test_a24_both_host_and_sock(loop):
    with (
        socket.socket() as sock,
        pytest.raises(ValueError, match="can not be specified at the same"),
    ):
        run(loop, loop.create_connection(Recorder, "127.0.0.1", 1, sock=sock))


def test_a24_a_datagram_socket(loop):
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        with pytest.raises(ValueError, match="A Stream Socket was expected"):
            run(loop, loop.create_connection(Recorder, sock=sock))
        assert sock.fileno() >= 0


def test_a24_a_closed_socket(loop):
    sock = socket.socket()
    sock.close()
    with pytest.raises(OSError):
        run(loop, loop.create_connection(Recorder, sock=sock))
    assert_usable(loop)


def test_a24_server_hostname_without_ssl(loop):
    with pytest.raises(ValueError, match="server_hostname is only meaningful with ssl"):
        run(loop, loop.create_connection(Recorder, "127.0.0.1", 1, server_hostname="x"))


@pytest.mark.parametrize("name", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
def test_a25_tls_limits_without_ssl(loop, name):
    with pytest.raises(ValueError, match=f"{name} is only meaningful with ssl"):
        run(loop, loop.create_connection(Recorder, "127.0.0.1", 1, **{name: 1}))


def test_a24_an_unknown_option(loop):
    with pytest.raises(TypeError):
        loop.create_connection(Recorder, "127.0.0.1", 1, nonsense=1)


def test_a_connected_socket_is_taken_over(loop, listener):
    sock = socket.create_connection(listener.getsockname())
    transport, protocol = run(loop, loop.create_connection(Recorder, sock=sock))
    fd = sock.fileno()
    assert transport.get_extra_info("socket").fileno() >= 0
    close(loop, transport, protocol)
    settle(loop)
    assert sock.fileno() == -1
    assert fd not in open_descriptors()
    sock.close()


def test_a_socket_that_is_not_connected(loop):
    sock = socket.socket()
    sock.setblocking(False)
    try:
        with pytest.raises(OSError):
            _, protocol = run(loop, loop.create_connection(Recorder, sock=sock))
            run_until(loop, lambda: protocol.lost)
            raise protocol.error or OSError("ended")
    finally:
        sock.close()
    settle(loop)
    assert_usable(loop)


async def cancel_after(turns, connecting):
    """Cancel the task after so many turns; it may be through by then."""
    for _ in range(turns):
        await asyncio.sleep(0)
    connecting.cancel()
    await asyncio.wait([connecting])
    if not connecting.cancelled():
        connecting.result()[0].abort()
    await asyncio.sleep(0.002)


def test_t1_cancelled_before_it_is_connected(loop, listener):
    """T1: the descriptor is closed exactly once, so that its number can be used again safely."""
    before = steady(loop)
    address = listener.getsockname()

    async def main():
        for turns in range(6):
            task = asyncio.ensure_future(loop.create_connection(Recorder, *address))
            await cancel_after(turns, task)

    run(loop, main())
    settle(loop)
    assert open_descriptors() == before


def test_t1_cancelled_with_a_socket_of_ours(loop, listener):
    """A released loop closed the number a second time when it was someone else's by then."""
    import gc

    async def main():
        for turns in range(4):
            sock = socket.create_connection(listener.getsockname())
            sock.setblocking(False)
            task = asyncio.ensure_future(loop.create_connection(Recorder, sock=sock))
            await cancel_after(turns, task)
            sock.close()
            strangers = [socket.socketpair() for _ in range(4)]
            del task, sock
            gc.collect()
            await asyncio.sleep(0.002)
            for one, other in strangers:
                one.send(b"alive")
                assert other.recv(5) == b"alive"
                one.close()
                other.close()

    run(loop, main())


def test_n13_a_black_hole_can_be_cancelled(loop):
    """A listener whose backlog is full answers nothing more."""
    before = steady(loop)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)

        async def main():
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(loop.create_connection(Recorder, *full.getsockname()), 0.05)

        run(loop, main())
        for filler in fillers:
            filler.close()
    settle(loop)
    assert open_descriptors() == before


def test_l6_a_thousand_at_once_half_of_them_cancelled(loop):
    before = steady(loop)

    async def main():
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0, backlog=1024)
        address = server.sockets[0].getsockname()
        tasks = [
            asyncio.ensure_future(loop.create_connection(Recorder, *address)) for _ in range(400)
        ]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        for result in done:
            if isinstance(result, tuple):
                result[0].abort()
            else:
                assert isinstance(result, asyncio.CancelledError), result
        server.close()
        await asyncio.sleep(0.01)

    run(loop, main())
    run_until(loop, lambda: open_descriptors() == before)


@pytest.mark.hotloop_only("about the call by which our Python half makes a transport")
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_an_opening_that_fails_leaves_its_waiter_alone(loop, family):
    class NoSocket:
        proto = 0

        def __init__(self):
            self.family = family

        def fileno(self):
            return 99_999

    protocol, waiter = Recorder(), loop.create_future()
    with pytest.raises(OSError):
        loop._open_stream(protocol, NoSocket(), waiter=waiter)
    settle(loop)
    assert not waiter.done() and protocol.events == []
