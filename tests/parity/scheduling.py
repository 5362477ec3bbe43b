# SPDX-License-Identifier: MIT
"""Scheduling, handles, clock."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time

from .rows import Trial, raises, row

place = contextvars.ContextVar("place", default="here")


@row("call_soon(..., context=)", (3, 7))
def _(t: Trial) -> None:
    there = contextvars.copy_context()
    there.run(place.set, "there")
    seen = []
    t.loop.call_soon(lambda *args: seen.append((*args, place.get())), 1, 2)
    t.loop.call_soon(lambda: seen.append(place.get()), context=there)
    t.turns()
    assert seen == [(1, 2, "here"), "there"]


@row("call_soon_threadsafe")
def _(t: Trial) -> None:
    seen = []

    async def main():
        done = asyncio.Event()

        def end():
            seen.append(threading.current_thread())
            done.set()

        thread = threading.Thread(target=lambda: t.loop.call_soon_threadsafe(end))
        thread.start()
        await done.wait()
        thread.join()

    t.run(main())
    assert seen == [threading.main_thread()]


@row("... its handle's cancel() waits while the callback runs (_ThreadSafeHandle)", (3, 14))
def _(t: Trial) -> None:
    order = []
    running = threading.Event()
    cancelling = threading.Event()

    def callback():
        running.set()
        cancelling.wait(5)
        time.sleep(0.02)
        order.append("callback ends")
        t.loop.stop()

    handles = []

    def other():
        handles.append(t.loop.call_soon_threadsafe(callback))
        running.wait(5)
        cancelling.set()
        handles[0].cancel()
        order.append("cancel returns")

    thread = threading.Thread(target=other)
    thread.start()
    t.loop.run_forever()
    thread.join()
    assert order == ["callback ends", "cancel returns"], "it sets a flag only"


@row("call_later, call_at")
def _(t: Trial) -> None:
    late = []
    started = t.loop.time()
    handle = t.loop.call_later(0.0015, lambda: late.append(time.monotonic() - begun))
    begun = time.monotonic()
    assert isinstance(handle, asyncio.TimerHandle) or hasattr(handle, "when")
    assert handle.when() >= started
    t.loop.call_at(t.loop.time() + 0.02, t.loop.stop)
    t.loop.run_forever()
    assert len(late) == 1
    with t.part("a delay of 0 makes a Handle without when()"):
        assert t.loop.call_later(0, int).when() <= t.loop.time()
    with t.part("None is not refused as a delay"), raises(TypeError, "delay must not be None"):
        t.loop.call_later(None, int)
    with t.part("None is not refused as a time"), raises(TypeError, "when cannot be None"):
        t.loop.call_at(None, int)
    with t.part("delays are rounded to milliseconds, and run too early"):
        early = []
        for number in range(8):
            delay = 0.0004 + number * 0.0013
            due = time.monotonic() + delay
            t.loop.call_later(delay, lambda due=due: early.append(due - time.monotonic()))
        t.loop.call_later(0.05, t.loop.stop)
        t.loop.run_forever()
        assert len(early) == 8 and max(early) <= t.loop._clock_resolution


@row("time() counts finer than a millisecond")
def _(t: Trial) -> None:
    times = {t.loop.time() for _ in range(200)}
    before = time.monotonic()
    now = t.loop.time()
    after = time.monotonic()
    assert len(times) > 2 and before - 1e-6 <= now <= after + 1e-6, "milliseconds"


@row("a replaced loop.time moves the timers")
def _(t: Trial) -> None:
    seen = []
    t.loop.call_later(1000, seen.append, True)
    real = t.loop.time
    t.loop.time = lambda: real() + 2000
    t.turns()
    assert seen == [True], "the timers run on the system's clock"


@row("Handle.cancelled()", (3, 7))
def _(t: Trial) -> None:
    for handle in (t.loop.call_soon(int), t.loop.call_later(1, int)):
        assert not handle.cancelled()
        handle.cancel()
        assert handle.cancelled()


@row("Handle.get_context()", (3, 12))
def _(t: Trial) -> None:
    context = contextvars.copy_context()
    assert t.loop.call_soon(int, context=context).get_context() is context
    assert t.loop.call_later(1, int, context=context).get_context() is context


@row("isinstance(handle, asyncio.Handle)")
def _(t: Trial) -> None:
    handles = [t.loop.call_soon(int), t.loop.call_soon_threadsafe(int), t.loop.call_later(1, int)]
    kinds = [isinstance(handle, asyncio.Handle) for handle in handles]
    assert any(kinds), "an unrelated class"
    with t.part("not those of all methods"):
        assert all(kinds) and isinstance(handles[2], asyncio.TimerHandle)


@row("TimerHandle.when()", (3, 7))
def _(t: Trial) -> None:
    when = t.loop.time() + 10
    assert abs(t.loop.call_at(when, int).when() - when) < 1e-9


@row("TimerHandles compare by their time")
def _(t: Trial) -> None:
    now = t.loop.time()
    first, second = t.loop.call_at(now + 1, int), t.loop.call_at(now + 2, int)
    assert first < second and second > first and first <= second and not first == second
