# SPDX-License-Identifier: MIT
"""all_tasks and current_task, as debuggers and monitors see them."""

import asyncio
import gc
import threading

import pytest

from tests.tools import PY, run, turns


def test_current_task(loop):
    async def inner():
        return asyncio.current_task()

    async def main():
        here = asyncio.current_task()
        task = asyncio.create_task(inner())
        assert await task is task
        assert asyncio.current_task() is here
        return True

    assert run(loop, main())
    assert asyncio.current_task(loop) is None


def test_current_task_in_callbacks_is_none(loop):
    seen = []

    async def main():
        loop.call_soon(lambda: seen.append(asyncio.current_task()))
        loop.call_later(0, lambda: seen.append(asyncio.current_task()))
        future = loop.create_future()
        future.add_done_callback(lambda f: seen.append(asyncio.current_task()))
        future.set_result(None)
        await asyncio.sleep(0.005)

    run(loop, main())
    assert seen == [None, None, None]


def test_current_task_outside_a_loop_is_an_error(loop):
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.current_task()


def test_current_task_after_each_switch(loop):
    wrong = []

    async def work():
        me = asyncio.current_task()
        for _ in range(20):
            await asyncio.sleep(0)
            if asyncio.current_task() is not me:
                wrong.append(me)

    async def main():
        await asyncio.gather(*(work() for _ in range(20)))

    run(loop, main())
    assert wrong == []


def test_current_task_from_another_thread(loop):
    seen = []

    async def main():
        def look():
            seen.append(asyncio.current_task(loop))

        here = asyncio.current_task()
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        return here

    here = run(loop, main())
    if PY < (3, 14):
        assert seen == [here]


def test_current_task_survives_a_foreign_task_inside(loop):
    """An asyncio.Task of the standard library beside native ones."""

    async def inner():
        await asyncio.sleep(0)
        return asyncio.current_task()

    async def main():
        here = asyncio.current_task()
        stdlib = asyncio.Task(inner(), loop=loop)
        assert await stdlib is stdlib
        assert asyncio.current_task() is here

    run(loop, main())


def test_all_tasks(loop):
    async def main():
        tasks = {asyncio.create_task(asyncio.sleep(30)) for _ in range(5)}
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {*tasks, *asyncio.all_tasks() - tasks}
        assert tasks < asyncio.all_tasks()
        gone = tasks.pop()
        gone.cancel()
        await asyncio.wait([gone])
        assert gone not in asyncio.all_tasks()
        assert tasks < asyncio.all_tasks()
        return tasks

    tasks = run(loop, main())
    assert asyncio.all_tasks(loop) == tasks


def test_all_tasks_from_another_thread(loop):
    seen = []

    async def main():
        task = asyncio.create_task(asyncio.sleep(30))
        await asyncio.to_thread(lambda: seen.extend(asyncio.all_tasks(loop)))
        return task

    task = run(loop, main())
    assert task in seen


def test_all_tasks_is_per_loop(new_loop):
    one, other = new_loop(), new_loop()
    task = one.create_task(asyncio.sleep(30))
    turns(one)
    assert asyncio.all_tasks(one) == {task}
    assert asyncio.all_tasks(other) == set()


def test_all_tasks_while_another_thread_makes_them(loop):
    stop = threading.Event()
    wrong = []

    def look():
        while not stop.is_set():
            try:
                asyncio.all_tasks(loop)
            except RuntimeError as error:
                wrong.append(error)

    thread = threading.Thread(target=look)
    thread.start()

    async def main():
        for _ in range(200):
            await asyncio.gather(*(asyncio.sleep(0) for _ in range(10)))

    run(loop, main())
    stop.set()
    thread.join()
    assert wrong == []


def test_a_foreign_task_is_listed_beside_native_ones(loop):
    async def main():
        stdlib = asyncio.Task(asyncio.sleep(30), loop=loop)
        native = loop.create_task(asyncio.sleep(30))
        await asyncio.sleep(0)
        found = asyncio.all_tasks()
        stdlib.cancel()
        return {stdlib, native} <= found

    assert run(loop, main())


def test_one_that_was_registered_by_hand_leaves_the_list(loop):
    """_register_task() is there for whoever extends asyncio; a task links itself by it."""

    async def nothing():
        pass

    plain = loop.create_task(nothing())

    class Own(type(plain)):
        pass

    for _ in range(20):
        task = Own(nothing(), loop=loop)
        run(loop, asyncio.gather(task, plain))
        asyncio._register_task(task)
        assert task not in asyncio.all_tasks(loop)  # it is done
        del task
        gc.collect()
        kept = [loop.create_task(nothing()) for _ in range(3)]
        assert set(kept) <= asyncio.all_tasks(loop)
        run(loop, asyncio.gather(*kept))
