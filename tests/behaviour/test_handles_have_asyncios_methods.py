# SPDX-License-Identifier: MIT
"""Handle and TimerHandle: the methods, the private names that tools read, repr, identity."""

import asyncio
import contextvars
import functools
import gc
import weakref

import pytest

import hotloop
from tests.tools import PY, turns


def callback(*args, **kwargs):
    """A callback with a stable name."""


class Callable:
    def __call__(self):
        pass


@pytest.fixture(params=["call_soon", "call_soon_threadsafe", "call_later", "call_at"])
def make(request, loop):
    """A function that schedules its arguments by each of the four calls in turn."""

    def schedule(function, *args, **kwargs):
        if request.param == "call_later":
            return loop.call_later(60, function, *args, **kwargs)
        if request.param == "call_at":
            return loop.call_at(loop.time() + 60, function, *args, **kwargs)
        return getattr(loop, request.param)(function, *args, **kwargs)

    schedule.is_timer = request.param in ("call_later", "call_at")
    return schedule


def test_they_are_instances_of_asyncios_classes(make):
    handle = make(callback)
    assert isinstance(handle, asyncio.Handle)
    assert isinstance(handle, asyncio.TimerHandle) == make.is_timer


def test_private_names_are_there(loop, make):
    context = contextvars.Context()
    handle = make(callback, 1, "two", context=context)
    assert handle._callback is callback
    assert handle._args == (1, "two")
    assert handle._context is context
    assert handle._loop is loop
    assert handle._cancelled is False
    assert handle._source_traceback is None
    handle.cancel()
    assert handle._cancelled is True


def test_no_arguments_are_an_empty_tuple(make):
    assert make(callback)._args in ((), [])


@pytest.mark.skipif(PY < (3, 12), reason="get_context() came with 3.12")
def test_get_context_gives_the_context(make):
    context = contextvars.Context()
    assert make(callback, context=context).get_context() is context
    assert isinstance(make(callback).get_context(), contextvars.Context)


def test_cancel_lets_go_of_callback_and_arguments(make):
    argument = Callable()
    function = Callable()
    gone = [weakref.ref(argument), weakref.ref(function)]
    handle = make(function, argument)
    del argument, function
    assert handle.cancelled() is False
    assert handle.cancel() is None
    assert handle.cancelled() is True
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
    assert handle._callback is None and handle._args is None
    handle.cancel()
    assert handle.cancelled() is True


def test_run_calls_the_callback_with_its_arguments_in_its_context(loop, make):
    var = contextvars.ContextVar("var")
    context = contextvars.Context()
    seen = []
    handle = make(lambda *args: (seen.append(args), var.set(1)), 1, 2, context=context)
    handle._run()
    assert seen == [(1, 2)] and context[var] == 1
    handle.cancel()


def test_run_reports_what_the_callback_raises(make, reports):
    handle = make(lambda: 1 / 0)
    handle._run()
    handle.cancel()
    assert isinstance(reports[0]["exception"], ZeroDivisionError)
    assert reports[0]["handle"] is handle
    assert reports[0]["message"].startswith("Exception in callback")


def test_a_weak_reference_and_an_identity(make):
    handle = make(callback)
    assert weakref.ref(handle)() is handle
    assert handle == handle
    assert {handle: 1}[handle] == 1


def test_they_take_no_foreign_attributes_or_keep_them(make):
    """asyncio's are slotted; the answer is AttributeError or a kept value."""
    handle = make(callback)
    try:
        handle.mine = 1
    except AttributeError:
        return
    assert handle.mine == 1


def test_repr_names_the_callback(loop, make):
    """From 3.13 on the arguments are shown in debug mode only."""
    loop.set_debug(True)
    handle = make(callback, 1, "two")
    kind = "TimerHandle when=" if make.is_timer else "Handle"
    text = repr(handle)
    assert text.startswith((f"<{kind}", "<_ThreadSafeHandle"))
    assert "callback(1, 'two')" in text and "test_handles_have_asyncios_methods.py" in text
    handle.cancel()
    assert "cancelled" in repr(handle) and "callback(1" in repr(handle)
    loop.set_debug(False)
    handle = make(callback, 1, "two")
    handle.cancel()
    assert "cancelled" in repr(handle) and "callback" not in repr(handle)


def test_repr_without_debug_mode(loop):
    handle = loop.call_soon(callback, 1, "two")
    arguments = "" if PY >= (3, 13) else "1, 'two'"
    assert repr(handle).startswith(f"<Handle callback({arguments}) at /")


def test_repr_of_a_partial_and_of_a_method(loop):
    loop.set_debug(True)
    partial = loop.call_soon(functools.partial(callback, 1, key=2), 3)
    assert "callback(1, key=2)(3)" in repr(partial)
    assert "append(1)" in repr(loop.call_soon([].append, 1))
    assert "Callable" in repr(loop.call_soon(Callable()))


def test_repr_in_debug_mode_says_where_it_was_made(loop):
    loop.set_debug(True)
    handle = loop.call_soon(callback)
    assert "created at" in repr(handle)
    assert "test_handles_have_asyncios_methods.py" in repr(handle).split("created at")[1]
    assert handle._source_traceback[-1].name == "test_repr_in_debug_mode_says_where_it_was_made"
    handle.cancel()
    assert "created at" in repr(handle)


def test_when_is_the_deadline(loop):
    when = loop.time() + 12.5
    handle = loop.call_at(when, callback)
    assert handle.when() == when
    assert handle._when == when
    assert f"when={when}" in repr(handle)
    before = loop.time()
    later = loop.call_later(7.25, callback).when()
    assert before + 7.25 <= later <= loop.time() + 7.25


def test_scheduled_is_true_until_the_timer_fires_or_is_cancelled(loop):
    fires, cancelled = loop.call_later(0, callback), loop.call_later(60, callback)
    assert fires._scheduled and cancelled._scheduled
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    cancelled.cancel()
    assert not fires._scheduled
    assert cancelled.cancelled()


def test_a_zero_delay_still_gives_a_timer_handle(loop):
    for delay in (0, -1, 0.0001):
        assert isinstance(loop.call_later(delay, callback), asyncio.TimerHandle)


def test_format_handle_of_asyncio_understands_them(loop):
    handle = loop.call_soon(callback)
    assert "callback" in asyncio.base_events._format_handle(handle)
    turns(loop)


def test_a1_constructing_one_directly_is_refused_or_harmless(loop):
    """A1: both loops' handle types, with junk."""
    kind = type(loop.call_soon(callback))
    for args in [(), (1, 2, 3), (None, None, None), (callback, (), None)]:
        try:
            handle = kind(*args)
        except (TypeError, AttributeError):
            continue
        with pytest.raises((TypeError, RuntimeError, AttributeError)):
            handle._run()
        repr(handle)
    turns(loop)


class Mine(Exception):
    """What the objects below raise."""


class NoTruth:
    def __bool__(self):
        raise Mine

    def __eq__(self, other):
        raise Mine

    __hash__ = None


def test_a_timer_made_by_hand(loop):
    kind = type(loop.call_later(60, callback))

    class Refuses:
        def get_debug(self):
            return False

        def _timer_handle_cancelled(self, handle):
            raise Mine

    handle = kind(1.0, callback, (), Refuses())
    with pytest.raises(Mine):
        handle.cancel()


def test_comparing_what_cannot_be_compared(loop):
    when = loop.time() + 60
    handles = [loop.call_at(when, callback, NoTruth()) for _ in range(2)]
    with pytest.raises(Mine):
        handles[0] == handles[1]  # noqa: B015
    for handle in handles:
        handle.cancel()


@pytest.mark.hotloop_only(reason="asyncio's fields take anything")
def test_what_is_no_time_is_refused(loop):
    handle = loop.call_later(60, callback)
    with pytest.raises(TypeError):
        type(handle)("soon", callback, (), loop)
    with pytest.raises(TypeError):
        handle._when = "soon"
    with pytest.raises(TypeError):
        del handle._when
    with pytest.raises(Mine):
        handle._scheduled = NoTruth()
    with pytest.raises(Mine):
        loop.set_debug(NoTruth())
    handle.cancel()


@pytest.mark.hotloop_only(reason="asyncio has a handle for each step as it is")
def test_a_hook_in_handle_run_may_keep_what_it_sees(loop, monkeypatch):
    """Each step of a task is shown as a handle; it holds the task, and nothing else does."""
    kept = []
    stock = asyncio.Handle._run

    def hook(handle):
        kept.append(handle)
        return stock(handle)

    class Task(hotloop.Task):
        pass

    with monkeypatch.context() as patch:
        patch.setattr(asyncio.Handle, "_run", hook)
        task = Task(asyncio.sleep(0), loop=loop)
        loop.run_until_complete(task)
    gone = weakref.ref(task)
    del task
    gc.collect()
    assert kept and gone() is not None
    kept.clear()
    gc.collect()
    assert gone() is None
