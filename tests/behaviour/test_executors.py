# SPDX-License-Identifier: MIT
"""A33, E10: run_in_executor, the default executor, its shutdown with a limit."""

import asyncio
import concurrent.futures
import contextvars
import sys
import threading
import time

import pytest

from tests.c.build import preloaded
from tests.tools import PY, assert_usable, child, run


def test_a_function_runs_in_another_thread(loop):
    name = run(loop, loop.run_in_executor(None, lambda: threading.current_thread().name))
    assert name.startswith("asyncio_")


def test_arguments_results_and_errors(loop):
    assert run(loop, loop.run_in_executor(None, pow, 2, 10)) == 1024
    with pytest.raises(ZeroDivisionError):
        run(loop, loop.run_in_executor(None, lambda: 1 / 0))
    assert_usable(loop)


def test_an_executor_of_the_user(loop):
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="mine") as executor:
        name = loop.run_in_executor(executor, lambda: threading.current_thread().name)
        assert run(loop, name).startswith("mine")


def test_set_default_executor(loop):
    executor = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="mine")
    loop.set_default_executor(executor)
    name = loop.run_in_executor(None, lambda: threading.current_thread().name)
    assert run(loop, name).startswith("mine")
    assert loop._default_executor is executor


def test_only_a_thread_pool_may_be_the_default(loop):
    with pytest.raises(TypeError, match="executor must be ThreadPoolExecutor instance"):
        loop.set_default_executor(concurrent.futures.Executor())


def test_to_thread_keeps_the_context(loop):
    var = contextvars.ContextVar("var")

    async def main():
        var.set("mine")
        return await asyncio.to_thread(var.get)

    assert run(loop, main()) == "mine"


def test_cancelling_the_wait_does_not_lose_the_thread(loop):
    started, release = threading.Event(), threading.Event()

    def work():
        started.set()
        release.wait(20)

    async def main():
        future = loop.run_in_executor(None, work)
        await asyncio.to_thread(started.wait)
        future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future
        release.set()

    run(loop, main())
    assert_usable(loop)


def test_many_at_once(loop):
    async def main():
        return await asyncio.gather(*(loop.run_in_executor(None, pow, n, 2) for n in range(500)))

    assert run(loop, main()) == [n * n for n in range(500)]


def test_a33_after_shutdown(loop):
    run(loop, loop.run_in_executor(None, int))
    run(loop, loop.shutdown_default_executor())
    with pytest.raises(RuntimeError, match="Executor shutdown has been called"):
        loop.run_in_executor(None, int)
    with pytest.raises(RuntimeError, match="Executor shutdown has been called"):
        run(loop, asyncio.sleep(0, loop.run_in_executor(None, int)))


def test_shutdown_without_an_executor(loop):
    assert run(loop, loop.shutdown_default_executor()) is None


def test_shutdown_waits_for_what_runs(loop):
    done = []

    def work():
        time.sleep(0.02)
        done.append(1)

    async def main():
        loop.run_in_executor(None, work)
        await loop.shutdown_default_executor()
        assert done == [1]

    run(loop, main())


@pytest.mark.skipif(PY < (3, 12), reason="from 3.12 on")
def test_shutdown_gives_up_after_its_limit_and_says_so(loop, loop_kind):
    if loop_kind == "asyncio" and sys.version_info < (3, 12, 4):
        pytest.skip("asyncio waits for the threads first, and only then with the limit")
    release = threading.Event()
    loop.run_in_executor(None, release.wait, 20)
    started = time.monotonic()
    with pytest.warns(RuntimeWarning, match="executor did not finish"):
        loop.run_until_complete(loop.shutdown_default_executor(0.05))
    assert time.monotonic() - started < 10
    release.set()


def test_close_does_not_wait_for_the_executor(new_loop):
    loop = new_loop()
    release = threading.Event()
    future = loop.run_in_executor(None, release.wait, 20)
    future.add_done_callback(lambda future: None)
    started = time.monotonic()
    loop.close()
    assert time.monotonic() - started < 10
    release.set()


def test_e10_no_thread_can_be_started(loop, monkeypatch):
    class Refuses(concurrent.futures.ThreadPoolExecutor):
        def submit(self, *args, **kwargs):
            raise RuntimeError("can't start new thread")

    loop.set_default_executor(Refuses())
    with pytest.raises(RuntimeError, match="can't start new thread"):
        loop.run_in_executor(None, int)
    assert_usable(loop)


NO_THREADS = """
import asyncio, ctypes, errno
faults = ctypes.CDLL(None)
loop = make_loop()

async def look_up():
    try:
        return len(await loop.getaddrinfo("localhost", 80)) > 0
    except RuntimeError as error:
        return str(error)

async def blocking():
    try:
        return await loop.run_in_executor(None, int)
    except RuntimeError as error:
        return str(error)

for nth in range(1, 5):
    faults.fault_arm(b"pthread_create", nth, errno.EAGAIN)
    faults.fault_go_on()
    print(loop.run_until_complete(look_up()))
    print(loop.run_until_complete(blocking()))
    faults.fault_disarm()
print(loop.run_until_complete(look_up()))
print(loop.run_until_complete(blocking()))
loop.run_until_complete(loop.shutdown_default_executor())
loop.close()
"""


@pytest.mark.hotloop_only("asyncio looks names up in its executor")
def test_e10_the_system_refuses_the_nth_thread(loop_kind):
    """libuv aborts when it cannot start its four threads; our callers get an exception."""
    done = child(NO_THREADS, kind=loop_kind, env=preloaded("faults.c"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["can't start new thread"] * 8 + ["True", "0"]


def test_run_coroutine_threadsafe(loop):
    async def add(a, b):
        await asyncio.sleep(0)
        return a + b

    answers = []

    def other():
        answers.append(asyncio.run_coroutine_threadsafe(add(1, 2), loop).result(20))
        failing = asyncio.run_coroutine_threadsafe(add(1, "x"), loop)
        answers.append(type(failing.exception(20)))
        waiting = asyncio.run_coroutine_threadsafe(asyncio.sleep(20), loop)
        answers.append(waiting.cancel())
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=other)
    thread.start()
    loop.run_forever()
    thread.join()
    assert answers == [3, TypeError, True]
