# SPDX-License-Identifier: MIT
"""C2, C4: the order of deadlines, FIFO among equals, the past is now."""

import random


def test_deadlines_decide(loop):
    chance = random.Random(11)
    seen = []
    base = loop.time() + 0.01
    offsets = [number * 1e-5 for number in range(500)]
    chance.shuffle(offsets)
    for offset in offsets:
        loop.call_at(base + offset, seen.append, offset)
    loop.call_at(base + 0.02, loop.stop)
    loop.run_forever()
    assert seen == sorted(offsets)


def test_c2_overdue_timers_come_in_deadline_order(loop):
    seen = []
    now = loop.time()
    for late in (1, 86_400, 5, 3_600):
        loop.call_at(now - late, seen.append, late)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert seen == [86_400, 3_600, 5, 1]


def test_c4_equal_deadlines_are_first_in_first_out(loop, loop_kind):
    """asyncio's heap keeps no order among equals; hotloop does."""
    seen = []
    when = loop.time() + 0.002
    for number in range(100):
        loop.call_at(when, seen.append, number)
    loop.call_at(when + 0.002, loop.stop)
    loop.run_forever()
    if loop_kind == "hotloop":
        assert seen == list(range(100))
    assert sorted(seen) == list(range(100))


def test_c4_equal_deadlines_stay_in_order_when_some_are_cancelled(loop, loop_kind):
    seen = []
    when = loop.time() + 0.002
    handles = [loop.call_at(when, seen.append, number) for number in range(100)]
    for handle in handles[::3]:
        handle.cancel()
    loop.call_at(when + 0.002, loop.stop)
    loop.run_forever()
    expected = [number for number in range(100) if number % 3]
    assert (seen if loop_kind == "hotloop" else sorted(seen)) == expected


def test_a_due_timer_is_not_starved_by_callbacks_that_never_end(loop):
    seen = []

    def again():
        if not seen:
            loop.call_soon(again)

    loop.call_soon(again)
    loop.call_later(0.005, lambda: (seen.append(1), loop.stop()))
    loop.run_forever()
    assert seen == [1]
