# SPDX-License-Identifier: MIT
"""Cancelling tasks: messages, counts, who is told, and what each Python version does."""

import asyncio

import pytest

from tests.tools import PY, run, turns


async def forever():
    await asyncio.get_running_loop().create_future()


def test_before_the_first_step(loop):
    seen = []

    async def work():
        seen.append("started")

    task = loop.create_task(work())
    assert task.cancel() is True
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    assert task.cancelled() and seen == []


def test_while_waiting(loop):
    async def main():
        task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        assert task.cancel("because") is True
        assert task.cancelling() == 1
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.args == ("because",)
        assert task.cancelled() and task.cancel() is False

    run(loop, main())


def test_the_waiter_is_cancelled_with_it(loop):
    future = loop.create_future()

    async def waits():
        await future

    async def main():
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    run(loop, main())
    assert future.cancelled()


def test_caught_and_continued(loop):
    async def stubborn():
        try:
            await forever()
        except asyncio.CancelledError:
            return "stayed"

    async def main():
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        task.cancel()
        assert await task == "stayed"
        assert not task.cancelled()

    run(loop, main())


def test_cleanup_may_await(loop):
    seen = []

    async def tidy():
        try:
            await forever()
        finally:
            await asyncio.sleep(0.001)
            seen.append("tidied")

    async def main():
        task = asyncio.create_task(tidy())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(loop, main())
    assert seen == ["tidied"]


def test_a_second_cancel_during_cleanup(loop):
    seen = []

    async def tidy():
        try:
            await forever()
        finally:
            try:
                await forever()
            finally:
                seen.append("twice")

    async def main():
        task = asyncio.create_task(tidy())
        await asyncio.sleep(0)
        task.cancel("one")
        await asyncio.sleep(0)
        task.cancel("two")
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.args == ("two",)
        assert task.cancelling() == 2

    run(loop, main())
    assert seen == ["twice"]


def test_itself(loop):
    async def suicidal():
        asyncio.current_task().cancel()
        await asyncio.sleep(0)
        return "never"

    async def main():
        task = asyncio.create_task(suicidal())
        await asyncio.wait([task])
        return task.cancelled()

    assert run(loop, main()) is True


def test_itself_in_its_last_step(loop):
    async def suicidal():
        asyncio.current_task().cancel("late")
        return 42

    async def main():
        task = asyncio.create_task(suicidal())
        await asyncio.wait([task])
        return task.cancelled()

    assert run(loop, main()) is True


def test_uncancel_counts_and_stops_at_zero(loop):
    async def main():
        task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        task.cancel()
        task.cancel()
        assert task.cancelling() == 2
        assert task.uncancel() == 1
        assert task.uncancel() == 0
        assert task.uncancel() == 0
        await asyncio.wait([task])
        assert task.cancelled()

    run(loop, main())


def test_uncancel_to_zero_forgets_a_cancel_that_has_not_arrived(loop):
    """From 3.13 on."""

    async def main():
        task = asyncio.current_task()
        task.cancel()
        assert task._must_cancel
        task.uncancel()
        assert task._must_cancel is (PY < (3, 13))
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            return "cancelled"
        return "went on"

    assert run(loop, main()) == ("cancelled" if PY < (3, 13) else "went on")


def test_shield(loop):
    async def main():
        inner = asyncio.ensure_future(asyncio.sleep(0.005, "inner"))
        outer = asyncio.shield(inner)
        await asyncio.sleep(0)
        outer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await outer
        return await inner

    assert run(loop, main()) == "inner"


def test_wait_for_times_out_and_cancels(loop):
    seen = []

    async def work():
        try:
            await forever()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(work(), 0.005)

    run(loop, main())
    assert seen == ["cancelled"]


def test_timeout_scope(loop):
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.005):
                await forever()
        assert asyncio.current_task().cancelling() == 0
        async with asyncio.timeout(20):
            await asyncio.sleep(0)
        return "went on"

    assert run(loop, main()) == "went on"


def test_task_group_cancels_the_rest(loop):
    async def fails():
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def main():
        others = []
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                others = [group.create_task(forever()) for _ in range(3)]
                group.create_task(fails())
        assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]
        assert all(task.cancelled() for task in others)

    run(loop, main())


def test_gather_is_cancelled_as_a_whole(loop):
    async def main():
        tasks = [asyncio.create_task(forever()) for _ in range(3)]
        gathered = asyncio.gather(*tasks)
        await asyncio.sleep(0)
        gathered.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gathered
        assert all(task.cancelled() for task in tasks)

    run(loop, main())


def test_the_message_travels_through_a_chain(loop):
    async def link(depth):
        if depth:
            await asyncio.create_task(link(depth - 1))
        else:
            await forever()

    async def main():
        task = asyncio.create_task(link(5))
        for _ in range(8):
            await asyncio.sleep(0)
        task.cancel("from the top")
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.args == ("from the top",)

    run(loop, main())


def test_private_names(loop):
    task = loop.create_task(forever())
    assert task._must_cancel is False and task._cancel_message is None
    task.cancel("why")
    assert task._must_cancel is True and task._cancel_message == "why"
    task._cancel_message = "other"
    with pytest.raises(asyncio.CancelledError, match="other"):
        loop.run_until_complete(task)
    turns(loop)


def test_cancelled_error_of_a_future_has_its_message(loop):
    future = loop.create_future()
    future.cancel("why")
    with pytest.raises(asyncio.CancelledError, match="why"):
        future.result()
    assert isinstance(future._make_cancelled_error(), asyncio.CancelledError)


def test_l4_many_waits_that_time_out_or_are_cancelled(loop):
    async def one(number):
        try:
            await asyncio.wait_for(forever(), 0.001 * (number % 7))
        except TimeoutError:
            return 1

    async def main():
        tasks = [asyncio.create_task(one(number)) for number in range(500)]
        await asyncio.sleep(0.002)
        for task in tasks[::5]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return [r for r in results if r != 1 and not isinstance(r, asyncio.CancelledError)]

    assert run(loop, main()) == []
