# SPDX-License-Identifier: MIT
"""E16: 100,000 live timers; cancelling removes them, in time that does not grow with the number."""

import gc
import random
import sys
import time

import pytest

from tests.tools import assert_usable


def nothing():
    pass


def test_e16_all_are_cancelled_and_none_fires(loop):
    chance = random.Random(5)
    fired = []
    handles = [loop.call_later(0.05 + chance.random(), fired.append, 1) for _ in range(100_000)]
    chance.shuffle(handles)
    for handle in handles:
        handle.cancel()
    assert all(handle.cancelled() for handle in handles)
    loop.call_later(0.06, loop.stop)
    loop.run_forever()
    assert fired == []
    assert_usable(loop)


@pytest.mark.hotloop_only(reason="asyncio drops a cancelled timer when more than half of them are")
def test_e16_a_cancelled_timer_leaves_the_heap_at_once(loop):
    handles = [loop.call_later(60 + number, nothing) for number in range(1000)]
    assert len(loop._scheduled) == 1000
    for handle in handles[:-1]:
        handle.cancel()
    assert [timer.when() for timer in loop._scheduled] == [handles[-1].when()]


def test_call_and_cancel_with_100k_live_costs_no_memory(loop):
    live = [loop.call_later(3600 + number * 0.001, nothing) for number in range(100_000)]

    def churn(rounds):
        for _ in range(rounds):
            loop.call_later(60, nothing).cancel()

    churn(200_000)
    before = sys.getallocatedblocks()
    churn(20_000)
    grown = sys.getallocatedblocks() - before
    for handle in live:
        handle.cancel()
    # asyncio keeps up to as many cancelled timers as there are live ones.
    assert grown < 120_000


def test_l7_the_time_is_not_quadratic(loop):
    def measure(number):
        started = time.process_time()
        handles = [loop.call_later(3600 + (i * 7919 % number), nothing) for i in range(number)]
        for handle in handles[::-1]:
            handle.cancel()
        return time.process_time() - started

    gc.disable()  # its share grows with what is alive, in either loop
    try:
        measure(1000)
        small = min(measure(10_000) for _ in range(5))
        large = min(measure(160_000) for _ in range(3))
    finally:
        gc.enable()
    # Linear is 16 times, quadratic 256 times; between them is room for caches. A machine whose
    # caches are somebody else's gets seconds, where 160,000 squared would take minutes.
    assert large < max(100 * small, 4.0)
