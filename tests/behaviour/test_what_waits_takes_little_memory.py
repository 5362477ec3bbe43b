# SPDX-License-Identifier: MIT
"""E16: memory grows with the number of what waits, by a known amount each, and comes back."""

import asyncio
import gc
import tracemalloc

import pytest

NUMBER = 5_000
pytestmark = pytest.mark.no_sanitizer


def nothing():
    pass


def callbacks(loop):
    for _ in range(NUMBER):
        loop.call_soon(nothing)
    return None


def timers(loop):
    return [loop.call_later(3600, nothing) for _ in range(NUMBER)]


def cancelled(loop):
    for _ in range(NUMBER):
        loop.call_later(3600, nothing).cancel()
    return None


def tasks(loop):
    return [loop.create_task(asyncio.sleep(0)) for _ in range(NUMBER)]


def waiting(loop):
    made = tasks(loop)
    loop.call_soon(loop.stop)
    loop.run_forever()
    return made


# What makes them: bytes each on hotloop and on asyncio, with room for other versions.
KINDS = {
    callbacks: (300, 400),
    timers: (350, 500),
    cancelled: (20, 500),
    tasks: (1100, 1600),
    waiting: (1100, 1600),
}


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_e16_bytes_each(loop, loop_kind, make):
    made = make(loop)  # what is kept to be used again is there from now on
    end(loop, made)
    del made
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        made = make(loop)
        each = (tracemalloc.get_traced_memory()[0] - before) / NUMBER
        end(loop, made)
        del made
        gc.collect()
        left = (tracemalloc.get_traced_memory()[0] - before) / NUMBER
    finally:
        tracemalloc.stop()
    assert each <= KINDS[make][loop_kind == "asyncio"]
    assert left <= 60


def end(loop, made):
    """Let what was made come to its end."""
    for handle in made or ():
        if isinstance(handle, asyncio.TimerHandle):
            handle.cancel()
    loop.call_soon(loop.call_soon, loop.call_soon, loop.stop)
    loop.run_forever()
