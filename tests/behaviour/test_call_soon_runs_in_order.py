# SPDX-License-Identifier: MIT
"""call_soon is first in, first out, and what a callback schedules waits for the next turn."""

import threading


def test_first_in_first_out(loop):
    seen = []
    for number in range(10_000):
        loop.call_soon(seen.append, number)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert seen == list(range(10_000))


def test_a_callback_scheduled_by_a_callback_runs_in_the_next_turn(loop):
    seen = []

    def first():
        seen.append("first")
        loop.call_soon(seen.append, "from first")
        loop.stop()

    loop.call_soon(first)
    loop.call_soon(seen.append, "second")
    loop.run_forever()
    assert seen == ["first", "second"]
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert seen == ["first", "second", "from first"]


def test_a_chain_of_callbacks_takes_one_turn_each(loop):
    seen = []

    def link(left):
        seen.append(left)
        if left:
            loop.call_soon(link, left - 1)
        else:
            loop.stop()

    loop.call_soon(link, 1000)
    loop.call_soon(seen.append, "beside")
    loop.run_forever()
    assert seen == [1000, "beside", *range(999, -1, -1)]


def test_arguments_arrive(loop):
    seen = []
    for count in (0, 1, 2, 3, 4, 5, 8, 100):
        loop.call_soon(lambda *args: seen.append(args), *range(count))
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert seen == [tuple(range(count)) for count in (0, 1, 2, 3, 4, 5, 8, 100)]


def test_a34_very_many_arguments(loop):
    seen = []
    loop.call_soon(lambda *args: seen.append(len(args)), *range(1_000_000))
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert seen == [1_000_000]


def test_due_timers_run_after_what_was_ready(loop):
    seen = []
    loop.call_later(0, seen.append, "timer")
    loop.call_soon(seen.append, "soon")
    loop.call_later(0.002, loop.stop)
    loop.run_forever()
    assert seen == ["soon", "timer"]


def test_thread_safe_calls_mix_with_call_soon_in_the_order_made(loop):
    seen = []
    for number in range(100):
        call = loop.call_soon_threadsafe if number % 3 == 0 else loop.call_soon
        call(seen.append, number)
    loop.call_soon_threadsafe(loop.stop)
    loop.run_forever()
    assert sorted(seen) == list(range(100))
    assert [n for n in seen if n % 3] == [n for n in range(100) if n % 3]
    assert [n for n in seen if n % 3 == 0] == [n for n in range(100) if n % 3 == 0]


def test_u12_a_hundred_thousand_chained_callbacks_use_no_stack(loop):
    left = 100_000

    def link():
        nonlocal left
        left -= 1
        if left:
            loop.call_soon(link)
        else:
            loop.stop()

    def in_small_stack():
        loop.call_soon(link)
        loop.run_forever()

    threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=in_small_stack)
        thread.start()
    finally:
        threading.stack_size(0)
    thread.join()
    assert left == 0
