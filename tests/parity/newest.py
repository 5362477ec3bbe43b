# SPDX-License-Identifier: MIT
"""What the newest versions ask for."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import warnings

from .rows import Trial, raises, row


@row("Runner.run takes any awaitable", (3, 14))
def _(t: Trial) -> None:
    class Answer:
        def __await__(self):
            yield
            return 42

    with asyncio.Runner(loop_factory=t.new_loop) as runner:
        assert runner.run(Answer()) == 42


@row("get_event_loop() raises where there is none", (3, 14))
def _(t: Trial) -> None:
    with raises(RuntimeError, "There is no current event loop"):
        asyncio.get_event_loop()

    async def main():
        assert asyncio.get_event_loop() is t.loop

    t.run(main())


@row("Task.cancel(msg)", (3, 9))
def _(t: Trial) -> None:
    async def main():
        task = asyncio.create_task(asyncio.sleep(100))
        await asyncio.sleep(0)
        task.cancel("enough")
        with raises(asyncio.CancelledError, "enough"):
            await task

    t.run(main())


@row("Task.get_context", (3, 12))
def _(t: Trial) -> None:
    context = contextvars.copy_context()

    async def main():
        task = asyncio.create_task(asyncio.sleep(0), context=context)
        assert task.get_context() is context
        await task

    t.run(main())


@row("_swap_current_task", (3, 12))
def _(t: Trial) -> None:
    async def main():
        this = asyncio.current_task()
        other = asyncio.create_task(asyncio.sleep(0))
        assert asyncio.tasks._swap_current_task(t.loop, other) is this
        assert asyncio.current_task() is other
        assert asyncio.tasks._swap_current_task(t.loop, this) is other
        assert asyncio.current_task() is this
        await other

    t.run(main())


@row("Queue.shutdown", (3, 13))
def _(t: Trial) -> None:
    async def main():
        queue = asyncio.Queue()
        waiting = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.shutdown()
        with raises(asyncio.QueueShutDown):
            await waiting

    t.run(main())


@row("no warning of anything deprecated", (3, 12))
def _(t: Trial) -> None:
    async def main():
        await asyncio.to_thread(int)
        process = await asyncio.create_subprocess_exec("true")
        await process.wait()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(main(), loop_factory=t.new_loop)


@row("all_tasks of a loop in another thread", (3, 14))
def _(t: Trial) -> None:
    started = threading.Event()
    loop = t.loop

    async def main():
        task = asyncio.create_task(asyncio.sleep(100), name="mine")
        await asyncio.sleep(0)
        started.set()
        try:
            await task
        except asyncio.CancelledError:
            pass

    def other():
        loop.run_until_complete(main())

    thread = threading.Thread(target=other)
    thread.start()
    started.wait(5)
    tasks = asyncio.all_tasks(loop)
    names = {task.get_name() for task in tasks}
    for task in tasks:
        if task.get_name() == "mine":
            loop.call_soon_threadsafe(task.cancel)
    thread.join()
    assert "mine" in names and len(names) == 2


@row("TaskGroup.cancel", (3, 15))
def _(t: Trial) -> None:
    async def main():
        async with asyncio.TaskGroup() as group:
            task = group.create_task(asyncio.sleep(100))
            await asyncio.sleep(0)
            group.cancel()
        assert task.cancelled()

    t.run(main())
