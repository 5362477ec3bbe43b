# SPDX-License-Identifier: MIT
"""A3, A4, A5: what debug mode refuses at the call."""

import threading

import pytest

from tests.tools import assert_usable, turns

CALLS = {
    "call_soon": lambda loop, f: loop.call_soon(f),
    "call_later": lambda loop, f: loop.call_later(0, f),
    "call_at": lambda loop, f: loop.call_at(0, f),
    "call_soon_threadsafe": lambda loop, f: loop.call_soon_threadsafe(f),
}
ALL = pytest.mark.parametrize("name", sorted(CALLS))


async def coroutine_function():
    pass


@ALL
@pytest.mark.parametrize("junk", [None, 42, "text"])
def test_a3_not_callable_in_debug_mode(loop, name, junk):
    loop.set_debug(True)
    with pytest.raises(TypeError, match=r"a callable object was expected"):
        CALLS[name](loop, junk)
    assert_usable(loop)


@ALL
def test_a3_not_callable_without_debug_is_reported_in_the_turn(loop, name, reports):
    CALLS[name](loop, None)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert [type(report["exception"]) for report in reports] == [TypeError]
    assert_usable(loop)


@ALL
def test_a4_coroutine_functions_in_debug_mode(loop, name):
    loop.set_debug(True)
    with pytest.raises(TypeError, match=r"coroutines cannot be used with"):
        CALLS[name](loop, coroutine_function)
    coroutine = coroutine_function()
    with pytest.raises(TypeError, match=r"coroutines cannot be used with"):
        CALLS[name](loop, coroutine)
    coroutine.close()


@pytest.mark.parametrize("name", ["call_soon", "call_later", "call_at"])
def test_a5_another_thread_in_debug_mode(loop, name):
    loop.set_debug(True)
    caught = []

    def other():
        try:
            CALLS[name](loop, print)
        except RuntimeError as error:
            caught.append(str(error))
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=other)
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()
    assert len(caught) == 1
    assert caught[0].startswith("Non-thread-safe operation invoked on an event loop other than")


def test_a5_a_loop_that_does_not_run_may_be_called_from_anywhere(loop):
    loop.set_debug(True)
    seen = []
    thread = threading.Thread(target=lambda: loop.call_soon(seen.append, 1))
    thread.start()
    thread.join()
    turns(loop)
    assert seen == [1]


@pytest.mark.hotloop_only(reason="asyncio's heap may be broken by it")
def test_a5_eight_threads_misusing_a_running_loop_never_crash(loop):
    """What they schedule may wait; the process and the loop live on."""
    done = threading.Barrier(9)

    def other():
        for _ in range(2000):
            handle = loop.call_soon(int)
            timer = loop.call_later(0.001, int)
            handle.cancel()
            timer.cancel()
        done.wait()

    threads = [threading.Thread(target=other) for _ in range(8)]
    ticker = threading.Thread(target=lambda: (done.wait(), loop.call_soon_threadsafe(loop.stop)))
    for thread in [*threads, ticker]:
        thread.start()
    loop.run_forever()
    for thread in [*threads, ticker]:
        thread.join()
    assert_usable(loop)
