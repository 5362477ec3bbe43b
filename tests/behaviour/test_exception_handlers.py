# SPDX-License-Identifier: MIT
"""A29, A30, X9, S10: what reaches an exception handler, and a handler that fails itself."""

import asyncio
import contextvars
import sys

import pytest

from tests.tools import PY, assert_usable, run, settle, socket_pair, turns, until


def fail():
    raise ZeroDivisionError("mine")


def test_the_context_of_a_failing_callback(loop, reports):
    handle = loop.call_soon(fail)
    turns(loop)
    (report,) = reports
    assert set(report) == {"message", "exception", "handle"}
    assert report["message"].startswith("Exception in callback fail() at ")
    assert isinstance(report["exception"], ZeroDivisionError)
    assert report["handle"] is handle
    assert report["exception"].__traceback__.tb_frame is not None


def test_a_failing_timer(loop, reports):
    loop.call_later(0, fail)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert isinstance(reports[0]["handle"], asyncio.TimerHandle)


def test_a_failing_done_callback(loop, reports):
    """Ring entries have no Handle; one is made for the report."""
    future = loop.create_future()
    future.add_done_callback(lambda future: fail())
    future.set_result(None)
    turns(loop)
    (report,) = reports
    assert isinstance(report["handle"], asyncio.Handle)
    assert "lambda" in report["message"]


def test_the_rest_of_the_turn_goes_on(loop, reports):
    seen = []
    loop.call_soon(fail)
    loop.call_soon(seen.append, 1)
    turns(loop)
    assert seen == [1] and len(reports) == 1


def test_the_default_handler_logs(loop, asyncio_log):
    loop.call_soon(fail)
    turns(loop)
    (record,) = asyncio_log.records
    assert record.levelname == "ERROR"
    assert record.getMessage().startswith("Exception in callback fail() at ")
    assert "handle: <Handle fail() at " in record.getMessage()
    assert record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize("where", ["protocol", "done callback", "task"])
def test_the_default_handler_logs_in_debug_mode(loop, asyncio_log, where):
    """Whatever runs, its error is told, though not each has a place where it was made."""
    loop.set_debug(True)
    near, far = socket_pair("unix")
    near.setblocking(False)

    class Fails(asyncio.Protocol):
        def data_received(self, data):
            fail()

    async def work():
        transport, _ = await loop.create_unix_connection(Fails, sock=near)
        if where == "protocol":
            far.send(b"x")
        elif where == "done callback":
            future = loop.create_future()
            future.add_done_callback(lambda _: fail())
            future.set_result(None)
        else:
            task = loop.create_task(asyncio.sleep(0))
            task.add_done_callback(lambda _: fail())
        await until(lambda: asyncio_log.messages)
        transport.abort()

    with far:
        run(loop, work())
        settle(loop)
    assert len(asyncio_log.messages) == 1
    assert "Exception in default exception handler" not in asyncio_log.messages[0]
    assert asyncio_log.records[0].exc_info[0] is ZeroDivisionError


def test_set_and_get(loop):
    def handler(loop, context):
        pass

    assert loop.get_exception_handler() is None
    loop.set_exception_handler(handler)
    assert loop.get_exception_handler() is handler
    loop.set_exception_handler(None)
    assert loop.get_exception_handler() is None


@pytest.mark.parametrize("junk", [42, "text", ()])
def test_a30_junk_is_a_type_error(loop, junk):
    with pytest.raises(TypeError, match="A callable object or None is expected"):
        loop.set_exception_handler(junk)
    assert loop.get_exception_handler() is None


def test_it_gets_the_loop_and_may_call_the_default(loop, asyncio_log):
    seen = []

    def handler(its_loop, context):
        seen.append(its_loop)
        its_loop.default_exception_handler(context)

    loop.set_exception_handler(handler)
    loop.call_exception_handler({"message": "by hand", "key": 1})
    assert seen == [loop]
    assert asyncio_log.messages == ["by hand\nkey: 1"]


def test_a_missing_message_has_a_default(loop, asyncio_log):
    loop.call_exception_handler({})
    assert asyncio_log.messages == ["Unhandled exception in event loop"]


def test_a29_a_handler_that_raises_is_logged(loop, asyncio_log):
    loop.set_exception_handler(lambda loop, context: 1 / 0)
    loop.call_soon(fail)
    turns(loop)
    assert asyncio_log.messages[0].startswith("Unhandled error in exception handler")
    assert_usable(loop)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_a29_a_handler_that_wants_to_leave_leaves(loop, kind):
    def handler(loop, context):
        raise kind

    loop.set_exception_handler(handler)
    loop.call_soon(fail)
    with pytest.raises(kind):
        loop.run_forever()
    assert not loop.is_running()
    assert_usable(loop)


def test_a_default_handler_that_raises_is_logged(loop, asyncio_log, monkeypatch):
    monkeypatch.setattr(
        type(loop), "default_exception_handler", lambda self, context: 1 / 0, raising=False
    )
    loop.call_exception_handler({"message": "x"})
    assert asyncio_log.messages[0].startswith("Exception in default exception handler")


def test_an_instances_call_exception_handler_is_honoured(loop):
    """Tests of many projects patch it on the instance."""
    seen = []
    loop.call_exception_handler = seen.append
    loop.call_soon(fail)
    future = loop.create_future()
    future.set_exception(ValueError())
    del future
    turns(loop)
    assert {type(context["exception"]) for context in seen} == {ZeroDivisionError, ValueError}


@pytest.mark.skipif(PY < (3, 12), reason="from 3.12 on")
def test_it_runs_in_the_context_of_the_handle(loop):
    var = contextvars.ContextVar("var", default=None)
    seen = []
    loop.set_exception_handler(lambda loop, context: seen.append(var.get()))
    context = contextvars.Context()
    context.run(var.set, "mine")
    loop.call_soon(fail, context=context)
    turns(loop)
    assert seen == ["mine"]


@pytest.mark.skipif(PY < (3, 12), reason="from 3.12 on")
def test_it_runs_in_the_context_of_the_task(loop):
    var = contextvars.ContextVar("var", default=None)
    seen = []
    loop.set_exception_handler(lambda loop, context: seen.append(var.get()))

    async def work():
        var.set("task's")
        fail()

    task = loop.create_task(work())
    turns(loop, 2)
    del task
    import gc

    gc.collect()
    assert seen == ["task's"]


def test_x9_a_cancelled_error_from_a_callback_is_reported(loop, reports):
    def cancelled():
        raise asyncio.CancelledError("mine")

    loop.call_soon(cancelled)
    turns(loop)
    assert isinstance(reports[0]["exception"], asyncio.CancelledError)
    assert_usable(loop)


@pytest.mark.parametrize("kind", [GeneratorExit, BaseException, StopIteration, BaseExceptionGroup])
def test_other_base_exceptions_are_reported_too(loop, reports, kind):
    error = kind("mine", [ValueError()]) if kind is BaseExceptionGroup else kind("mine")

    def leave():
        raise error

    loop.call_soon(leave)
    turns(loop)
    assert reports[0]["exception"] is error
    assert_usable(loop)


def test_s10_a_trace_function_that_raises(loop, reports):
    """The traced callback fails with the tracer's error; the loop goes on."""

    def tracer(frame, event, arg):
        if frame.f_code is fail.__code__:
            raise RuntimeError("tracer")
        return None

    loop.call_soon(fail)
    loop.call_soon(loop.stop)
    sys.settrace(tracer)
    try:
        loop.run_forever()
    finally:
        sys.settrace(None)
    assert [str(report["exception"]) for report in reports] == ["tracer"]
    assert_usable(loop)
