# SPDX-License-Identifier: MIT
"""The life of a connection as its protocol sees it: made, data, eof, lost, in this order."""

import asyncio
import contextlib
import socket

from tests.tools import Recorder, adopt, connected, run, run_until, socket_pair


def test_made_data_eof_lost(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, peer):
        peer.sendall(b"hello")
        run_until(loop, lambda: protocol.data)
        peer.shutdown(socket.SHUT_WR)
        run_until(loop, lambda: protocol.lost)
        assert protocol.events == ["made", ("data", b"hello"), "eof", ("lost", None)]
        assert protocol.transport is transport


def test_made_has_happened_when_the_call_returns(loop, stream_kind):
    near, far = socket_pair(stream_kind)
    near.setblocking(False)
    protocol = Recorder()

    async def main():
        transport, same = await adopt(loop, protocol, near)
        assert protocol.events == ["made"] and same is protocol
        transport.close()

    with far:
        run(loop, main())
        run_until(loop, lambda: protocol.lost)


def test_data_that_waits_already_comes_after_made(loop, stream_kind):
    near, far = socket_pair(stream_kind)
    near.setblocking(False)
    far.sendall(b"early")
    protocol = Recorder()
    with far:
        transport, _ = run(loop, adopt(loop, protocol, near))
        run_until(loop, lambda: protocol.data)
        assert protocol.events == ["made", ("data", b"early")]
        transport.abort()
        run_until(loop, lambda: protocol.lost)


def test_a_server_side_connection(loop):
    made = []

    def factory():
        made.append(Recorder())
        return made[-1]

    async def main():
        server = await loop.create_server(factory, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        transport, client = await loop.create_connection(Recorder, *address)
        transport.write(b"hello")
        transport.write_eof()
        while not client.lost:
            await asyncio.sleep(0.001)
        server.close()
        await server.wait_closed()

    run(loop, main())
    (protocol,) = made
    assert protocol.names == ["made", "data", "eof", "lost"]
    assert protocol.data == b"hello"


def test_writing_in_connection_made(loop, stream_kind):
    class Greets(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.write(b"wel")
            transport.write(b"come")

    with connected(loop, stream_kind, Greets()) as (_, _, peer):
        run_until(loop, lambda: len(peer.recv(7, socket.MSG_PEEK)) == 7)
        assert peer.recv(7) == b"welcome"


def test_closing_in_connection_made(loop, stream_kind):
    for how in ("close", "abort"):

        class Leaves(Recorder):
            def connection_made(self, transport, how=how):
                super().connection_made(transport)
                transport.write(b"bye")
                getattr(transport, how)()

        with connected(loop, stream_kind, Leaves()) as (transport, protocol, peer):
            with contextlib.suppress(BrokenPipeError):
                peer.sendall(b"unread")
            run_until(loop, lambda: protocol.lost)
            assert protocol.names == ["made", "lost"] and protocol.error is None
            assert transport.is_closing()
