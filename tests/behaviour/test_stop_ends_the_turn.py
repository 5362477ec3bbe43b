# SPDX-License-Identifier: MIT
"""A13: stop() lets the turn finish, and before a run it means one turn."""

import asyncio
import os

import pytest

from tests.tools import assert_usable


def test_the_rest_of_the_turn_runs(loop):
    seen = []
    loop.call_soon(seen.append, 1)
    loop.call_soon(loop.stop)
    loop.call_soon(seen.append, 2)
    loop.run_forever()
    assert seen == [1, 2]


def test_a13_before_the_run_it_means_one_turn(loop):
    seen = []
    loop.call_soon(lambda: loop.call_soon(seen.append, 2))
    loop.call_soon(seen.append, 1)
    loop.stop()
    assert not loop.is_running()
    loop.run_forever()
    assert seen == [1]
    loop.stop()
    loop.run_forever()
    assert seen == [1, 2]


def test_the_flag_is_gone_afterwards(loop):
    loop.stop()
    loop.run_forever()
    assert loop._stopping is False
    assert_usable(loop)


def test_it_polls_once(loop):
    near, far = os.pipe()
    os.write(far, b"x")
    seen = []
    loop.add_reader(near, lambda: seen.append(os.read(near, 1)))
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.remove_reader(near)
    os.close(near)
    os.close(far)
    assert seen == [b"x"]


def test_twice_is_once(loop):
    loop.call_soon(loop.stop)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert_usable(loop)


def test_a13_in_run_until_complete_it_is_an_error(loop):
    async def work():
        loop.stop()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match=r"^Event loop stopped before Future completed\.$"):
        loop.run_until_complete(work())
    assert_usable(loop)


def test_stop_in_the_last_step_is_no_error(loop):
    async def work():
        loop.stop()
        return 42

    assert loop.run_until_complete(work()) == 42
    loop.run_forever()  # the first run's done callback was queued, and stops this one
    assert_usable(loop)


def test_stop_and_run_again_inside_nothing_is_lost(loop):
    seen = []
    for number in range(5):
        loop.call_soon(seen.append, number)
        loop.call_later(0, seen.append, f"timer {number}")
        loop.call_soon(loop.stop)
        loop.run_forever()
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert [item for item in seen if isinstance(item, int)] == list(range(5))
    assert sum(isinstance(item, str) for item in seen) == 5
