# SPDX-License-Identifier: MIT
"""TimerHandle's order is that of the deadlines; equality looks at the callback too."""

import pytest


def nothing(*args):
    pass


def other(*args):
    pass


def test_order(loop):
    now = loop.time() + 60
    early, late = loop.call_at(now, nothing), loop.call_at(now + 1, nothing)
    assert early < late and early <= late and late > early and late >= early
    assert not (late < early or late <= early or early > late or early >= late)
    assert early != late and not early == late


def test_equal_deadline_and_callback_are_equal(loop):
    when = loop.time() + 60
    first, second = loop.call_at(when, nothing, 1), loop.call_at(when, nothing, 1)
    assert first == second and not first != second
    assert first <= second and first >= second
    assert not (first < second or first > second)


def test_equal_deadline_and_other_callback_are_not(loop):
    when = loop.time() + 60
    assert loop.call_at(when, nothing) != loop.call_at(when, other)
    assert loop.call_at(when, nothing, 1) != loop.call_at(when, nothing, 2)


def test_a_cancelled_one_differs_from_a_live_one(loop):
    when = loop.time() + 60
    live, dead = loop.call_at(when, nothing), loop.call_at(when, nothing)
    dead.cancel()
    assert live != dead


def test_they_hash_by_the_deadline(loop):
    when = loop.time() + 60
    first, second = loop.call_at(when, nothing), loop.call_at(when, nothing)
    assert hash(first) == hash(second) == hash(when)


def test_they_sort(loop):
    now = loop.time() + 60
    made = [loop.call_at(now + offset, nothing) for offset in (5, 3, 9, 1)]
    assert [handle.when() - now for handle in sorted(made)] == pytest.approx([1, 3, 5, 9])


@pytest.mark.parametrize("junk", [1, None, "text", object()])
def test_against_anything_else_they_are_unequal_and_unordered(loop, junk):
    handle = loop.call_later(60, nothing)
    assert handle != junk
    with pytest.raises(TypeError):
        handle < junk  # noqa: B015
    with pytest.raises(TypeError):
        junk >= handle  # noqa: B015


def test_a_plain_handle_is_unequal_to_a_timer(loop):
    soon, later = loop.call_soon(nothing), loop.call_later(60, nothing)
    assert soon != later and later != soon
