# SPDX-License-Identifier: MIT
"""A30: set_task_factory, what a factory gets, eager tasks."""

import asyncio
import contextvars
import inspect

import pytest

from tests.tools import PY, assert_usable, run

HAS_KWARGS = "kwargs" in inspect.signature(asyncio.BaseEventLoop.create_task).parameters


async def work():
    return 42


def test_set_and_get(loop):
    def factory(loop, coro, **kwargs):
        return asyncio.Task(coro, loop=loop, **kwargs)

    assert loop.get_task_factory() is None
    loop.set_task_factory(factory)
    assert loop.get_task_factory() is factory
    assert type(loop.create_task(work())) is asyncio.Task
    loop.set_task_factory(None)
    assert loop.get_task_factory() is None
    assert_usable(loop)


@pytest.mark.parametrize("junk", [42, "text", ()])
def test_a30_junk_is_a_type_error(loop, junk):
    with pytest.raises(TypeError, match="task factory must be a callable or None"):
        loop.set_task_factory(junk)
    assert loop.get_task_factory() is None


def test_it_gets_the_loop_the_coroutine_and_the_context(loop):
    seen = []

    def factory(loop, coro, **kwargs):
        seen.append((loop, coro, kwargs))
        return asyncio.Task(coro, loop=loop, **kwargs)

    loop.set_task_factory(factory)
    context = contextvars.Context()
    first, second = work(), work()
    tasks = [loop.create_task(first), loop.create_task(second, name="mine", context=context)]
    assert tasks[1].get_name() == "mine"
    assert seen[0][:2] == (loop, first) and seen[1][:2] == (loop, second)
    assert seen[1][2]["context"] is context
    assert "context" not in seen[0][2] or seen[0][2]["context"] is None
    loop.run_until_complete(asyncio.gather(*tasks))


def test_a_factory_without_keywords_is_enough_for_plain_tasks(loop):
    if HAS_KWARGS:
        pytest.skip("this version passes name and context always")
    loop.set_task_factory(lambda loop, coro: asyncio.Task(coro, loop=loop))
    task = loop.create_task(work(), name="mine")
    assert task.get_name() == "mine"
    loop.run_until_complete(task)


def test_a30_what_it_returns_is_used_as_it_is(loop):
    class Made:
        def set_name(self, name):
            """3.13 calls it without asking."""

    made = Made()

    def factory(loop, coro, **kwargs):
        coro.close()
        return made

    loop.set_task_factory(factory)

    async def nothing():
        pass

    try:
        result = loop.create_task(nothing())
    finally:
        loop.set_task_factory(None)
    assert result is made


def test_a_factory_that_raises(loop):
    def factory(loop, coro, **kwargs):
        coro.close()
        raise ZeroDivisionError

    loop.set_task_factory(factory)
    with pytest.raises(ZeroDivisionError):
        loop.create_task(work())
    loop.set_task_factory(None)
    assert_usable(loop)


@pytest.mark.skipif(not HAS_KWARGS, reason="this version takes no further keywords")
def test_further_keywords_reach_the_factory(loop):
    seen = []

    def factory(loop, coro, **kwargs):
        seen.append(kwargs)
        return asyncio.Task(coro, loop=loop)

    loop.set_task_factory(factory)
    loop.run_until_complete(loop.create_task(work(), custom=1))
    assert seen[0]["custom"] == 1


@pytest.mark.skipif(PY < (3, 12), reason="eager tasks came with 3.12")
class TestEager:
    def test_the_first_step_runs_at_once(self, loop):
        loop.set_task_factory(asyncio.eager_task_factory)
        seen = []

        async def eager():
            seen.append("step")
            return 42

        async def main():
            task = asyncio.create_task(eager())
            assert seen == ["step"] and task.done()
            return await task

        assert run(loop, main()) == 42

    def test_one_that_waits_goes_on_later(self, loop):
        loop.set_task_factory(asyncio.eager_task_factory)

        async def eager():
            before = asyncio.current_task()
            await asyncio.sleep(0.001)
            return before is asyncio.current_task()

        async def main():
            outer = asyncio.current_task()
            task = asyncio.create_task(eager())
            assert asyncio.current_task() is outer
            assert not task.done() and task in asyncio.all_tasks()
            return await task

        assert run(loop, main()) is True

    def test_an_error_in_the_first_step(self, loop):
        loop.set_task_factory(asyncio.eager_task_factory)

        async def eager():
            raise ZeroDivisionError

        async def main():
            task = asyncio.create_task(eager())
            assert task.done()
            with pytest.raises(ZeroDivisionError):
                await task

        run(loop, main())

    def test_a_finished_one_has_let_go_of_its_coroutine(self, loop, loop_kind):
        if loop_kind == "asyncio" and PY == (3, 12):
            pytest.skip("asyncio of 3.12.1 crashes in get_stack()")
        loop.set_task_factory(asyncio.eager_task_factory)

        async def main():
            task = asyncio.create_task(work())
            assert task.get_coro() is None
            assert task.get_stack() == []
            return repr(task)

        assert "finished" in run(loop, main())

    def test_its_context(self, loop):
        loop.set_task_factory(asyncio.eager_task_factory)
        var = contextvars.ContextVar("var", default="outer")

        async def eager():
            var.set("inner")

        async def main():
            await asyncio.create_task(eager())
            return var.get()

        assert run(loop, main()) == "outer"

    def test_the_native_task_takes_eager_start(self, loop):
        kind = type(loop.create_task(work()))
        seen = []

        async def eager():
            seen.append(asyncio.current_task())

        async def main():
            task = kind(eager(), loop=asyncio.get_running_loop(), eager_start=True)
            assert task.done() and seen == [task]

        run(loop, main())

    def test_a_nested_eager_chain(self, loop):
        loop.set_task_factory(asyncio.eager_task_factory)

        async def link(depth):
            if depth:
                return 1 + await asyncio.create_task(link(depth - 1))
            await asyncio.sleep(0)
            return 0

        async def main():
            return await asyncio.create_task(link(50))

        assert run(loop, main()) == 50


@pytest.mark.skipif(not HAS_KWARGS, reason="this version takes no further keywords")
def test_create_task_passes_eager_start(loop):
    seen = []

    async def eager():
        seen.append(1)

    async def main():
        task = asyncio.get_running_loop().create_task(eager(), eager_start=True)
        assert seen == [1] and task.done()
        late = asyncio.get_running_loop().create_task(eager(), eager_start=False)
        assert seen == [1]
        await late

    run(loop, main())


def test_the_name_of_a_task_without_set_name(loop):
    class Nameless:
        def __init__(self, coro):
            coro.close()

    async def nothing():
        pass

    loop.set_task_factory(lambda loop, coro, **_: Nameless(coro))
    if PY >= (3, 14):  # the factory gets the name
        assert type(loop.create_task(nothing(), name="x")) is Nameless
    elif PY == (3, 13):
        with pytest.raises(AttributeError):
            loop.create_task(nothing(), name="x")
    else:
        with pytest.warns(DeprecationWarning, match="Task.set_name"):
            assert type(loop.create_task(nothing(), name="x")) is Nameless
    loop.set_task_factory(None)
