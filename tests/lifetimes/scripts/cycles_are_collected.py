# SPDX-License-Identifier: MIT
"""G1: reference cycles through every kind of object are found by the collector."""

import contextvars
import os
import weakref

from tests.lifetimes.kit import asyncio, collect, loop_of_the_kind, pair, pipe, settle, turns


class Thing:
    """Something with a weak reference."""


def through_a_future(loop):
    thing, future = Thing(), loop.create_future()
    thing.future = future
    future.set_result(thing)
    return thing


def through_a_callback(loop):
    thing, future = Thing(), loop.create_future()
    thing.future = future
    future.add_done_callback(lambda _: thing)
    return thing


def through_an_attribute(loop):
    thing, future = Thing(), loop.create_future()
    future.thing, thing.future = thing, future
    return thing


def through_an_exception(loop):
    thing, future = Thing(), loop.create_future()
    error = ValueError(thing)
    thing.future = future
    future.set_exception(error)
    future.exception()
    return thing


def through_a_finished_task(loop):
    thing = Thing()

    async def work():
        return thing

    thing.task = loop.create_task(work())
    turns(loop, 2)
    return thing


def through_a_cancelled_handle(loop):
    thing = Thing()
    thing.handle = loop.call_later(60, lambda: thing)
    thing.handle.cancel()
    return thing


def through_a_context(loop):
    thing, variable = Thing(), contextvars.ContextVar("variable")
    context = contextvars.Context()
    context.run(variable.set, thing)
    thing.handle = loop.call_soon(int, context=context)
    turns(loop)
    return thing


def through_a_closed_transport(loop):
    transport, protocol, far = pair(loop)
    thing = Thing()
    thing.transport, protocol.thing, thing.protocol = transport, thing, protocol
    transport.abort()
    far.close()
    settle(loop)
    assert protocol.lost
    return thing


def through_closed_pipes(loop):
    thing = Thing()
    for side in ("read", "write"):
        transport, protocol, far = pipe(loop, side)
        transport.thing, protocol.thing, protocol.transport = thing, thing, transport
        setattr(thing, side, transport)
        transport.close()
        far.close()
        settle(loop)
        assert protocol.lost
    return thing


def through_the_file_of_a_closed_pipe(loop):
    class File(Thing):
        def __init__(self):
            self.ends = os.pipe()

        def fileno(self):
            return self.ends[0]

        def close(self):
            for fd in self.ends:
                os.close(fd)

    thing = File()
    opening = loop.connect_read_pipe(asyncio.Protocol, thing)
    thing.transport, _ = loop.run_until_complete(opening)
    thing.transport.close()
    settle(loop)
    return thing


def through_a_pipe_of_a_closed_loop(loop):
    import warnings

    other = loop_of_the_kind()
    thing = Thing()
    thing.transport, protocol, far = pipe(other, "write")
    protocol.thing, other.thing = thing, thing
    thing.transport.write(b"x" * 1_000_000)
    other.close()
    far.close()
    warnings.simplefilter("ignore", ResourceWarning)
    return thing


def through_a_child(loop):
    thing = Thing()

    async def main():
        protocol = type("Protocol", (asyncio.SubprocessProtocol,), {})()
        thing.transport, _ = await loop.subprocess_exec(lambda: protocol, "true")
        thing.protocol, protocol.thing = protocol, thing
        while thing.transport.get_protocol() is not None:
            await asyncio.sleep(0.001)
        thing.transport.close()

    loop.run_until_complete(main())
    return thing


def through_a_closed_server(loop):
    thing = Thing()

    def factory():
        return thing

    thing.server = loop.run_until_complete(loop.create_server(factory, "127.0.0.1", 0))
    thing.server.close()
    settle(loop)
    return thing


def through_an_exception_handler(loop):
    other = loop_of_the_kind()
    thing = Thing()
    thing.loop = other
    other.set_exception_handler(lambda loop, context: thing)
    other.close()
    return thing


def through_a_closed_loop(loop):
    other = loop_of_the_kind()
    thing = Thing()
    thing.loop, other.thing = other, thing
    other.call_soon(lambda: thing)
    other.call_later(60, lambda: thing)
    thing.future = other.create_future()
    thing.future.add_done_callback(lambda _: thing)
    other.close()
    return thing


def through_a_pending_task_of_a_closed_loop(loop):
    other = loop_of_the_kind()
    thing = Thing()

    async def work():
        await thing.future

    thing.future = other.create_future()
    thing.task = other.create_task(work())
    thing.task._log_destroy_pending = False
    turns(other)
    other.close()
    return thing


def through_a_reader_of_a_closed_loop(loop):
    import socket

    other = loop_of_the_kind()
    thing = Thing()
    thing.near, far = socket.socketpair()
    other.add_reader(thing.near, lambda: thing)
    other.close()
    thing.near.close()
    far.close()
    return thing


def through_a_task_factory(loop):
    other = loop_of_the_kind()
    thing = Thing()
    thing.loop = other
    other.set_task_factory(lambda loop, coroutine, **options: thing)
    other.close()
    return thing


loop = loop_of_the_kind()
loop.run_until_complete(asyncio.sleep(0))
for name, make in sorted(globals().copy().items()):
    if name.startswith("through_"):
        gone = weakref.ref(make(loop))
        turns(loop, 2)
        collect()
        assert gone() is None, name
loop.close()
print("fine")
