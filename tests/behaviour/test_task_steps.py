# SPDX-License-Identifier: MIT
"""What a task does with what its coroutine yields, returns and raises (U5, A15)."""

import asyncio
import collections.abc
import contextvars
import gc
import types

import pytest

import hotloop
from tests.tools import PY, assert_usable, run, turns


@types.coroutine
def yielding(value):
    """Yield one thing to the task."""
    return (yield value)


class Misbehaves(collections.abc.Coroutine):
    """A coroutine written in Python, whose send does what it is told."""

    def __init__(self, *moves):
        self.moves = list(moves)
        self.thrown = []

    def send(self, value):
        move = self.moves.pop(0)
        if isinstance(move, BaseException):
            raise move
        return move

    def throw(self, kind, value=None, traceback=None):
        self.thrown.append(kind if isinstance(kind, BaseException) else value or kind())
        return self.send(None)

    def close(self):
        pass

    def __await__(self):
        return self


def test_a_step_starts_in_the_next_turn(loop):
    seen = []

    async def work():
        seen.append("started")

    task = loop.create_task(work())
    loop.call_soon(seen.append, "beside")
    assert seen == []
    turns(loop)
    assert seen == ["started", "beside"]
    assert task.done()


def test_sleep_zero_lets_the_others_go_first(loop):
    seen = []

    async def work(name):
        for step in range(3):
            seen.append((name, step))
            await asyncio.sleep(0)

    async def main():
        await asyncio.gather(work("a"), work("b"))

    run(loop, main())
    assert seen == [(name, step) for step in range(3) for name in "ab"]


def test_waking_takes_one_turn(loop):
    seen = []

    async def waits(future):
        seen.append(await future)

    future = loop.create_future()
    loop.create_task(waits(future))
    turns(loop)
    future.set_result("woken")
    loop.call_soon(seen.append, "after")
    turns(loop)
    assert seen == ["woken", "after"]


@pytest.mark.parametrize(
    "value, message",
    [
        (42, "Task got bad yield: 42"),
        ("text", "Task got bad yield: 'text'"),
        ((), "Task got bad yield: ()"),
        ((i for i in ()), "yield was used instead of yield from for generator in task"),
    ],
)
def test_u5_bad_yields(loop, value, message):
    async def work():
        with pytest.raises(RuntimeError) as caught:
            await yielding(value)
        assert str(caught.value).startswith(message)
        return "went on"

    assert run(loop, work()) == "went on"


def test_u5_a_future_without_the_blocking_flag(loop):
    future = loop.create_future()

    async def work():
        with pytest.raises(RuntimeError, match="yield was used instead of yield from in task"):
            await yielding(future)
        return "went on"

    assert run(loop, work()) == "went on"


def test_u5_awaiting_itself(loop):
    async def work():
        with pytest.raises(RuntimeError, match="Task cannot await on itself"):
            await asyncio.current_task()
        return "went on"

    assert run(loop, work()) == "went on"


def test_u5_the_future_of_another_loop(new_loop):
    one, other = new_loop(), new_loop()
    future = other.create_future()

    async def work():
        with pytest.raises(RuntimeError, match="attached to a different loop"):
            await future
        return "went on"

    assert run(one, work()) == "went on"
    assert not future._callbacks


async def _await(awaitable):
    return await awaitable


def test_u5_a_coroutine_driven_directly(loop):
    task = loop.create_task(Misbehaves(None, 42, StopIteration("value")))
    assert run(loop, asyncio.shield(task)) == "value"


def test_u5_a_coroutine_that_answers_a_bad_yield_with_another(loop):
    coroutine = Misbehaves(1, 2, 3, StopIteration("value"))
    task = loop.create_task(coroutine)
    run(loop, asyncio.wait([task]))
    assert task.result() == "value" and len(coroutine.thrown) == 3


def test_a15_not_a_coroutine(loop):
    for junk in (42, None, len, "text", loop.create_future()):
        with pytest.raises(TypeError, match="a coroutine was expected"):
            loop.create_task(junk)
    assert_usable(loop)


def test_a15_a_finished_coroutine(loop):
    async def work():
        pass

    coroutine = work()
    run(loop, coroutine)
    task = loop.create_task(coroutine)
    run(loop, asyncio.wait([task]))
    assert str(task.exception()) == "cannot reuse already awaited coroutine"


def test_a15_a_coroutine_that_runs_in_another_task(loop):
    async def work():
        await asyncio.sleep(0.002)

    coroutine = work()
    first = loop.create_task(coroutine)
    second = loop.create_task(coroutine)
    run(loop, asyncio.wait([first, second]))
    assert isinstance(first.exception() or second.exception(), RuntimeError)


def test_set_result_and_set_exception_are_refused(loop):
    async def work():
        task = asyncio.current_task()
        with pytest.raises(RuntimeError, match="Task does not support set_result operation"):
            task.set_result(1)
        with pytest.raises(RuntimeError, match="Task does not support set_exception operation"):
            task.set_exception(ValueError())

    run(loop, work())


def test_a_task_shows_its_coroutine_name_and_context(loop):
    async def work():
        pass

    context = contextvars.Context()
    coroutine = work()
    task = loop.create_task(coroutine, name="mine", context=context)
    assert task.get_coro() is coroutine and task._coro is coroutine
    assert task.get_name() == "mine"
    task.set_name(42)
    assert task.get_name() == "42"
    if hasattr(asyncio.Task, "get_context"):
        assert task.get_context() is context
    assert "name='42'" in repr(task) and "work() running at" in repr(task)
    run(loop, asyncio.wait([task]))
    assert repr(task).startswith("<Task finished name='42' coro=<")


def test_default_names_count(loop):
    async def work():
        return asyncio.current_task().get_name()

    async def main():
        return [await asyncio.create_task(work()) for _ in range(2)]

    first, second = run(loop, main())
    assert first.startswith("Task-") and second.startswith("Task-")
    assert int(first.removeprefix("Task-")) < int(second.removeprefix("Task-"))


def test_context_is_the_tasks_own(loop):
    var = contextvars.ContextVar("var", default="default")

    async def inner():
        seen = var.get()
        var.set("inner")
        await asyncio.sleep(0)
        return seen, var.get()

    async def main():
        var.set("outer")
        task = asyncio.create_task(inner())
        var.set("later")
        return await task, var.get()

    assert run(loop, main()) == (("outer", "inner"), "later")
    assert var.get() == "default"


def test_a_shared_context_sees_both(loop):
    var = contextvars.ContextVar("var", default=0)
    context = contextvars.Context()

    async def add():
        for _ in range(3):
            var.set(var.get() + 1)
            await asyncio.sleep(0)

    async def main():
        await asyncio.gather(
            asyncio.create_task(add(), context=context), asyncio.create_task(add(), context=context)
        )

    run(loop, main())
    assert context[var] == 6


def test_get_stack_and_print_stack(loop, capsys):
    async def inner():
        await asyncio.sleep(30)

    async def work():
        await inner()

    task = loop.create_task(work())
    turns(loop, 2)
    assert [frame.f_code.co_name for frame in task.get_stack()] == ["work"]
    task.print_stack()
    assert "in work" in capsys.readouterr().err
    task.cancel()


def test_the_waiter_is_shown(loop):
    future = loop.create_future()
    task = loop.create_task(_await(future))
    turns(loop)
    assert task._fut_waiter is future
    assert "wait_for=<Future pending" in repr(task)
    assert "task_wakeup" in repr(future).lower() or "wakeup" in repr(future)
    wakeup = future._callbacks[0][0]
    assert wakeup.__self__ is task
    future.set_result(None)
    turns(loop, 2)
    assert task.done() and task._fut_waiter is None


def test_an_error_keeps_its_traceback(loop):
    async def inner():
        raise ValueError("mine")

    async def outer():
        await asyncio.create_task(inner())

    with pytest.raises(ValueError) as caught:
        run(loop, outer())
    names = [entry.name for entry in caught.traceback]
    assert "inner" in names and "outer" in names


def test_base_exceptions_are_kept_in_the_task(loop):
    class Mine(BaseException):
        pass

    async def work():
        raise Mine

    async def main():
        task = asyncio.create_task(work())
        await asyncio.wait([task])
        return task.exception()

    assert isinstance(run(loop, main()), Mine)
    assert_usable(loop)


def test_a_raised_stop_iteration_is_a_runtime_error(loop):
    async def work():
        raise StopIteration(1)

    with pytest.raises(RuntimeError, match="coroutine raised StopIteration"):
        run(loop, work())


def test_u10_subclasses_with_slots_and_overrides(loop):
    kind = type(loop.create_task(_await(asyncio.sleep(0))))
    calls = []

    class Mine(kind):
        __slots__ = ("extra",)

        def cancel(self, *args, **kwargs):
            calls.append("cancel")
            return super().cancel(*args, **kwargs)

    async def main():
        task = Mine(asyncio.sleep(30), loop=loop)
        task.extra = 1
        await asyncio.sleep(0)
        outer = asyncio.ensure_future(_await(task))
        await asyncio.sleep(0)
        outer.cancel()
        await asyncio.wait([outer, task])
        return outer.cancelled(), task.cancelled()

    assert run(loop, main()) == (True, True)
    assert calls == ["cancel"]


class Mine(Exception):
    """What the objects below raise."""


class NoTruth:
    """Neither true nor false."""

    def __bool__(self):
        raise Mine


class NoClass:
    """Cannot be asked by isinstance() what it is."""

    @property
    def __class__(self):
        raise Mine


def test_u5_a_coroutine_that_isinstance_cannot_ask(loop):
    kind = type(loop.create_task(_await(asyncio.sleep(0))))
    turns(loop, 3)
    with pytest.raises(Mine):
        kind(NoClass(), loop=loop)


def test_u5_a_blocking_flag_without_a_truth(loop, reports):
    class Odd:
        _asyncio_future_blocking = NoTruth()

    async def work():
        await yielding(Odd())

    task = loop.create_task(work())
    turns(loop, 2)
    assert isinstance(reports[0]["exception"], Mine) and not task.done()
    task._log_destroy_pending = False
    del task
    reports.clear()
    gc.collect()  # nothing wakes it any more, and nothing holds it
    assert not asyncio.all_tasks(loop)


def test_wrong_calls_of_a_tasks_methods(loop):
    task = loop.create_task(asyncio.sleep(0))
    for method in task.get_stack, task.print_stack:
        with pytest.raises(TypeError):
            method(nonsense=1)
    with pytest.raises(Mine):
        task._log_destroy_pending = NoTruth()
    coroutine = asyncio.sleep(0)
    with pytest.raises(TypeError):
        type(task)(coroutine, coro=coroutine, loop=loop)
    coroutine.close()
    run(loop, _await(task))


def test_a_name_that_cannot_be_written(loop):
    class Odd:
        def __str__(self):
            raise Mine

    task = loop.create_task(asyncio.sleep(0))
    with pytest.raises(Mine):
        task.set_name(Odd())
    run(loop, _await(task))


@pytest.mark.hotloop_only(reason="asyncio takes it and fails in the first step")
def test_a_context_that_is_none_is_refused(loop):
    coroutine = asyncio.sleep(0)
    with pytest.raises(TypeError):
        hotloop.Task(coroutine, loop=loop, context=42)
    coroutine.close()


@pytest.mark.skipif(PY < (3, 12), reason="tasks begin at once since 3.12")
class TestEager:
    def test_what_must_leave_leaves_the_call(self, loop):
        kind = type(loop.create_task(_await(asyncio.sleep(0))))
        made = []

        class Noted(kind):
            def __init__(self, *args, **kwargs):
                made.append(self)
                super().__init__(*args, **kwargs)

        async def leave():
            raise KeyboardInterrupt("leaving the step")

        async def main():
            with pytest.raises(KeyboardInterrupt):
                Noted(leave(), loop=loop, eager_start=True)
            return isinstance(made[0].exception(), KeyboardInterrupt)

        assert run(loop, main())
        assert_usable(loop)

    def test_a_wish_without_a_truth(self, loop):
        kind = type(loop.create_task(_await(asyncio.sleep(0))))
        coroutine = asyncio.sleep(0)

        async def main():
            with pytest.raises(Mine):
                kind(coroutine, loop=loop, eager_start=NoTruth())

        run(loop, main())
        coroutine.close()

    def test_on_a_loop_of_another_kind(self):
        """Whether it runs is asked by its method."""

        class Foreign(asyncio.SelectorEventLoop):
            broken = False

            def is_running(self):
                if self.broken:
                    raise Mine
                return super().is_running()

        async def seven():
            return 7

        async def main():
            task = hotloop.Task(seven(), loop=foreign, eager_start=True)
            assert task.done() and task.result() == 7
            foreign.broken = True
            coroutine = seven()
            with pytest.raises(Mine):
                hotloop.Task(coroutine, loop=foreign, eager_start=True)
            coroutine.close()
            foreign.broken = False

        foreign = Foreign()
        coroutine = seven()
        task = hotloop.Task(coroutine, loop=foreign, eager_start=True)
        assert not task.done()
        assert foreign.run_until_complete(task) == 7
        foreign.run_until_complete(main())
        foreign.close()


@pytest.mark.skipif(PY < (3, 14), reason="noted since 3.14")
def test_who_waits_for_it_is_noted(loop):
    async def main():
        future = loop.create_future()
        inner = asyncio.create_task(_await(future))
        outers = [asyncio.create_task(_await(inner)) for _ in range(2)]
        shielded = asyncio.create_task(_await(asyncio.shield(inner)))
        assert future._asyncio_awaited_by is None
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert future._asyncio_awaited_by == frozenset([inner])
        assert inner._asyncio_awaited_by > frozenset(outers)
        graph = asyncio.capture_call_graph(future)
        assert [entry.future for entry in graph.awaited_by] == [inner]
        future.set_result(1)
        assert await asyncio.gather(*outers, shielded) == [1, 1, 1]
        assert not inner._asyncio_awaited_by

    run(loop, main())


@pytest.mark.hotloop_only("asyncio's task waits for ever after it")
def test_what_it_waits_for_goes_on_with_it_at_once(loop):
    """A future that calls back while it is asked to; what it leads to ends the wait."""
    callbacks = []

    class Eager:
        _asyncio_future_blocking = True

        def get_loop(self):
            return loop

        def add_done_callback(self, callback, *, context=None):
            callbacks.append(callback)
            self._asyncio_future_blocking = True
            callback(self)

        def result(self):
            return None

        def cancel(self, msg=None):
            return False

    class Dropped:
        def __del__(self):
            callbacks[0](eager)
            tasks[0].cancel()

    def only_the_task_keeps_it():
        future = kind(loop=loop)
        future.dropped = Dropped()
        future._asyncio_future_blocking = True
        return future

    class Waits:
        def __await__(self):
            yield eager
            yield only_the_task_keeps_it()
            yield None

    async def main():
        await Waits()

    kind = type("Own", (type(loop.create_future()),), {})
    eager, tasks = Eager(), []
    loop.set_exception_handler(lambda *_: None)
    tasks.append(loop.create_task(main()))
    turns(loop, 10)
    tasks[0].cancel()
    turns(loop, 5)
    tasks[0]._log_destroy_pending = False
    tasks[0].get_coro() and tasks[0].get_coro().close()
    assert_usable(loop)
