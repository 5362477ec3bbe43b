# SPDX-License-Identifier: MIT
"""Make and drop many of each kind of object: its type's references and the blocks are back."""

import contextvars
import itertools

from tests.lifetimes.kit import *  # noqa: F403
from tests.lifetimes.kit import asyncio, collect, loop_of_the_kind, pair, settle, socket, sys, turns

NUMBER = 300
loop = loop_of_the_kind()
loop.run_until_complete(asyncio.sleep(0))


async def nothing():
    pass


async def wait(future):
    await future


def handles():
    for _ in range(NUMBER):
        loop.call_soon(int)
        loop.call_soon_threadsafe(int, 1, context=contextvars.Context())
    turns(loop)
    return loop.call_soon(int)


def cancelled_handles():
    for _ in range(NUMBER):
        loop.call_soon(int).cancel()
        loop.call_later(60, int).cancel()
    turns(loop)
    return loop.call_soon(int)


def timers():
    for _ in range(NUMBER):
        loop.call_later(0, int)
        loop.call_at(0, int)
    loop.run_until_complete(asyncio.sleep(0.001))
    return loop.call_later(0, int)


def futures():
    for number in range(NUMBER):
        future = loop.create_future()
        future.add_done_callback(id)
        future.add_done_callback(id)
        if number % 3 == 0:
            future.set_result(None)
        elif number % 3 == 1:
            future.cancel()
        future = loop.create_future()
        future.set_exception(ValueError())
        future.exception()
    turns(loop)
    return loop.create_future()


def tasks():
    async def main():
        for _ in range(NUMBER):
            await asyncio.create_task(nothing())
            future = loop.create_future()
            task = asyncio.create_task(wait(future))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])

    loop.run_until_complete(main())
    return loop.create_task(nothing())


def future_iterators():
    for _ in range(NUMBER):
        future = loop.create_future()
        iterator = iter(future)
        next(iterator)
        iterator.close()
    return iter(loop.create_future())


def streams(kind):
    def make():
        for number in range(60):
            transport, protocol, far = pair(loop, kind=kind)
            far.send(b"x")
            transport.write(b"y" * 1000)
            transport.get_extra_info("socket")
            turns(loop)
            transport.close() if number % 2 else transport.abort()
            far.close()
            settle(loop)
            assert protocol.lost
            protocol.transport = None
        return transport

    return make


def datagram_endpoints():
    for number in range(60):
        options = {"local_addr": ("127.0.0.1", 0)}
        transport, _ = loop.run_until_complete(
            loop.create_datagram_endpoint(asyncio.DatagramProtocol, **options)
        )
        name = transport.get_extra_info("sockname")
        transport.sendto(b"x" * 600, name)
        transport.sendto(b"y", (str(name[0]), int(name[1])))
        if number % 3 == 0:
            transport.pause_reading()
        turns(loop)
        transport.sendto(b"z", name)
        transport.close() if number % 2 else transport.abort()
        settle(loop)
    return transport


def servers():
    for _ in range(60):
        server = loop.run_until_complete(loop.create_server(asyncio.Protocol, "127.0.0.1", 0))
        client = socket.create_connection(server.sockets[0].getsockname())
        settle(loop)
        client.close()
        settle(loop)
        server.close()
        loop.run_until_complete(server.wait_closed())
    settle(loop)
    return server


def watched():
    near, far = socket.socketpair()
    near.setblocking(False)
    for _ in range(NUMBER):
        loop.add_reader(near, int)
        loop.add_writer(near, int)
        loop.remove_reader(near)
        loop.remove_writer(near)
    for _ in range(30):
        task = loop.create_task(loop.sock_recv(near, 1))
        turns(loop)
        far.send(b"x")
        loop.run_until_complete(task)
    near.close()
    far.close()
    settle(loop)
    return loop.call_soon(int)


def names():
    for _ in range(60):
        loop.run_until_complete(loop.getaddrinfo("127.0.0.1", 80))
        loop.run_until_complete(loop.getaddrinfo("localhost", 80))
        loop.run_until_complete(loop.getnameinfo(("127.0.0.1", 80), 1))
    return loop.create_future()


def loops():
    for _ in range(60):
        one = loop_of_the_kind()
        one.call_soon(int)
        one.call_later(60, int)
        one.run_until_complete(nothing())
        one.close()
    return one


async def rest():
    """Each time that the loop sleeps it gives back some of what a burst has left with it."""
    for _ in range(40):
        await asyncio.sleep(0.0001)


MAKERS = [
    handles,
    cancelled_handles,
    timers,
    futures,
    tasks,
    future_iterators,
    streams("tcp"),
    streams("unix"),
    datagram_endpoints,
    servers,
    watched,
    names,
    loops,
]

for make in MAKERS:
    blocks, references = [], []
    for _ in range(8):
        kept = make()
        kind = type(kept)
        kept = None
        loop.run_until_complete(rest())
        collect()
        references.append(sys.getrefcount(kind))
        blocks.append(sys.getallocatedblocks())
    name = getattr(make, "__qualname__", str(make))
    # The first rounds fill free lists; what still grows in each of the last five is a leak.
    grown = [after - before for before, after in itertools.pairwise(references[2:])]
    assert not all(step > 0 for step in grown), f"{name}: {kind} has {references} references"
    grown = [after - before for before, after in itertools.pairwise(blocks[2:])]
    assert not all(step > 55 for step in grown), f"{name}: {blocks} blocks"
loop.run_until_complete(loop.shutdown_default_executor())
loop.close()
print("fine")
