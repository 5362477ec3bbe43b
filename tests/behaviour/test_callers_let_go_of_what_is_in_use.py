# SPDX-License-Identifier: MIT
"""U6, U9: Python code that C calls closes, replaces or ends just what C works on."""

import asyncio
import socket

import pytest

from tests.tools import LIMIT


@pytest.mark.hotloop_only("asyncio's transport cannot attach itself any more")
def test_s7_a_factory_closes_the_server_that_calls_it(loop):
    names = []

    class OneShot(asyncio.Protocol):
        def connection_made(self, transport):
            names.append(transport.get_extra_info("sockname"))
            transport.close()

    async def main():
        def factory():
            server.close()
            return OneShot()

        server = await loop.create_server(factory, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*address)
        assert await asyncio.wait_for(reader.read(), LIMIT) == b""
        writer.close()
        assert names == [address]

    loop.run_until_complete(main())


@pytest.mark.hotloop_only("asyncio looks a method up at each call, and holds nothing either")
def test_u9_a_protocol_is_replaced_while_its_method_is_looked_up(loop):
    class Fickle:
        def connection_made(self, _):
            pass

        def __getattribute__(self, name):
            if name == "data_received":
                if transports:
                    transports[0].set_protocol(last)
                raise AttributeError
            return object.__getattribute__(self, name)

        def __getattr__(self, name):
            looked_up.append((name, self.__class__))
            raise AttributeError(name)

    async def main():
        left, right = socket.socketpair()
        left.setblocking(False)
        with right:
            transport, _ = await loop.create_connection(Fickle, sock=left)
            del _
            transports.append(transport)
            right.send(b"x")
            await asyncio.wait_for(ended, LIMIT)

    class Last(asyncio.Protocol):
        def connection_lost(self, _):
            ended.set_result(None)

    transports, looked_up = [], []
    last = Last()
    ended = loop.create_future()
    loop.set_exception_handler(lambda *_: None)
    loop.run_until_complete(main())
    assert looked_up[-1] == ("data_received", Fickle)


@pytest.mark.hotloop_only("_getaddrinfo() is ours")
def test_u6_an_argument_closes_the_loop(new_loop):
    class Number:
        def __index__(self):
            loop.close()
            return 0

    loop = new_loop()
    with pytest.raises(RuntimeError, match="closed"):
        loop._getaddrinfo("name.invalid", 80, Number(), 0, 0, 0)


@pytest.mark.hotloop_only("the wake-up is called by hand")
def test_u6_a_task_is_woken_inside_its_own_step(loop):
    async def main():
        future = loop.create_future()
        wakeups = []

        def take():
            wakeups.append(future._callbacks[0][0])
            future.set_result(1)

        loop.call_soon(take)
        await future
        wakeups[0](future)
        return 5

    loop.set_exception_handler(lambda *_: None)
    # From 3.14 on the interpreter refuses to enter a task inside another one first.
    told = "already executing|Cannot enter into task"
    with pytest.raises((ValueError, RuntimeError), match=told):
        loop.run_until_complete(asyncio.wait_for(loop.create_task(main()), LIMIT))


def test_keywords_must_be_strings(loop):
    future = loop.create_future()
    with pytest.raises(TypeError):
        type(future)(**{1: 2})


def test_a_host_with_a_null_in_it_is_no_address(loop):
    with socket.socket() as sock:
        sock.setblocking(False)
        with pytest.raises(ValueError, match="null"):
            loop.run_until_complete(loop.sock_connect(sock, ("127.0.0.1\0.example", 9)))
