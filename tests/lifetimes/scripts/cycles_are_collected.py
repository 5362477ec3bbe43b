# SPDX-License-Identifier: MIT
"""G1: reference cycles through every kind of object are found by the collector."""

import contextvars
import weakref

from tests.lifetimes.kit import asyncio, collect, loop_of_the_kind, pair, settle, turns


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
