# SPDX-License-Identifier: MIT
"""Tasks, futures, introspection."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import io
import subprocess
import sys

from .rows import Log, Trial, raises, row, until
from .scheduling import place


@row("create_future", (3, 5, 2))
def _(t: Trial) -> None:
    future = t.loop.create_future()
    assert asyncio.isfuture(future) and future.get_loop() is t.loop
    t.loop.call_soon(future.set_result, 42)
    assert t.loop.run_until_complete(future) == 42


@row("create_task(name=)", (3, 8))
def _(t: Trial) -> None:
    task = t.loop.create_task(asyncio.sleep(0), name="fetch")
    assert task.get_name() == "fetch"
    t.loop.run_until_complete(task)


@row("create_task(context=)", (3, 11))
def _(t: Trial) -> None:
    there = contextvars.copy_context()
    there.run(place.set, "there")

    async def where():
        await asyncio.sleep(0)
        return place.get()

    assert t.loop.run_until_complete(t.loop.create_task(where(), context=there)) == "there"


@row("create_task(**kwargs), eager_start=", (3, 13, 3))
def _(t: Trial) -> None:
    given = []

    def factory(loop, coro, **kwargs):
        given.append(kwargs)
        kwargs.pop("own", None)
        return asyncio.Task(coro, loop=loop, **kwargs)

    async def work():
        return 42

    async def main():
        if sys.version_info >= (3, 14):
            assert t.loop.create_task(work(), eager_start=True).done()
        t.loop.set_task_factory(factory)
        return await t.loop.create_task(work(), name="x", own=1)

    assert t.run(main()) == 42
    assert given[-1].get("own", 1) == 1


@row("set_task_factory, get_task_factory", (3, 4, 4))
def _(t: Trial) -> None:
    given = []

    def factory(loop, coro, **kwargs):
        given.append(kwargs)
        return asyncio.Task(coro, loop=loop, **kwargs)

    assert t.loop.get_task_factory() is None
    t.loop.set_task_factory(factory)
    assert t.loop.get_task_factory() is factory
    context = contextvars.copy_context()
    task = t.loop.create_task(asyncio.sleep(0), name="fetch", context=context)
    t.loop.run_until_complete(task)
    assert given[0]["context"] is context and task.get_name() == "fetch"
    with t.part("what is no function is taken"):
        with raises(TypeError, "task factory must be a callable or None"):
            t.loop.set_task_factory(42)
    if sys.version_info >= (3, 13, 3):
        with t.part("the name is set after the factory was called"):
            assert given[0]["name"] == "fetch"


@row("eager_task_factory", (3, 12))
def _(t: Trial) -> None:
    t.loop.set_task_factory(asyncio.eager_task_factory)

    async def now():
        return asyncio.current_task()

    async def main():
        outer = asyncio.current_task()
        task = asyncio.create_task(now())
        assert task.done() and task.result() is task
        assert asyncio.current_task() is outer

    t.run(main())


@row("isinstance(task, asyncio.Task), isinstance(future, asyncio.Future)")
def _(t: Trial) -> None:
    task = t.loop.create_task(asyncio.sleep(0))
    assert isinstance(task, asyncio.Task) and isinstance(task, asyncio.Future)
    assert isinstance(t.loop.create_future(), asyncio.Future)
    t.loop.run_until_complete(task)


@row("current_task, all_tasks", (3, 7))
def _(t: Trial) -> None:
    async def sleep():
        await asyncio.sleep(100)

    async def main():
        task = asyncio.create_task(sleep())
        assert asyncio.all_tasks() == {task, asyncio.current_task()}
        task.cancel()

    t.loop.run_until_complete(t.loop.create_task(main()))
    assert asyncio.current_task(t.loop) is None


@row("capture_call_graph, print_call_graph", (3, 14))
def _(t: Trial) -> None:
    async def inner():
        await asyncio.sleep(100)

    async def outer(task):
        await task

    async def main():
        leaf = asyncio.create_task(inner(), name="leaf")
        waiting = asyncio.create_task(outer(leaf), name="outer")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        graph = asyncio.capture_call_graph(leaf)
        assert [call.future for call in graph.awaited_by] == [waiting], "no edge"
        text = io.StringIO()
        asyncio.print_call_graph(leaf, file=text)
        assert "inner" in text.getvalue() and "outer" in text.getvalue()
        waiting.cancel()

    t.run(main())


@row("python -m asyncio ps, pstree", (3, 14))
def _(t: Trial) -> None:
    program = t.folder / "program.py"
    new = "asyncio.SelectorEventLoop" if t.kind == "asyncio" else f"{t.kind}.new_event_loop"
    # A kernel may let only a process's own descendants look into it.
    program.write_text(
        f"import asyncio\n"
        f"if {t.kind!r} != 'asyncio': import {t.kind}\n"
        "async def leaf(): await asyncio.sleep(100)\n"
        "async def branch(task): await task\n"
        "async def main():\n"
        "    task = asyncio.create_task(leaf(), name='the leaf')\n"
        "    async with asyncio.TaskGroup() as group:\n"
        "        group.create_task(branch(task), name='the branch')\n"
        "        group.create_task(ready())\n"
        "async def ready():\n"
        "    await asyncio.sleep(0.01)\n"
        "    print('ready', flush=True)\n"
        f"asyncio.Runner(loop_factory={new}).run(main())\n"
    )
    child = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"ready\n"
        for command in ("ps", "pstree"):
            shown = subprocess.run(
                [sys.executable, "-m", "asyncio", command, str(child.pid)],
                capture_output=True,
                text=True,
                timeout=8,
            )
            for words in ("the leaf", "the branch", "leaf", "branch"):
                assert words in shown.stdout, f"{command} shows no {words!r}: {shown.stderr[-80:]}"
    finally:
        child.kill()
        child.wait()


@row('"Task was destroyed but it is pending", "exception was never retrieved"')
def _(t: Trial) -> None:
    contexts = []
    t.loop.set_exception_handler(lambda _, context: contexts.append(context["message"]))

    async def forever():
        await t.loop.create_future()

    async def fails():
        raise ValueError

    task = t.loop.create_task(forever())
    t.turns()
    del task
    gc.collect()
    t.loop.create_task(fails())
    t.turns()
    gc.collect()
    assert "Task was destroyed but it is pending!" in contexts, contexts
    assert "Task exception was never retrieved" in contexts, contexts


@row("asyncio.Runner(loop_factory=), asyncio.run", (3, 11))
def _(t: Trial) -> None:
    async def main():
        return asyncio.get_running_loop()

    with asyncio.Runner(loop_factory=t.new_loop) as runner:
        loop = runner.run(main())
        assert type(loop) is type(t.loop) and runner.get_loop() is loop
    assert loop.is_closed()
    if sys.version_info >= (3, 12):
        assert type(asyncio.run(main(), loop_factory=t.new_loop)) is type(loop)


@row("an event loop policy", (3, 4), (3, 15))
def _(t: Trial) -> None:
    if t.kind == "asyncio":
        policy = asyncio.DefaultEventLoopPolicy()
    else:
        import importlib

        policy = importlib.import_module(t.kind).EventLoopPolicy()
    assert isinstance(policy, asyncio.AbstractEventLoopPolicy)
    asyncio.set_event_loop_policy(policy)

    async def main():
        return type(asyncio.get_running_loop())

    assert issubclass(asyncio.run(main()), type(t.loop))


@row("TaskGroup, timeout, Barrier", (3, 11))
def _(t: Trial) -> None:
    async def fails():
        await asyncio.sleep(0)
        raise ValueError

    async def groups():
        cancelled = []
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails())
                cancelled.append(group.create_task(asyncio.sleep(100)))
        except* ValueError:
            pass
        assert cancelled[0].cancelled()

    async def timeouts():  # a task of its own: up to 3.12 the group leaves a request behind
        with raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.sleep(100)
        assert asyncio.current_task().cancelling() == 0
        barrier = asyncio.Barrier(2)
        waiting = asyncio.create_task(barrier.wait())
        assert {await barrier.wait(), await waiting} == {0, 1}

    t.run(groups())
    t.run(timeouts())


@row("log of unhandled errors goes to asyncio's logger")
def _(t: Trial) -> None:
    log = Log()
    t.loop.call_soon(lambda: 1 // 0)
    t.turns()
    assert log.says("Exception in callback")


@row("run_coroutine_threadsafe, wrap_future", (3, 5, 1))
def _(t: Trial) -> None:
    import threading

    async def work():
        await asyncio.sleep(0)
        return 42

    async def main():
        results = []

        def other():
            results.append(asyncio.run_coroutine_threadsafe(work(), t.loop).result(5))

        thread = threading.Thread(target=other)
        thread.start()
        await until(lambda: results)
        thread.join()
        return results

    assert t.run(main()) == [42]
