# SPDX-License-Identifier: MIT
"""Timers that are cancelled by callbacks of the same turn, by each other, by themselves."""

import random

from tests.tools import run_until


def test_by_a_callback_that_is_due_with_it(loop):
    seen = []
    when = loop.time() + 0.002
    loop.call_at(when, lambda: (seen.append("first"), second.cancel()))
    second = loop.call_at(when + 1e-6, seen.append, "second")
    loop.call_at(when + 0.002, loop.stop)
    loop.run_forever()
    assert seen == ["first"]


def test_by_itself(loop):
    seen = []
    handle = loop.call_later(0.001, lambda: (handle.cancel(), seen.append(1)))
    run_until(loop, lambda: seen)
    assert handle.cancelled()


def test_by_a_callback_while_it_waits_in_the_ready_queue(loop):
    seen = []
    timer = loop.call_later(0, seen.append, "timer")
    loop.call_soon(timer.cancel)
    loop.call_later(0.002, loop.stop)
    loop.run_forever()
    assert seen == []


def test_a_timer_that_reschedules_itself(loop):
    seen = []

    def again():
        seen.append(loop.time())
        if len(seen) < 50:
            loop.call_later(0.0001, again)
        else:
            loop.stop()

    loop.call_soon(again)
    loop.run_forever()
    assert len(seen) == 50 and seen == sorted(seen)


def test_random_cancels_leave_exactly_the_others(loop):
    chance = random.Random(7)
    fired, expected, live = [], set(), {}

    def fire(number):
        fired.append(number)
        live.pop(number, None)
        for victim in chance.sample(sorted(live), min(2, len(live))):
            live.pop(victim).cancel()
            expected.discard(victim)

    base = loop.time() + 0.005
    for number in range(2000):
        live[number] = loop.call_at(base + chance.random() * 0.01, fire, number)
        expected.add(number)
    loop.call_at(base + 0.02, loop.stop)
    loop.run_forever()
    assert set(fired) == expected and len(fired) == len(expected)
