# SPDX-License-Identifier: MIT
"""all_tasks() is called while a task is being freed: it must not come back to life."""

import asyncio
import weakref

import pytest

from tests.tools import PY

pytestmark = [
    pytest.mark.hotloop_only("the way to drop a waiting task without the GC is ours"),
    pytest.mark.skipif(PY >= (3, 15), reason="Future.__init__ raises when called again"),
]


def _drop_a_waiting_task(loop, make_task, watch):
    async def wait():
        await future

    future = loop.create_future()
    task = make_task(wait(), loop=loop)
    loop.call_soon(loop.stop)
    loop.run_forever()
    watcher = watch(task)
    del task
    future.__init__(loop=loop)  # forgets who waits: nobody else has the task
    return watcher


@pytest.fixture
def quiet(loop):
    loop.set_exception_handler(lambda *_: None)
    return loop


def test_by_the_callback_of_a_weak_reference(quiet):
    import hotloop

    seen = []
    note = lambda _: seen.append(len(asyncio.all_tasks(quiet)))  # noqa: E731
    watcher = _drop_a_waiting_task(quiet, hotloop.Task, lambda task: weakref.ref(task, note))
    assert seen == [0] and watcher() is None


def test_by_what_a_slot_of_a_subclass_held(quiet):
    import hotloop

    class SlottedTask(hotloop.Task):
        __slots__ = ("held",)

    class Held:
        def __del__(self):
            seen.append(len(asyncio.all_tasks(quiet)))

    def watch(task):
        task.held = Held()

    seen = []
    _drop_a_waiting_task(quiet, SlottedTask, watch)
    assert seen == [0]
