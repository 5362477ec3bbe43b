# SPDX-License-Identifier: MIT
"""U3, U4 and the plain life of a Future."""

import asyncio
import contextlib
import gc
import weakref

import pytest

from tests.tools import PY, turns


def test_pending_then_done(loop):
    future = loop.create_future()
    assert not future.done() and not future.cancelled()
    assert future._state == "PENDING"
    with pytest.raises(asyncio.InvalidStateError, match=r"Result is not set\."):
        future.result()
    with pytest.raises(asyncio.InvalidStateError, match=r"Exception is not set\."):
        future.exception()
    assert future.set_result(42) is None
    assert future.done() and future.result() == 42 and future.exception() is None
    assert future._state == "FINISHED"


@pytest.mark.parametrize("second", ["set_result", "set_exception"])
def test_u4_setting_twice(loop, second):
    future = loop.create_future()
    future.set_result(1)
    with pytest.raises(asyncio.InvalidStateError):
        getattr(future, second)(ValueError())
    assert future.result() == 1


def test_u4_setting_after_cancel(loop):
    future = loop.create_future()
    assert future.cancel() is True
    assert future.cancel() is False
    with pytest.raises(asyncio.InvalidStateError):
        future.set_result(1)
    with pytest.raises(asyncio.CancelledError):
        future.result()
    with pytest.raises(asyncio.CancelledError):
        future.exception()
    assert future._state == "CANCELLED"


def test_an_exception_is_raised_each_time_with_the_traceback_it_had(loop):
    future = loop.create_future()
    error = ValueError("mine")
    future.set_exception(error)
    depths = []
    for _ in range(3):
        with pytest.raises(ValueError) as caught:
            future.result()
        assert caught.value is error
        depth, tb = 0, error.__traceback__
        while tb is not None:
            depth, tb = depth + 1, tb.tb_next
        depths.append(depth)
    assert len(set(depths)) == 1
    assert future.exception() is error


def test_u4_a_class_is_instantiated(loop):
    future = loop.create_future()
    future.set_exception(ValueError)
    assert isinstance(future.exception(), ValueError)


@pytest.mark.parametrize("junk", [42, None, "text", object, int])
def test_u4_what_is_no_exception_is_a_type_error(loop, junk):
    future = loop.create_future()
    with pytest.raises(TypeError):
        future.set_exception(junk)
    assert not future.done()


@pytest.mark.parametrize("made", [StopIteration, StopIteration(1)])
def test_u4_stop_iteration(loop, made):
    future = loop.create_future()
    if PY < (3, 12):
        with pytest.raises(TypeError, match="StopIteration interacts badly with generators"):
            future.set_exception(made)
        return
    try:
        future.set_exception(made)
    except TypeError as error:
        assert "StopIteration" in str(error) and PY == (3, 12)
        return
    with pytest.raises(RuntimeError, match="StopIteration") as caught:
        future.result()
    assert isinstance(caught.value.__cause__, StopIteration)


@pytest.mark.skipif(PY >= (3, 15), reason="refused from 3.15 on")
def test_u3_init_again_resets_and_drops_callbacks(loop):
    seen = []
    future = loop.create_future()
    future.add_done_callback(seen.append)
    future.set_result(1)
    future.__init__(loop=loop)
    assert not future.done() and not future._callbacks
    future.set_result(2)
    turns(loop)
    assert future.result() == 2
    assert len(seen) == 1  # the first result's, scheduled before the reset


@pytest.mark.skipif(PY < (3, 15), reason="from 3.15 on")
def test_u3_init_again_is_refused(loop):
    future = loop.create_future()
    future.set_result(1)
    with pytest.raises(RuntimeError, match="already initialized"):
        future.__init__(loop=loop)
    assert future.result() == 1


@pytest.mark.skipif(PY >= (3, 15), reason="refused from 3.15 on")
def test_u3_init_again_from_a_callback(loop):
    future = loop.create_future()
    future.add_done_callback(lambda f: f.__init__(loop=loop))
    future.set_result(1)
    turns(loop)
    assert not future.done()


def test_a1_a_future_that_was_never_initialised(loop):
    kind = type(loop.create_future())
    future = kind.__new__(kind, loop=loop)
    calls = [
        future.result,
        future.exception,
        future.cancel,
        future.done,
        future.cancelled,
        future.get_loop,
        future._make_cancelled_error,
        lambda: future.set_result(1),
        lambda: future.set_exception(ValueError()),
        lambda: future.add_done_callback(print),
        lambda: future.remove_done_callback(print),
        lambda: next(iter(future)),
        lambda: repr(future),
    ]
    for call in calls:
        with contextlib.suppress(RuntimeError, AttributeError, asyncio.InvalidStateError):
            call()
    with pytest.raises(RuntimeError, match="not initialized"):
        future.get_loop()
    future = calls = call = None
    gc.collect()


def test_it_knows_its_loop(loop):
    future = loop.create_future()
    assert future.get_loop() is loop and future._loop is loop
    assert asyncio.isfuture(future)
    with pytest.raises(AttributeError):
        future._loop = None


def test_the_blocking_flag_can_be_set(loop):
    future = loop.create_future()
    assert future._asyncio_future_blocking is False
    future._asyncio_future_blocking = True
    assert future._asyncio_future_blocking is True
    future._asyncio_future_blocking = False


def test_private_setters_refuse_deletion_and_true(loop):
    future = loop.create_future()
    with pytest.raises((AttributeError, TypeError)):
        del future._asyncio_future_blocking
    with pytest.raises((AttributeError, TypeError)):
        del future._log_traceback
    with pytest.raises(ValueError, match="_log_traceback can only be set to False"):
        future._log_traceback = True


def test_it_takes_attributes_weak_references_and_subscription(loop):
    future = loop.create_future()
    future.mine = 1
    assert future.mine == 1
    assert weakref.ref(future)() is future
    assert asyncio.Future[int]
    assert type(future)[int]


def test_repr(loop):
    future = loop.create_future()
    assert "pending" in repr(future) and repr(future).startswith("<Future pending")
    future.add_done_callback(print)
    assert "cb=[print()]" in repr(future)
    future.set_result(42)
    turns(loop)
    assert repr(future) == "<Future finished result=42>"
    failed = loop.create_future()
    failed.set_exception(ValueError("mine"))
    assert repr(failed) == "<Future finished exception=ValueError('mine')>"
    failed.exception()
    cancelled = loop.create_future()
    cancelled.cancel()
    assert repr(cancelled) == "<Future cancelled>"


def test_repr_of_itself_as_result_ends(loop):
    future = loop.create_future()
    future.set_result([future])
    assert "..." in repr(future)


def test_the_loop_argument_may_be_left_out_inside_a_loop(loop):
    kind = type(loop.create_future())

    async def main():
        return kind().get_loop(), kind(loop=None).get_loop()

    assert loop.run_until_complete(main()) == (loop, loop)


def test_a_result_that_is_any_object_comes_back_as_itself(loop):
    async def wait(future):
        return await future

    for value in (None, (), (1, 2), StopIteration(3), ValueError("x"), object(), [1]):
        future = loop.create_future()
        loop.call_soon(future.set_result, value)
        assert loop.run_until_complete(wait(future)) is value
