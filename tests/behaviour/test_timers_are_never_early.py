# SPDX-License-Identifier: MIT
"""C3: when a timer's callback runs, the loop's clock has reached its deadline."""

import asyncio
import random
import time

import pytest

from tests.tools import run


def test_c3_ten_thousand_random_deadlines(loop):
    """asyncio rounds by the clock's resolution, which is a nanosecond here."""
    chance = random.Random(3)
    early = []
    left = 10_000

    def fire(when):
        nonlocal left
        if loop.time() < when:
            early.append(when - loop.time())
        left -= 1
        if not left:
            loop.stop()

    for _ in range(left):
        when = loop.time() + chance.choice((0.0, 1e-6, 1e-4, 1e-3, 0.05, 0.2)) * chance.random()
        loop.call_at(when, fire, when)
    loop.run_forever()
    assert [by for by in early if by > loop._clock_resolution] == []


@pytest.mark.parametrize("delay", [0.0001, 0.0004, 0.0006, 0.001, 0.0015, 0.01])
def test_sub_millisecond_delays_are_neither_rounded_down_nor_dropped(loop, delay):
    for _ in range(20):
        started = time.monotonic()
        run(loop, asyncio.sleep(delay))
        assert time.monotonic() - started >= delay - loop._clock_resolution


def test_c1_loop_time_is_the_monotonic_clock(loop):
    before = time.monotonic()
    now = loop.time()
    assert before <= now <= time.monotonic()
    assert isinstance(now, float)


def test_time_moves_within_a_callback(loop):
    seen = []

    def work():
        seen.append(loop.time())
        time.sleep(0.002)
        seen.append(loop.time())
        loop.stop()

    loop.call_soon(work)
    loop.run_forever()
    assert seen[1] - seen[0] >= 0.002


def test_c6_a_timer_made_after_a_long_callback_counts_from_now(loop):
    fired = []

    def slow():
        time.sleep(0.03)
        started = loop.time()
        loop.call_later(0.01, lambda: (fired.append(loop.time() - started), loop.stop()))

    loop.call_soon(slow)
    loop.run_forever()
    assert fired[0] >= 0.01


def test_c6_overdue_timers_fire_once_each_in_order(loop):
    seen = []
    for number in range(20):
        loop.call_later(0.001 * (number + 1), seen.append, number)
    loop.call_soon(time.sleep, 0.05)
    loop.call_later(0.03, loop.stop)
    loop.run_forever()
    assert seen == list(range(20))
