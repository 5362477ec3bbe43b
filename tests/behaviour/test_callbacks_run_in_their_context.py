# SPDX-License-Identifier: MIT
"""Each call_* runs its callback in the context given, or in a copy of the caller's (A34, U11)."""

import contextvars
import os
import weakref

import pytest

from tests.tools import assert_usable, turns

VAR = contextvars.ContextVar("VAR", default="default")


def schedulers(loop):
    return {
        "call_soon": loop.call_soon,
        "call_soon_threadsafe": loop.call_soon_threadsafe,
        "call_later": lambda *args, **kw: loop.call_later(0, *args, **kw),
        "call_at": lambda *args, **kw: loop.call_at(loop.time(), *args, **kw),
    }


NAMES = ["call_soon", "call_soon_threadsafe", "call_later", "call_at"]


@pytest.mark.parametrize("name", NAMES)
def test_the_callers_context_is_copied(loop, name):
    seen = []

    def schedule():
        VAR.set("mine")
        schedulers(loop)[name](lambda: (seen.append(VAR.get()), VAR.set("changed")))
        VAR.set("later")

    context = contextvars.Context()
    context.run(schedule)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert seen == ["mine"]
    assert context[VAR] == "later"
    assert VAR.get() == "default"


@pytest.mark.parametrize("name", NAMES)
def test_a_given_context_is_used_itself(loop, name):
    context = contextvars.Context()
    handle = schedulers(loop)[name](VAR.set, "inside", context=context)
    assert handle._context is context
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert context[VAR] == "inside"
    assert VAR.get() == "default"


def test_two_callbacks_share_a_context_in_order(loop):
    context = contextvars.Context()
    seen = []
    loop.call_soon(VAR.set, 1, context=context)
    loop.call_soon(lambda: seen.append(VAR.get()), context=context)
    loop.call_soon(lambda: seen.append(VAR.get()))
    turns(loop)
    assert seen == [1, "default"]


def test_u11_a_context_that_is_entered_already_is_reported_and_the_loop_goes_on(
    loop, reports, asyncio_log
):
    """From 3.12 on asyncio runs the handler in that very context, and logs that it cannot."""
    context = contextvars.Context()
    seen = []

    def inside():
        loop.call_soon(seen.append, "never", context=context)
        loop.call_soon(seen.append, "beside")
        turns(loop)

    context.run(inside)
    assert seen == ["beside"]
    told = [repr(report["exception"]) for report in reports] + asyncio_log.messages
    assert len(told) == 1 and "is already entered" in told[0]
    assert_usable(loop)


def test_a_descriptors_callback_has_its_context(loop):
    near, far = os.pipe()
    seen = []

    def register():
        VAR.set("registered")
        loop.add_reader(near, lambda: (seen.append(VAR.get()), loop.stop()))

    contextvars.Context().run(register)
    os.write(far, b"x")
    loop.run_forever()
    loop.remove_reader(near)
    os.close(near)
    os.close(far)
    assert seen == ["registered"]


def test_a_context_that_somebody_kept_is_not_given_to_another_callback(loop):
    """hotloop uses empty contexts again: never one that a reference or weak reference shows."""
    kept, watched, dead = [], [], []

    def keep():
        kept.append(contextvars.copy_context())
        VAR.set("mine")

    def body():
        for _ in range(100):
            loop.call_soon(keep)
            handle = loop.call_soon(bool)
            watched.append(weakref.ref(handle._context, dead.append))
            turns(loop, 2)
            del handle
        handles = [loop.call_soon(int) for _ in range(300)]
        assert len({id(handle._context) for handle in handles}) == 300
        turns(loop, 2)

    contextvars.Context().run(body)
    assert all(len(context) == 0 for context in kept)
    assert len(dead) == 100 and all(reference() is None for reference in watched)
    assert VAR.get() == "default"


def test_what_a_callback_sets_is_not_seen_by_those_that_come_later(loop):
    seen = []

    def body():
        for number in range(100):
            loop.call_soon(lambda number=number: seen.append((VAR.get(), VAR.set(number))[0]))
            turns(loop, 2)

    contextvars.Context().run(body)
    assert seen == ["default"] * 100


@pytest.mark.hotloop_only("asyncio leaves such a task pending for ever")
def test_u11_a_task_whose_context_is_entered_already_ends_with_that(loop, reports):
    context = contextvars.copy_context()

    async def nothing():
        pass

    coroutine = nothing()
    task = loop.create_task(coroutine, context=context)
    context.run(turns, loop, 3)
    coroutine.close()  # it never began
    (report,) = reports
    assert "cannot enter context" in str(report["exception"])
    assert task.exception() is report["exception"]
    assert_usable(loop)
