# SPDX-License-Identifier: MIT
"""A10, A11, A12: nested runs, two threads, close while running."""

import asyncio
import contextlib
import threading

import pytest

from tests.tools import assert_usable, turns


def collect(loop, call):
    """The error that the call raises inside a running loop."""
    caught = []

    def inside():
        try:
            call()
        except BaseException as error:
            caught.append(error)

    loop.call_soon(inside)
    turns(loop)
    (error,) = caught
    return error


def test_a10_run_forever_inside_itself(loop):
    error = collect(loop, loop.run_forever)
    assert type(error) is RuntimeError and str(error) == "This event loop is already running"
    assert_usable(loop)


def test_a10_run_until_complete_inside_itself(loop):
    future = loop.create_future()
    error = collect(loop, lambda: loop.run_until_complete(future))
    assert type(error) is RuntimeError and str(error) == "This event loop is already running"
    assert not future._callbacks
    assert_usable(loop)


def test_a10_another_loop_inside_a_running_one(new_loop):
    one, other = new_loop(), new_loop()
    error = collect(one, other.run_forever)
    assert type(error) is RuntimeError
    assert str(error) == "Cannot run the event loop while another loop is running"
    assert asyncio._get_running_loop() is None
    assert_usable(one)
    assert_usable(other)


def test_a10_hotloop_and_asyncio_in_either_order(loop):
    other = asyncio.SelectorEventLoop()
    try:
        message = "Cannot run the event loop while another loop is running"
        assert str(collect(loop, other.run_forever)) == message
        assert str(collect(other, loop.run_forever)) == message
    finally:
        other.close()


def test_a10_from_a_finaliser(loop):
    caught = []

    class Runs:
        def __del__(self):
            try:
                loop.run_forever()
            except RuntimeError as error:
                caught.append(str(error))

    loop.call_soon(lambda: Runs() and None)
    turns(loop)
    assert caught == ["This event loop is already running"]


def test_a11_the_same_loop_from_a_second_thread(loop):
    running, caught = threading.Event(), []
    loop.call_soon(running.set)

    def second():
        running.wait()
        try:
            loop.run_forever()
        except RuntimeError as error:
            caught.append(str(error))
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=second)
    thread.start()
    loop.run_forever()
    thread.join()
    assert caught == ["This event loop is already running"]
    assert_usable(loop)


def test_a12_close_while_running(loop):
    error = collect(loop, loop.close)
    assert type(error) is RuntimeError and str(error) == "Cannot close a running event loop"
    assert not loop.is_closed()
    assert_usable(loop)


def test_is_running_and_the_running_loop(loop):
    seen = []
    assert not loop.is_running() and asyncio._get_running_loop() is None
    loop.call_soon(lambda: seen.append((loop.is_running(), asyncio.get_running_loop() is loop)))
    turns(loop)
    assert seen == [(True, True)]
    assert not loop.is_running() and asyncio._get_running_loop() is None


def test_the_running_loop_is_none_after_an_error(loop):
    def interrupt():
        raise KeyboardInterrupt

    loop.call_soon(interrupt)
    with contextlib.suppress(KeyboardInterrupt):
        loop.run_forever()
    assert not loop.is_running() and asyncio._get_running_loop() is None
    assert_usable(loop)


def test_s4_made_in_one_thread_run_in_another_closed_in_a_third(new_loop):
    made, answers = [], []

    async def work():
        await asyncio.sleep(0.001)
        return threading.get_ident()

    def in_thread(function):
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()

    in_thread(lambda: made.append(new_loop()))
    in_thread(lambda: answers.append(made[0].run_until_complete(work())))
    in_thread(lambda: answers.append(made[0].run_until_complete(work())))
    in_thread(made[0].close)
    assert made[0].is_closed() and len(answers) == 2


def test_s4_the_running_loop_is_per_thread(new_loop):
    loops, seen = [new_loop() for _ in range(4)], []
    barrier = threading.Barrier(4)

    async def work():
        barrier.wait()
        return asyncio.get_running_loop()

    def run(loop):
        seen.append(loop.run_until_complete(work()) is loop)

    threads = [threading.Thread(target=run, args=(loop,)) for loop in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 4


def test_asyncio_run_inside_a_running_loop(loop):
    async def inner():
        pass

    async def outer():
        coroutine = inner()
        with pytest.raises(RuntimeError, match=r"cannot be called from a running event loop"):
            asyncio.run(coroutine)
        coroutine.close()
        return "unharmed"

    assert loop.run_until_complete(outer()) == "unharmed"


def test_thread_id_is_there_while_it_runs(loop):
    seen = []
    loop.call_soon(lambda: seen.append(loop._thread_id))
    turns(loop)
    assert seen == [threading.get_ident()]
    assert loop._thread_id is None
