# SPDX-License-Identifier: MIT
"""A cancelled Handle is never run, whenever it was cancelled."""

from tests.tools import turns


def test_cancelled_before_the_turn(loop):
    seen = []
    handle = loop.call_soon(seen.append, 1)
    loop.call_soon(seen.append, 2)
    handle.cancel()
    turns(loop)
    assert seen == [2]


def test_cancelled_by_an_earlier_callback_of_the_same_turn(loop):
    seen = []
    loop.call_soon(lambda: handle.cancel())
    handle = loop.call_soon(seen.append, 1)
    turns(loop)
    assert seen == [] and handle.cancelled()


def test_cancelled_by_itself(loop):
    seen = []

    def cancel_me(*args):
        handle.cancel()
        seen.append(args)

    handle = loop.call_soon(cancel_me, 1, 2)
    turns(loop)
    assert seen == [(1, 2)] and handle.cancelled()


def test_cancelled_after_it_ran(loop):
    seen = []
    handle = loop.call_soon(seen.append, 1)
    turns(loop)
    handle.cancel()
    turns(loop)
    assert seen == [1] and handle.cancelled()


def test_half_of_many(loop):
    seen = []
    handles = [loop.call_soon(seen.append, number) for number in range(1000)]
    for handle in handles[::2]:
        handle.cancel()
    turns(loop)
    assert seen == list(range(1, 1000, 2))


def test_u6_the_argument_may_cancel_its_handle_when_it_dies(loop):
    """U6: __del__ of an argument reaches back to the handle that held it."""
    seen = []

    class Argument:
        def __del__(self):
            handles[0].cancel()
            loop.call_soon(seen.append, "from __del__")

    handles = [loop.call_soon(lambda argument: None, Argument())]
    handles[0].cancel()
    turns(loop)
    assert seen == ["from __del__"]
