# SPDX-License-Identifier: MIT
"""A2, A12: a closed loop says "Event loop is closed", and closing twice is nothing."""

import asyncio
import os
import signal
import socket

import pytest

from tests.tools import assert_usable

CALLS = {
    "call_soon": lambda loop: loop.call_soon(print),
    "call_later": lambda loop: loop.call_later(1, print),
    "call_later_now": lambda loop: loop.call_later(0, print),
    "call_at": lambda loop: loop.call_at(1, print),
    "call_soon_threadsafe": lambda loop: loop.call_soon_threadsafe(print),
    "run_forever": lambda loop: loop.run_forever(),
    "run_in_executor": lambda loop: loop.run_in_executor(None, print),
    "add_signal_handler": lambda loop: loop.add_signal_handler(signal.SIGUSR1, print),
}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a2_runtime_error(loop, name):
    loop.close()
    with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
        CALLS[name](loop)


@pytest.mark.parametrize("name", ["add_reader", "add_writer"])
def test_a2_descriptors(loop, name):
    near, far = socket.socketpair()
    loop.close()
    with near, far, pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
        getattr(loop, name)(near, print)


@pytest.mark.parametrize("name", ["remove_reader", "remove_writer"])
def test_a2_removing_a_descriptor_is_false(loop, name):
    near, far = os.pipe()
    loop.close()
    assert getattr(loop, name)(near) is False
    os.close(near)
    os.close(far)


def test_a2_tasks_and_coroutines(loop):
    loop.close()
    coroutine = asyncio.sleep(0)
    with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
        loop.create_task(coroutine)
    with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
        loop.run_until_complete(coroutine)
    coroutine.close()


def test_a2_create_future_is_still_possible_and_its_callbacks_are_not(loop):
    loop.close()
    future = loop.create_future()
    future.set_result(1)
    assert future.result() == 1
    with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
        future.add_done_callback(print)


def test_a12_twice_is_nothing(loop):
    loop.close()
    loop.close()
    assert loop.is_closed() and not loop.is_running()


def test_what_was_queued_is_dropped_and_released(loop):
    import gc
    import weakref

    class Argument:
        pass

    argument = Argument()
    gone = weakref.ref(argument)
    loop.call_soon(print, argument)
    loop.call_later(60, print, argument)
    loop.call_soon_threadsafe(print, argument)
    del argument
    loop.close()
    gc.collect()
    assert gone() is None


def test_handles_of_a_closed_loop_can_be_cancelled(loop):
    handles = [loop.call_soon(print), loop.call_later(60, print), loop.call_soon_threadsafe(print)]
    loop.close()
    for handle in handles:
        handle.cancel()
        assert handle.cancelled()
        repr(handle)


def test_a12_the_arguments_of_dropped_calls_may_call_close_again(loop):
    """The re-entrant close is where a prototype had its use after free."""
    calls = []

    class Closes:
        def __del__(self):
            calls.append(1)
            loop.close()

    for _ in range(3):
        loop.call_soon(print, Closes())
        loop.call_later(60, print, Closes())
    loop.close()
    assert loop.is_closed() and len(calls) == 6


def test_a12_the_arguments_of_dropped_calls_cannot_schedule(loop):
    wrong = []

    class Schedules:
        def __del__(self):
            try:
                loop.call_soon(print)
            except RuntimeError:
                return
            wrong.append(1)

    loop.call_soon(print, Schedules())
    loop.call_later(60, print, Schedules())
    loop.close()
    assert not wrong


def test_time_repr_and_flags_still_answer(loop):
    loop.close()
    assert loop.time() > 0
    assert "closed=True" in repr(loop) and "running=False" in repr(loop)
    assert loop.get_debug() in (True, False)
    loop.stop()


def test_other_loops_are_unharmed(new_loop):
    one, other = new_loop(), new_loop()
    one.close()
    assert_usable(other)


def test_a_task_left_pending_is_reported_when_it_dies(loop, reports):
    """Only the task's own death reports it: close() says nothing, as in asyncio."""
    import gc

    async def waits():
        await loop.create_future()

    task = loop.create_task(waits())
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    assert reports == []
    del task
    gc.collect()
    assert [r["message"] for r in reports] == ["Task was destroyed but it is pending!"]
