# SPDX-License-Identifier: MIT
"""N1, N2, N8: resets while idle, reading, writing; floods of connect and close."""

import asyncio
import contextlib
import socket
import threading

import pytest

from tests.tools import Recorder, connected, receive_exactly, reset, run, run_until, settle


def test_n1_reset_while_idle(loop):
    with connected(loop, "tcp") as (_, protocol, peer):
        reset(peer)
        run_until(loop, lambda: protocol.lost)
        assert protocol.names == ["made", "lost"]
        assert isinstance(protocol.error, ConnectionResetError)


def test_n1_reset_with_data_unread_delivers_the_data_or_the_error(loop):
    with connected(loop, "tcp") as (_, protocol, peer):
        peer.sendall(b"last words")
        reset(peer)
        run_until(loop, lambda: protocol.lost)
        assert protocol.names.count("lost") == 1
        assert isinstance(protocol.error, ConnectionResetError)


def test_n1_reset_while_we_write(loop):
    with connected(loop, "tcp") as (transport, protocol, peer):
        transport.write(b"x" * 5_000_000)
        peer.recv(1000)
        reset(peer)
        run_until(loop, lambda: protocol.lost)
        assert isinstance(protocol.error, (ConnectionResetError, BrokenPipeError))
        assert protocol.names.count("lost") == 1
        assert transport.get_write_buffer_size() == 0


def test_n1_a_peer_that_closed_while_we_write(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        transport.pause_reading()
        peer.close()

        async def main():
            for _ in range(200):
                transport.write(b"x" * 10_000)
                if protocol.lost:
                    return
                await asyncio.sleep(0.001)

        run(loop, main())
        assert isinstance(protocol.error, (BrokenPipeError, ConnectionResetError))


def test_n1_write_itself_never_raises(loop, stream_kind, asyncio_log):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        peer.close()
        for _ in range(20):
            transport.write(b"x" * 1000)
        run_until(loop, lambda: protocol.lost)


def test_n2_a_client_that_is_gone_before_we_look(loop):
    """Accepted sockets that are reset already; the next client is served."""
    made = []

    class Server(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            made.append(transport.get_extra_info("peername"))

    server = run(loop, loop.create_server(Server, "127.0.0.1", 0))
    address = server.sockets[0].getsockname()
    for _ in range(10):
        reset(socket.create_connection(address))
    with socket.create_connection(address) as client:
        run_until(loop, lambda: client.getsockname() in made)
    settle(loop)
    run_until(loop, lambda: not _active(server))
    server.close()
    run(loop, server.wait_closed())


def _active(server):
    return getattr(server, "_active_count", 0) or len(getattr(server, "_clients", ()))


def test_n8_a_flood_of_connects_and_closes(loop):
    lost = []

    class Server(Recorder):
        def connection_lost(self, exc):
            lost.append(exc)

    server = run(loop, loop.create_server(Server, "127.0.0.1", 0, backlog=512))
    address = server.sockets[0].getsockname()
    number = 500

    def flood():
        for index in range(number):
            client = socket.create_connection(address)
            reset(client) if index % 2 else client.close()

    thread = threading.Thread(target=flood)
    thread.start()
    run_until(loop, lambda: len(lost) == number)
    thread.join()
    server.close()
    run(loop, server.wait_closed())


def test_n9_many_connections_become_readable_at_once(loop):
    served = []

    class Server(Recorder):
        def data_received(self, data):
            served.append(data)
            self.transport.write(data)
            self.transport.close()

    server = run(loop, loop.create_server(Server, "127.0.0.1", 0, backlog=512))
    address = server.sockets[0].getsockname()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(address)) for _ in range(300)]
        settle(loop)
        for number, client in enumerate(clients):
            client.sendall(b"%05d" % number)
        ticks = []

        def tick():
            ticks.append(loop.time())
            ticker[0] = loop.call_later(0.001, tick)

        ticker = [loop.call_later(0.001, tick)]
        run_until(loop, lambda: len(served) == 300)
        ticker[0].cancel()
        for number, client in enumerate(clients):
            client.settimeout(20)
            assert receive_exactly(client, 5) == b"%05d" % number
    run_until(loop, lambda: not _active(server))
    server.close()
    run(loop, server.wait_closed())


def test_n10_one_flooding_peer_does_not_starve_another(loop):
    with (
        connected(loop, "tcp") as (_, flooded, flooder),
        connected(loop, "tcp") as (_, other, quiet),
    ):
        stop = threading.Event()

        def flood():
            with contextlib.suppress(OSError):
                while not stop.is_set():
                    flooder.sendall(b"x" * 262_144)

        thread = threading.Thread(target=flood)
        thread.start()
        run_until(loop, lambda: len(flooded.data) > 1_000_000)
        quiet.sendall(b"me too")
        before = flooded.names.count("data")
        run_until(loop, lambda: other.data == b"me too")
        between = flooded.names.count("data") - before
        stop.set()
        flooded.transport.abort()
        run_until(loop, lambda: flooded.lost)
        thread.join()
        assert between < 1000


def test_n5_a_thousand_idle_connections_are_not_in_the_way(loop):
    """The loop's own work per connection that does nothing is nothing."""
    made = []

    class Server(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            made.append(self)

        def data_received(self, data):
            self.transport.write(data)

    server = run(loop, loop.create_server(Server, "127.0.0.1", 0, backlog=1024))
    address = server.sockets[0].getsockname()
    with contextlib.ExitStack() as stack:
        for _ in range(400):
            stack.enter_context(socket.create_connection(address))
        run_until(loop, lambda: len(made) == 400)
        client = stack.enter_context(socket.create_connection(address))
        client.setblocking(False)

        async def ping():
            for number in range(50):
                await loop.sock_sendall(client, b"%03d" % number)
                assert await loop.sock_recv(client, 10) == b"%03d" % number

        run(loop, ping())
    run_until(loop, lambda: all(protocol.lost for protocol in made))
    server.close()
    run(loop, server.wait_closed())


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_a_server_that_aborts_its_clients(loop, size):
    class Server(Recorder):
        def connection_made(self, transport):
            transport.write(b"x" * size)
            transport.abort()

    async def main():
        server = await loop.create_server(Server, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        for _ in range(20):
            _, protocol = await loop.create_connection(Recorder, *address)
            while not protocol.lost:
                await asyncio.sleep(0)
            assert protocol.names[0] == "made" and protocol.names[-1] == "lost"
        server.close()
        await server.wait_closed()

    run(loop, main())


@pytest.mark.parametrize("debug", [False, True])
def test_a_reset_is_logged_in_debug_mode_only(loop, caplog, debug):
    """It is no error of the program's: at level DEBUG, with the exception, and no report."""
    caplog.set_level("DEBUG", logger="asyncio")
    loop.set_debug(debug)
    contexts = []
    loop.set_exception_handler(lambda _, context: contexts.append(context))
    with connected(loop, "tcp") as (_, protocol, far):
        reset(far)
        run_until(loop, lambda: protocol.lost)
    told = [record for record in caplog.records if record.exc_info]
    assert [record.exc_info[0] for record in told] == [ConnectionResetError] * debug
    assert all(record.levelname == "DEBUG" for record in told)
    assert all("Fatal read error on socket transport" in record.getMessage() for record in told)
    assert isinstance(protocol.error, ConnectionResetError) and contexts == []
