# SPDX-License-Identifier: MIT
"""create_server: its options and its errors (A23), and what a Server promises."""

import asyncio
import errno
import socket

import pytest

from tests.loops import open_descriptors
from tests.tools import PY, Recorder, assert_usable, run, run_until, settle, steady


def started(loop, factory=Recorder, host="127.0.0.1", port=0, **options):
    return run(loop, loop.create_server(factory, host, port, **options))


def finish(loop, server):
    server.close()
    run(loop, server.wait_closed())
    settle(loop)


def test_it_serves_until_closed(loop):
    server = started(loop)
    address = server.sockets[0].getsockname()
    assert server.is_serving()
    socket.create_connection(address).close()
    server.close()
    assert not server.is_serving() and server.sockets == ()
    settle(loop)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    run(loop, server.wait_closed())


def test_sockets_are_a_tuple_of_transport_sockets(loop):
    server = started(loop)
    assert isinstance(server.sockets, tuple)
    assert isinstance(server.sockets[0], asyncio.trsock.TransportSocket)
    assert server.get_loop() is loop
    assert repr(server).startswith("<Server sockets=(")
    finish(loop, server)


def test_start_serving_false(loop):
    server = started(loop, start_serving=False)
    assert not server.is_serving()
    address = server.sockets[0].getsockname()
    run(loop, server.start_serving())
    assert server.is_serving()
    run(loop, server.start_serving())
    socket.create_connection(address).close()
    finish(loop, server)


def test_several_hosts(loop):
    server = started(loop, host=["127.0.0.1", "127.0.0.2"], port=0)
    hosts = {sock.getsockname()[0] for sock in server.sockets}
    assert hosts == {"127.0.0.1", "127.0.0.2"}
    for sock in server.sockets:
        socket.create_connection(sock.getsockname()).close()
    finish(loop, server)


@pytest.mark.parametrize("host", [None, ""])
def test_all_interfaces(loop, host):
    server = started(loop, host=host)
    families = {sock.family for sock in server.sockets}
    assert socket.AF_INET in families
    finish(loop, server)


def test_ipv6_sockets_are_ipv6_only(loop):
    try:
        server = started(loop, host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    (sock,) = server.sockets
    assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    finish(loop, server)


def test_a_bound_socket_is_taken_over(loop):
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    address = sock.getsockname()
    server = started(loop, host=None, port=None, sock=sock)
    socket.create_connection(address).close()
    finish(loop, server)
    assert sock.fileno() == -1
    sock.close()


def test_reuse_address_is_the_default_and_reuse_port_is_not(loop):
    server = started(loop)
    (sock,) = server.sockets
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
    finish(loop, server)
    server = started(loop, reuse_port=True, reuse_address=False)
    (sock,) = server.sockets
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
    assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    other = started(loop, port=sock.getsockname()[1], reuse_port=True)
    finish(loop, other)
    finish(loop, server)


@pytest.mark.skipif(PY < (3, 13), reason="keep_alive came with 3.13")
def test_keep_alive(loop):
    server = started(loop, keep_alive=True)
    assert server.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    finish(loop, server)


def test_a23_the_address_is_in_use(loop):
    before = steady(loop)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host, port = taken.getsockname()
        with pytest.raises(OSError) as caught:
            started(loop, host=host, port=port)
    assert caught.value.errno == errno.EADDRINUSE
    assert f"error while attempting to bind on address ('{host}', {port})" in str(caught.value)
    assert open_descriptors() == before
    assert_usable(loop)


@pytest.mark.parametrize("port", [65536, 99999, -1, 2**31])
def test_a23_a_port_out_of_range(loop, port):
    before = steady(loop)
    with pytest.raises(OverflowError):
        started(loop, port=port)
    assert open_descriptors() == before


def test_a23_a_host_that_does_not_exist(loop):
    with pytest.raises(socket.gaierror):
        started(loop, host="does.not.exist.invalid")


def test_a23_the_families_do_not_fit(loop):
    with pytest.raises(OSError):
        started(loop, host="127.0.0.1", family=socket.AF_INET6)
    assert_usable(loop)


def test_neither_host_nor_sock(loop):
    with pytest.raises(ValueError, match="Neither host/port nor sock were specified"):
        run(loop, loop.create_server(Recorder))


def test_both_host_and_sock(loop):
    with (
        socket.socket() as sock,
        pytest.raises(ValueError, match="can not be specified at the same"),
    ):
        run(loop, loop.create_server(Recorder, "127.0.0.1", 0, sock=sock))


def test_a_datagram_socket(loop):
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        with pytest.raises(ValueError, match="A Stream Socket was expected"):
            run(loop, loop.create_server(Recorder, sock=sock))


def test_ssl_must_be_a_context(loop):
    with pytest.raises(TypeError, match="ssl argument must be an SSLContext or None"):
        started(loop, ssl=True)


@pytest.mark.parametrize("name", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
def test_tls_limits_without_ssl(loop, name):
    with pytest.raises(ValueError, match=f"{name} is only meaningful with ssl"):
        started(loop, **{name: 1})


def test_async_with(loop):
    async def main():
        async with await loop.create_server(Recorder, "127.0.0.1", 0) as server:
            assert server.is_serving()
        assert not server.is_serving()

    run(loop, main())


def test_serve_forever_is_cancelled_by_close(loop):
    async def main():
        server = await loop.create_server(Recorder, "127.0.0.1", 0)
        task = asyncio.ensure_future(server.serve_forever())
        await asyncio.sleep(0)
        assert server.is_serving()
        with pytest.raises(RuntimeError, match="is already being awaited on serve_forever"):
            await server.serve_forever()
        server.close()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(loop, main())


def test_serve_forever_closes_when_it_is_cancelled(loop):
    async def main():
        server = await loop.create_server(Recorder, "127.0.0.1", 0, start_serving=False)
        task = asyncio.ensure_future(server.serve_forever())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert server.is_serving()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not server.is_serving()

    run(loop, main())


def test_serve_forever_after_close(loop):
    server = started(loop)
    server.close()
    with pytest.raises(RuntimeError, match="is closed"):
        run(loop, server.serve_forever())


def test_close_twice_and_wait_closed_twice(loop):
    server = started(loop)
    server.close()
    server.close()
    run(loop, server.wait_closed())
    run(loop, server.wait_closed())


def test_connections_live_on_after_close(loop):
    made = []

    def factory():
        made.append(Recorder())
        return made[-1]

    server = started(loop, factory)
    with socket.create_connection(server.sockets[0].getsockname()) as client:
        client.settimeout(20)
        run_until(loop, lambda: made and made[0].names)
        server.close()
        settle(loop)
        made[0].transport.write(b"still here")
        settle(loop)
        assert client.recv(100) == b"still here"
    run_until(loop, lambda: made[0].lost)


@pytest.mark.skipif(PY < (3, 12), reason="before 3.12.1 it did not wait")
def test_wait_closed_waits_for_connections(loop):
    server = started(loop)
    with socket.create_connection(server.sockets[0].getsockname()):
        settle(loop)
        server.close()

        async def main():
            waiting = asyncio.ensure_future(server.wait_closed())
            await asyncio.sleep(0.005)
            assert not waiting.done()
            return waiting

        waiting = run(loop, main())
    run_until(loop, waiting.done)


@pytest.mark.skipif(PY < (3, 13), reason="came with 3.13")
@pytest.mark.parametrize("how", ["close_clients", "abort_clients"])
def test_clients_can_be_closed_with_the_server(loop, how):
    made = []

    def factory():
        made.append(Recorder())
        return made[-1]

    server = started(loop, factory)
    clients = [socket.create_connection(server.sockets[0].getsockname()) for _ in range(5)]
    run_until(loop, lambda: len(made) == 5 and all(protocol.names for protocol in made))
    server.close()
    getattr(server, how)()
    run(loop, server.wait_closed())
    assert all(protocol.lost for protocol in made)
    for client in clients:
        client.settimeout(20)
        try:
            assert client.recv(1) == b""
        except ConnectionResetError:
            pass
        client.close()


def test_a_server_that_is_dropped_goes_on_serving(loop):
    """asyncio's loop holds the listening sockets, not the Server object."""
    import gc

    made = []

    def factory():
        made.append(Recorder())
        return made[-1]

    server = started(loop, factory)
    address = server.sockets[0].getsockname()
    gc.collect()
    with socket.create_connection(address):
        run_until(loop, lambda: made)
    run_until(loop, lambda: made[0].lost)
    finish(loop, server)


def test_closing_the_server_in_connection_made(loop):
    made = []

    class Closes(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            made.append(self)
            server.close()
            transport.close()

    server = started(loop, Closes)
    address = server.sockets[0].getsockname()
    with socket.create_connection(address):
        run_until(loop, lambda: made and made[0].lost)
    run(loop, server.wait_closed())
    assert_usable(loop)


def test_closing_the_server_in_the_factory(loop):
    seen = []

    def factory():
        server.close()
        seen.append(Recorder())
        return seen[-1]

    server = started(loop, factory)
    with socket.create_connection(server.sockets[0].getsockname()):
        run_until(loop, lambda: seen)
        settle(loop)
    run_until(loop, lambda: not seen[0].names or seen[0].lost)
    assert_usable(loop)


def test_the_factory_is_called_once_per_connection(loop):
    made = []

    def factory():
        made.append(Recorder())
        return made[-1]

    server = started(loop, factory, backlog=200)
    clients = [socket.create_connection(server.sockets[0].getsockname()) for _ in range(150)]
    run_until(loop, lambda: len(made) == 150)
    settle(loop)
    assert len(made) == 150 and len({id(protocol.transport) for protocol in made}) == 150
    for client in clients:
        client.close()
    run_until(loop, lambda: all(protocol.lost for protocol in made))
    finish(loop, server)
