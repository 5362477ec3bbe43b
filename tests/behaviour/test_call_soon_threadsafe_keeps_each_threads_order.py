# SPDX-License-Identifier: MIT
"""call_soon_threadsafe: per-thread order, nothing lost, a sleeping loop wakes (S1, S2)."""

import contextlib
import threading
import time

import pytest

from tests.tools import LIMIT, PY


@pytest.mark.parametrize("threads, calls", [(1, 20_000), (4, 10_000), (8, 5_000)])
def test_s1_every_call_of_every_thread_runs_in_that_threads_order(loop, threads, calls):
    seen = [[] for _ in range(threads)]
    left = threads * calls

    def note(thread, number):
        nonlocal left
        seen[thread].append(number)
        left -= 1
        if not left:
            loop.stop()

    def work(thread):
        for number in range(calls):
            loop.call_soon_threadsafe(note, thread, number)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    loop.run_forever()
    for worker in workers:
        worker.join()
    assert seen == [list(range(calls))] * threads


def test_a_sleeping_loop_wakes_at_once(loop):
    def later():
        time.sleep(0.02)
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=later)
    guard = loop.call_later(30, loop.stop)
    started = time.monotonic()
    thread.start()
    loop.run_forever()
    took = time.monotonic() - started
    thread.join()
    guard.cancel()
    assert took < 10


def test_calls_made_before_the_loop_runs_are_kept(loop):
    seen = []

    def work():
        for number in range(10):
            loop.call_soon_threadsafe(seen.append, number)
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    loop.run_forever()
    assert seen == list(range(10))


def test_a_call_may_be_cancelled_in_the_loops_thread(loop):
    seen = []
    handle = loop.call_soon_threadsafe(seen.append, 1)
    handle.cancel()
    loop.call_soon_threadsafe(loop.stop)
    loop.run_forever()
    assert handle.cancelled() and seen == []


def test_s2_calls_during_close_end_in_runtime_error_and_nothing_else(new_loop):
    for _ in range(50):
        loop = new_loop()
        wrong = []
        started = threading.Event()

        def work(loop=loop, wrong=wrong, started=started):
            with contextlib.suppress(RuntimeError):
                while True:
                    loop.call_soon_threadsafe(int)
                    started.set()
            try:
                loop.call_soon_threadsafe(int)
            except RuntimeError as error:
                if str(error) != "Event loop is closed":
                    wrong.append(error)
            else:
                wrong.append("accepted after close")

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        started.wait()
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
        for thread in threads:
            thread.join()
        assert not wrong


@pytest.mark.skipif(PY < (3, 14), reason="before, cancel() of another thread does not wait")
def test_s1_cancel_in_another_thread_waits_while_the_callback_runs(loop):
    order = []
    runs, cancels = threading.Event(), threading.Event()

    def callback():
        runs.set()
        assert cancels.wait(LIMIT)
        time.sleep(0.01)  # the other one gets as far as it can: no further than into cancel()
        order.append("has run")
        loop.stop()

    def cancel():
        assert runs.wait(LIMIT)
        cancels.set()
        handle.cancel()
        order.append("cancelled")

    thread = threading.Thread(target=cancel)
    thread.start()
    handle = loop.call_soon_threadsafe(callback)
    loop.run_forever()
    thread.join()
    assert order == ["has run", "cancelled"]
