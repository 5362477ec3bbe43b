# SPDX-License-Identifier: MIT
"""Done callbacks: order, contexts, removal, and the evil objects of U1, U2."""

import asyncio
import contextvars
import gc

import pytest

from tests.tools import PY, assert_usable, turns


@pytest.fixture
def make(loop, loop_kind):
    """A Future for the evil tests: ours, or asyncio's in Python, as its C one may crash on them."""
    kind = asyncio.futures._PyFuture if loop_kind == "asyncio" else type(loop.create_future())

    def future(its_loop=loop):
        return kind(loop=its_loop)

    return future


def nothing(future):
    pass


def test_in_the_order_added_and_through_the_loop(loop):
    seen = []
    future = loop.create_future()
    for number in range(10):
        future.add_done_callback(lambda f, n=number: seen.append((n, f.result())))
    future.set_result("r")
    assert seen == []
    turns(loop)
    assert seen == [(number, "r") for number in range(10)]


def test_one_added_when_done_is_scheduled_at_once(loop):
    seen = []
    future = loop.create_future()
    future.set_result(1)
    future.add_done_callback(seen.append)
    assert seen == []
    turns(loop)
    assert seen == [future]


def test_a_callback_added_by_a_callback_runs_in_the_next_turn(loop):
    seen = []
    future = loop.create_future()
    future.add_done_callback(lambda f: f.add_done_callback(seen.append))
    future.set_result(1)
    turns(loop)
    assert seen == []
    turns(loop)
    assert seen == [future]


def test_contexts(loop):
    var = contextvars.ContextVar("var", default="outer")
    seen = []
    context = contextvars.Context()
    context.run(var.set, "given")
    future = loop.create_future()

    def add():
        var.set("adder's")
        future.add_done_callback(lambda f: seen.append(var.get()))
        future.add_done_callback(lambda f: seen.append(var.get()), context=context)

    contextvars.Context().run(add)
    future.set_result(None)
    turns(loop)
    assert seen == ["adder's", "given"]


def test_remove_takes_all_equal_ones_and_counts(loop):
    seen = []
    future = loop.create_future()
    for _ in range(3):
        future.add_done_callback(seen.append)
    future.add_done_callback(print)
    assert future.remove_done_callback(seen.append) == 3
    assert future.remove_done_callback(seen.append) == 0
    assert future.remove_done_callback(print) == 1
    assert future._callbacks in (None, [])
    future.set_result(1)
    turns(loop)
    assert seen == []


def test_the_callbacks_attribute_lists_pairs(loop):
    context = contextvars.Context()
    future = loop.create_future()
    future.add_done_callback(print, context=context)
    future.add_done_callback(len, context=context)
    assert [tuple(pair) for pair in future._callbacks] == [(print, context), (len, context)]


def test_u1_an_equality_that_removes_callbacks(loop, make):
    class Evil:
        def __eq__(self, other):
            if isinstance(other, Evil):
                future.remove_done_callback(nothing)
            return False

        __hash__ = None

        def __call__(self, future):
            pass

    for before, after in ((1, 1), (3, 0), (0, 3), (5, 5)):
        future = make()
        for _ in range(before):
            future.add_done_callback(nothing)
        future.add_done_callback(Evil())
        for _ in range(after):
            future.add_done_callback(nothing)
        future.remove_done_callback(Evil())
        future.cancel()
        turns(loop)


@pytest.mark.skipif(PY >= (3, 15), reason="init again is refused from 3.15 on")
def test_u1_an_equality_that_clears_everything_by_init(loop, make):
    class Evil:
        def __eq__(self, other):
            future.__init__(loop=loop)
            gc.collect()
            return True

        __hash__ = None

        def __call__(self, future):
            pass

    future = make()
    for _ in range(5):
        future.add_done_callback(Evil())
    future.remove_done_callback(Evil())
    assert_usable(loop)


def test_u1_an_equality_that_adds_callbacks(loop, make):
    class Evil:
        def __eq__(self, other):
            if len(future._callbacks or ()) < 50:
                future.add_done_callback(nothing)
            return NotImplemented

        __hash__ = None

        def __call__(self, future):
            pass

    future = make()
    for _ in range(3):
        future.add_done_callback(Evil())
    future.remove_done_callback(Evil())
    future.cancel()
    assert all(entry[0] is not None for entry in future._callbacks or ())


def test_u1_an_equality_that_raises(loop, make):
    class Evil:
        def __eq__(self, other):
            raise ZeroDivisionError

        __hash__ = None

        def __call__(self, future):
            pass

    future = make()
    future.add_done_callback(Evil())
    future.add_done_callback(Evil())
    with pytest.raises(ZeroDivisionError):
        future.remove_done_callback(Evil())
    assert len(future._callbacks) == 2


class DuckLoop:
    """Just enough of a loop for a Future."""

    def __init__(self, call_soon):
        self.call_soon = call_soon

    def get_debug(self):
        return False

    def call_exception_handler(self, context):
        pass


def test_u2_a_loop_whose_call_soon_raises(make):
    def refuse(*args, **kwargs):
        raise ZeroDivisionError

    future = make(DuckLoop(refuse))
    future.add_done_callback(print)
    with pytest.raises(ZeroDivisionError):
        future.set_result(1)
    assert future.done() and future.result() == 1
    with pytest.raises(ZeroDivisionError):
        future.add_done_callback(print)


def test_u2_a_loop_whose_call_soon_touches_the_future(make):
    seen = []

    def meddle(callback, *args, context=None):
        seen.append(callback)
        future.remove_done_callback(print)
        try:
            future.add_done_callback(callback) if len(seen) < 5 else None
        finally:
            gc.collect()

    future = make(DuckLoop(meddle))
    for _ in range(3):
        future.add_done_callback(print)
    future.set_result(1)
    assert len(seen) >= 3


def test_u2_a_loop_subclass_that_overrides_call_soon_sees_every_wakeup(loop):
    class Counting(type(loop)):
        calls = 0

        def call_soon(self, callback, *args, context=None):
            type(self).calls += 1
            return super().call_soon(callback, *args, context=context)

    counting = Counting()
    try:

        async def main():
            future = counting.create_future()
            future.add_done_callback(lambda f: None)
            counting.call_soon(future.set_result, 1)
            await future
            await asyncio.sleep(0)

        before = Counting.calls
        counting.run_until_complete(main())
        # the task's start, our call, the plain callback, the wakeup, sleep(0), the end
        assert Counting.calls - before >= 6
    finally:
        counting.close()


@pytest.mark.hotloop_only(reason="asyncio's C Future overflows the stack here")
def test_g10_very_many_nested_futures_are_dropped_without_recursion(loop):
    last = None
    for _ in range(200_000):
        future = loop.create_future()
        future.set_result(last)
        last = future
    del future, last
    gc.collect()
    assert_usable(loop)


@pytest.mark.hotloop_only(reason="asyncio's C Future overflows the stack here")
def test_g10_a_long_chain_of_callbacks_that_hold_futures(loop):
    last = loop.create_future()
    for _ in range(100_000):
        future = loop.create_future()
        future.add_done_callback(last.set_result)
        last = future
    del future, last
    gc.collect()
    assert_usable(loop)


def test_one_added_while_others_are_compared_stays(loop):
    seen = []

    class Adding:
        def __call__(self, future):
            seen.append("the one to remove")

        def __eq__(self, other):
            if not seen:
                seen.append("compared")
                future.add_done_callback(lambda _: seen.append("added"))
            return True

        __hash__ = None

    future = loop.create_future()
    future.add_done_callback(nothing)
    future.add_done_callback(Adding())
    future.remove_done_callback(Adding())
    future.set_result(1)
    turns(loop)
    assert seen[0] == "compared" and "the one to remove" not in seen
    assert "added" in seen or isinstance(loop, asyncio.SelectorEventLoop)
