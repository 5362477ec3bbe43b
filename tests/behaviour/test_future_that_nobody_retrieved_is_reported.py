# SPDX-License-Identifier: MIT
"""Never-retrieved exceptions, tasks destroyed while pending, and what silences both."""

import asyncio
import gc
import weakref

import pytest

from tests.tools import turns


async def fails():
    raise ZeroDivisionError("mine")


def test_a_future(loop, reports):
    future = loop.create_future()
    error = ValueError("mine")
    future.set_exception(error)
    del future
    gc.collect()
    (report,) = reports
    assert report["message"] == "Future exception was never retrieved"
    assert report["exception"] is error
    assert asyncio.isfuture(report["future"])


def test_a_task(loop, reports):
    task = loop.create_task(fails())
    turns(loop, 2)
    assert task.done()
    del task
    gc.collect()
    (report,) = reports
    assert report["message"] == "Task exception was never retrieved"
    assert isinstance(report["exception"], ZeroDivisionError)


@pytest.mark.parametrize("look", ["result", "exception", "await", "flag"])
def test_looking_at_it_is_enough(loop, reports, look):
    future = loop.create_future()
    future.set_exception(ValueError("mine"))
    if look == "exception":
        future.exception()
    elif look == "flag":
        future._log_traceback = False
    elif look == "await":
        with pytest.raises(ValueError):
            loop.run_until_complete(future)
    else:
        with pytest.raises(ValueError):
            future.result()
    del future
    gc.collect()
    assert reports == []


def test_cancelling_silences_it(loop, reports):
    future = loop.create_future()
    future.set_exception(ValueError("mine"))
    future.cancel()
    del future
    gc.collect()
    assert reports == []


def test_a_pending_task(loop, reports):
    async def waits():
        await loop.create_future()

    task = loop.create_task(waits())
    turns(loop)
    del task
    gc.collect()
    (report,) = reports
    assert report["message"] == "Task was destroyed but it is pending!"
    assert isinstance(report["task"], asyncio.Task)


def test_a_pending_task_in_debug_mode_says_where(loop, reports):
    loop.set_debug(True)

    async def waits():
        await loop.create_future()

    loop.create_task(waits())
    turns(loop)
    gc.collect()
    assert reports[0]["source_traceback"][-1].filename == __file__


def test_a_pending_task_that_does_not_want_a_report(loop, reports):
    async def waits():
        await loop.create_future()

    task = loop.create_task(waits())
    task._log_destroy_pending = False
    turns(loop)
    del task
    gc.collect()
    assert reports == []


def test_the_subclass_is_named(loop, reports):
    class MyFuture(type(loop.create_future())):
        pass

    future = MyFuture(loop=loop)
    future.set_exception(ValueError())
    del future
    gc.collect()
    assert reports[0]["message"] == "MyFuture exception was never retrieved"


def test_g3_a_handler_may_keep_the_future_alive(loop):
    kept = []
    loop.set_exception_handler(lambda loop, context: kept.append(context["future"]))
    future = loop.create_future()
    future.set_exception(ValueError("mine"))
    gone = weakref.ref(future)
    del future
    gc.collect()
    assert len(kept) == 1
    with pytest.raises(ValueError):
        kept[0].result()
    kept.clear()
    gc.collect()
    assert gone() is None


def test_the_default_handler_logs_it(loop, asyncio_log):
    future = loop.create_future()
    future.set_exception(ValueError("mine"))
    del future
    gc.collect()
    (message,) = asyncio_log.messages
    assert message.startswith("Future exception was never retrieved\nfuture: <Future finished")


def test_an_exception_in_flight_survives_the_finaliser(loop, reports):
    def scope():
        future = loop.create_future()
        future.set_exception(ValueError())
        raise KeyError("in flight")

    with pytest.raises(KeyError, match="in flight"):
        scope()
    gc.collect()
    assert len(reports) == 1


def test_a_handler_that_fails_in_the_finaliser_is_contained(loop, asyncio_log):
    loop.set_exception_handler(lambda loop, context: 1 / 0)
    future = loop.create_future()
    future.set_exception(ValueError())
    del future
    gc.collect()
    assert asyncio_log.messages[0].startswith("Unhandled error in exception handler")
