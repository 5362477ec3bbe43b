# SPDX-License-Identifier: MIT
"""A6-A9, C5: delays that are no sensible number."""

import asyncio
import fractions
import math

import pytest

from tests.tools import assert_usable, run, run_until


def schedulers(loop):
    return [loop.call_later, loop.call_at]


@pytest.mark.parametrize("index", [0, 1])
def test_a6_none_is_a_type_error(loop, index):
    with pytest.raises(TypeError, match=r"(delay|when) (must not|cannot) be None"):
        schedulers(loop)[index](None, print)
    assert_usable(loop)


def test_a6_text_is_a_type_error(loop):
    for delay in ("1", b"1", [1], object()):
        with pytest.raises(TypeError):
            loop.call_later(delay, print)
    assert_usable(loop)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.hotloop_only(reason="asyncio 3.13 loses its loop to a NaN in the heap")
def test_a7_nan_is_a_value_error_at_the_call(loop, index):
    fired = []
    now = loop.time()
    loop.call_at(now + 0.002, fired.append, 1)
    with pytest.raises(ValueError):
        schedulers(loop)[index](math.nan, print)
    loop.call_at(now + 0.001, fired.append, 0)
    run_until(loop, lambda: len(fired) == 2)
    assert fired == [0, 1]
    assert_usable(loop)


@pytest.mark.hotloop_only(reason="asyncio before 3.13 sleeps for no time at all")
def test_a7_sleeping_for_nan_is_a_value_error(loop):
    with pytest.raises(ValueError):
        run(loop, asyncio.sleep(math.nan))
    assert_usable(loop)


@pytest.mark.parametrize("delay", [math.inf, 1e308, 2**80, 2**63, 1e18, 2.0**31, 49.8 * 86400])
def test_a8_c5_huge_delays_never_fire_and_can_be_cancelled(loop, delay):
    fired = []
    later = loop.call_later(delay, fired.append, "later")
    at = loop.call_at(loop.time() + delay, fired.append, "at")
    assert later.when() >= delay
    assert_usable(loop)
    assert fired == []
    later.cancel()
    at.cancel()
    assert_usable(loop)


def test_a8_a_loop_with_only_a_huge_timer_sleeps_and_wakes(loop):
    loop.call_later(math.inf, print)
    loop.call_later(1e12, print)
    run(loop, asyncio.sleep(0.01))


@pytest.mark.parametrize("delay", [-1, -1e308, -math.inf, -0.0, 5e-324, False, 0])
def test_a9_negative_and_tiny_delays_fire_in_the_next_turns(loop, delay):
    fired = []
    loop.call_later(delay, fired.append, 1)
    loop.call_at(delay, fired.append, 2)
    run_until(loop, lambda: len(fired) == 2, 5)


@pytest.mark.parametrize(
    "delay", [True, fractions.Fraction(1, 1000), pytest.param(0.001, id="float")]
)
def test_numbers_that_add_to_a_float_are_taken(loop, delay):
    assert loop.call_later(delay, print).when() > loop.time() - 1
    assert_usable(loop)


class Evil(float):
    """A float whose arithmetic and comparisons run Python code."""

    def __lt__(self, other):
        raise ZeroDivisionError

    __gt__ = __le__ = __ge__ = __eq__ = __lt__
    __hash__ = float.__hash__


@pytest.mark.hotloop_only(reason="asyncio compares whatever object it was given")
def test_a_float_with_evil_comparisons_is_a_float(loop):
    fired = []
    for number in range(10):
        loop.call_at(Evil(loop.time() + 0.001 * number), fired.append, number)
    run_until(loop, lambda: len(fired) == 10)


def test_an_evil_number_propagates_its_own_error(loop):
    class Number:
        def __float__(self):
            raise ZeroDivisionError

        __radd__ = __add__ = __lt__ = __gt__ = __le__ = lambda self, other: 1 // 0

    with pytest.raises((ZeroDivisionError, TypeError)):
        loop.call_later(Number(), print)
    assert_usable(loop)
