# SPDX-License-Identifier: MIT
"""run_until_complete takes futures, tasks, coroutines and awaitables, and says what is wrong."""

import asyncio
import contextlib

import pytest

from tests.tools import assert_usable


async def answer():
    return 42


def test_a_coroutine(loop):
    assert loop.run_until_complete(answer()) == 42


def test_a_future_and_a_task(loop):
    future = loop.create_future()
    loop.call_soon(future.set_result, 1)
    assert loop.run_until_complete(future) == 1
    assert loop.run_until_complete(loop.create_task(answer())) == 42
    assert loop.run_until_complete(future) == 1


def test_an_awaitable_object(loop):
    class Awaitable:
        def __await__(self):
            yield from asyncio.sleep(0).__await__()
            return "awaited"

    assert loop.run_until_complete(Awaitable()) == "awaited"


def test_an_exception_comes_out_as_itself(loop):
    error = ValueError("mine")

    async def fails():
        raise error

    with pytest.raises(ValueError) as caught:
        loop.run_until_complete(fails())
    assert caught.value is error
    assert_usable(loop)


def test_a_cancelled_future_raises_cancelled_error(loop):
    future = loop.create_future()
    loop.call_soon(future.cancel, "why")
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(future)


@pytest.mark.parametrize("junk", [42, None, "text", object(), len])
def test_a14_what_cannot_be_awaited_is_a_type_error(loop, junk):
    with pytest.raises(TypeError, match=r"An asyncio\.Future, a coroutine or an awaitable"):
        loop.run_until_complete(junk)
    assert_usable(loop)


def test_a14_the_future_of_another_loop_is_a_value_error(new_loop):
    one, other = new_loop(), new_loop()
    with pytest.raises(ValueError, match="belongs to a different loop"):
        one.run_until_complete(other.create_future())
    assert_usable(one)


def test_it_uses_asyncios_own_done_callback(loop):
    """anyio finds its root task by this very function."""
    task = loop.create_task(answer())
    seen = []

    def look():
        seen.extend(entry[0] for entry in task._callbacks or ())

    loop.call_soon(look)

    async def outer():
        return await task

    outer_task = loop.create_task(asyncio.sleep(0))
    loop.call_soon(lambda: seen.extend(entry[0] for entry in outer_task._callbacks or ()))
    loop.run_until_complete(outer_task)
    assert asyncio.base_events._run_until_complete_cb in seen
    loop.run_until_complete(task)


def test_a_system_exit_of_the_task_comes_out_and_is_not_reported_again(loop):
    async def leave():
        raise SystemExit(3)

    with pytest.raises(SystemExit) as caught:
        loop.run_until_complete(leave())
    assert caught.value.code == 3
    assert_usable(loop)


def test_a_keyboard_interrupt_elsewhere_leaves_the_future_pending(loop):
    future = loop.create_future()

    def interrupt():
        raise KeyboardInterrupt

    loop.call_soon(interrupt)
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(future)
    assert not future.done()
    future.cancel()
    assert_usable(loop)


def test_its_done_callback_is_removed_when_the_run_breaks_off(loop):
    """Otherwise a later finish of the future would stop a later run."""
    future = loop.create_future()
    loop.call_soon(loop.stop)
    with contextlib.suppress(RuntimeError):
        loop.run_until_complete(future)
    assert not future._callbacks
    future.set_result(None)


def test_deep_recursion_in_a_step_is_an_ordinary_error(loop):
    """U12"""

    async def deep(level=0):
        return await deep(level + 1)

    with pytest.raises(RecursionError):
        loop.run_until_complete(deep())
    assert_usable(loop)
