# SPDX-License-Identifier: MIT
"""U2: __init__() called once more, by the code that a future or task is just calling.

Nobody should; nothing may break of it. 3.15 refuses the second call, as asyncio does there.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc

import pytest

from tests.tools import PY, assert_usable, child_output, turns

pytestmark = [
    pytest.mark.skipif(
        PY >= (3, 15),
        reason="from 3.15 on Future.__init__() raises RuntimeError when it is called again, so "
        "none of this can begin (test_a_task_is_a_future.py asserts that it does)",
    ),
]


class Foreign:
    """As little of a loop as a future asks for."""

    def get_debug(self):
        return False

    def call_soon(self, callback, *args, context=None):
        repr(context)

    def call_exception_handler(self, context):
        pass


async def nothing():
    pass


def close(*tasks):
    """Whatever they are left with was never awaited."""
    for task in tasks:
        task._log_destroy_pending = False
        with contextlib.suppress(AttributeError, RuntimeError):
            task.get_coro().close()


def test_while_debug_mode_looks_at_a_callback(loop):
    class Evil:
        def __call__(self, future):
            pass

        @property
        def __class__(self):
            future.__init__(loop=Foreign())
            return Evil

    loop.set_debug(True)
    future = loop.create_future()
    future.add_done_callback(Evil())
    future.set_result(1)
    turns(loop)
    assert_usable(loop)


@pytest.mark.hotloop_only("asyncio's task in C crashes: its context is gone (cpython gh-126080)")
def test_while_call_soon_is_looked_up(loop):
    begun = []

    class Fickle(Foreign):
        def __getattribute__(self, name):
            if name == "call_soon" and not begun:
                begun.append(name)
                task.__init__(second, loop=Foreign())
            return object.__getattribute__(self, name)

    first, second = nothing(), nothing()
    task = type(loop.create_task(nothing())).__new__(type(loop.create_task(nothing())))
    task.__init__(first, loop=Fickle())
    assert begun
    turns(loop)
    first.close()
    close(task)


def test_while_a_step_lets_go_of_what_it_waited_for(loop):
    """The task goes to another loop in the midst; that one must not remember it."""
    other = type(loop)()
    tasks = []
    for one in (loop, other):
        one.set_exception_handler(lambda *_: None)  # steps of the lives before are over

    class Dropped:
        def __del__(self):
            tasks[0].__init__(second, loop=other)

    def only_the_task_keeps_it():
        future = loop.create_future()
        future._asyncio_future_blocking = True
        loop.call_soon(future.set_result, Dropped())
        return future

    class Waits:
        def __await__(self):
            yield only_the_task_keeps_it()

    async def main():
        await Waits()

    first, second = main(), nothing()
    tasks.append(loop.create_task(first))
    turns(loop, 4)
    turns(other, 3)
    first.close()
    close(*tasks)
    tasks.clear()
    gc.collect()
    assert asyncio.current_task(other) is None and asyncio.current_task(loop) is None
    hash(other)
    other.close()
    assert_usable(loop)


def test_and_the_loop_of_the_first_one_goes(loop):
    source = """
    import asyncio, gc

    async def nothing():
        pass

    for _ in range(20):
        first, second = make_loop(), make_loop()
        task = first.create_task(nothing())
        others = [second.create_task(nothing()) for _ in range(3)]
        kind = next(c for c in type(task).__mro__ if c.__name__ == "Future")
        kind.__init__(task, loop=second)
        first.close()
        del first
        gc.collect()
        task._log_destroy_pending = False
        task.get_coro().close()
        del task
        second.run_until_complete(asyncio.gather(*others))
        second.close()
        del second, others
    print("fine")
    """
    found = child_output(source, kind="hotloop", flags=["-W", "ignore"])
    assert found.strip() == "fine"
