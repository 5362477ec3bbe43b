# SPDX-License-Identifier: MIT
"""Identity and lifecycle."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time

from .rows import Log, Trial, raises, row


@row("isinstance(loop, AbstractEventLoop)")
def _(t: Trial) -> None:
    assert isinstance(t.loop, asyncio.AbstractEventLoop)


@row("isinstance(loop, BaseEventLoop)")
def _(t: Trial) -> None:
    assert isinstance(t.loop, asyncio.BaseEventLoop), "another class"


@row("run_forever, run_until_complete, stop, is_running, is_closed, close")
def _(t: Trial) -> None:
    seen = []
    t.loop.call_soon(lambda: seen.append(t.loop.is_running()))
    t.turns()
    assert seen == [True] and not t.loop.is_running()
    with t.part("after stop() a run does not do one turn"):
        t.loop.stop()
        t.loop.call_soon(seen.append, False)
        t.loop.run_forever()
        assert seen == [True, False]

    async def work():
        with raises(RuntimeError, "already running"):
            t.loop.run_until_complete(t.loop.create_future())
        with raises(RuntimeError, "Cannot close a running event loop"):
            t.loop.close()
        return 42

    assert t.run(work()) == 42
    forever = t.loop.create_future()
    t.loop.call_soon(t.loop.stop)
    with raises(RuntimeError, "Event loop stopped before Future completed."):
        t.loop.run_until_complete(forever)
    t.loop.close()
    t.loop.close()
    assert t.loop.is_closed()
    with raises(RuntimeError, "Event loop is closed"):
        t.loop.call_soon(int)


@row("_run_forever_setup, _run_forever_cleanup", (3, 13))
def _(t: Trial) -> None:
    t.loop._run_forever_setup()
    try:
        assert asyncio.get_running_loop() is t.loop
    finally:
        t.loop._run_forever_cleanup()
    assert asyncio._get_running_loop() is None


@row("shutdown_asyncgens", (3, 6))
def _(t: Trial) -> None:
    closed = []

    async def numbers():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    generator = numbers()

    async def first():
        return await generator.__anext__()

    assert t.run(first()) == 1
    t.loop.run_until_complete(t.loop.shutdown_asyncgens())
    assert closed == [True]


@row("shutdown_default_executor", (3, 9))
def _(t: Trial) -> None:
    assert t.run(run_in_executor(t.loop)) == 42
    t.loop.run_until_complete(t.loop.shutdown_default_executor())
    with raises(RuntimeError, "Executor shutdown has been called"):
        t.loop.run_in_executor(None, int)


async def run_in_executor(loop):
    return await loop.run_in_executor(None, lambda: 42)


@row("shutdown_default_executor(timeout=)", (3, 12))
def _(t: Trial) -> None:
    hold = threading.Event()
    t.loop.run_in_executor(None, hold.wait, 3)
    started = time.monotonic()
    t.loop.run_until_complete(t.loop.shutdown_default_executor(timeout=0.01))
    took = time.monotonic() - started
    hold.set()
    assert took < 2, "the timeout has no effect"


@row("get_debug, set_debug, -X dev, PYTHONASYNCIODEBUG", (3, 4, 2))
def _(t: Trial) -> None:
    assert not t.loop.get_debug()
    t.loop.set_debug(True)
    assert t.loop.get_debug()
    source = (
        "import asyncio, importlib, sys\n"
        f"if {t.kind == 'asyncio'}: new = asyncio.SelectorEventLoop\n"
        f"else: new = importlib.import_module({t.kind!r}).new_event_loop\n"
        "sys.exit(0 if new().get_debug() else 1)\n"
    )
    for flags, extra in ((["-X", "dev"], {}), ([], {"PYTHONASYNCIODEBUG": "1"})):
        with t.part(f"{flags or extra} changes nothing"):
            command = [sys.executable, "-W", "ignore", *flags, "-c", source]
            subprocess.run(command, check=True, env=os.environ | extra, timeout=8)


@row("slow_callback_duration, report of slow callbacks", (3, 4, 2))
def _(t: Trial) -> None:
    assert t.loop.slow_callback_duration == 0.1
    t.loop.slow_callback_duration = 0.001
    log = Log()
    t.loop.set_debug(True)
    t.loop.call_soon(time.sleep, 0.01)
    t.turns()
    assert log.says("Executing <Handle") and log.says("sleep"), "no report"


@row("debug mode: calls from a wrong thread are refused", (3, 4, 2))
def _(t: Trial) -> None:
    t.loop.set_debug(True)
    errors = []

    def elsewhere():
        try:
            t.loop.call_soon(int)
        except RuntimeError as error:
            errors.append(str(error))

    async def main():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    t.run(main())
    assert len(errors) == 1 and "Non-thread-safe operation" in errors[0], "not noticed"


@row("debug mode: a callback must be callable and no coroutine", (3, 5, 1))
def _(t: Trial) -> None:
    t.loop.set_debug(True)

    async def coroutine():
        pass

    for call in (t.loop.call_soon, t.loop.call_soon_threadsafe):
        with raises(TypeError, "coroutines cannot be used with"):
            call(coroutine)
        with raises(TypeError, "a callable object was expected by"):
            call(42)


@row("debug mode: handles, futures and transports know where they were made", (3, 4, 2))
def _(t: Trial) -> None:
    t.loop.set_debug(True)
    handle = t.loop.call_soon(int)
    assert handle._source_traceback[-1].filename == __file__, "handles do not"
    assert any(f.filename == __file__ for f in t.loop.create_future()._source_traceback)

    async def main():
        async def numbers():
            yield 1

        async for _number in numbers():
            break
        timer = t.loop.call_later(100, int)
        assert timer._source_traceback[-1].filename == __file__
        timer.cancel()

    t.run(main())


@row("debug mode: origin of coroutines", (3, 7))
def _(t: Trial) -> None:
    t.loop.set_debug(True)
    depths = []
    t.loop.call_soon(lambda: depths.append(sys.get_coroutine_origin_tracking_depth()))
    t.turns()
    assert depths[0] > 0 and sys.get_coroutine_origin_tracking_depth() == 0
