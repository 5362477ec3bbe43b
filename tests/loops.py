# SPDX-License-Identifier: MIT
"""The loops under test, for pytest and for scripts in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import warnings

LOOP_KINDS = os.environ.get("HOTLOOP_TEST_LOOPS", "asyncio,hotloop").split(",")


def open_descriptors() -> dict[int, str]:
    """What every open descriptor of this process points to."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the listing's own descriptor is gone by now
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def leave(code: int) -> None:
    """End a forked child at once, as os._exit; on a coverage build it writes its counters first.

    Not for a child whose parent has used libuv's threads: libuv waits for them at such an exit.
    """
    if "HOTLOOP_COVERAGE" in os.environ:
        ctypes.CDLL(None).exit(code)
    os._exit(code)


def make_loop(kind: str) -> asyncio.AbstractEventLoop:
    """A new loop of `kind`, "asyncio" or "hotloop"; a package that cannot be imported raises."""
    if kind == "asyncio":
        return asyncio.SelectorEventLoop()
    import hotloop

    return hotloop.new_event_loop()


def close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """What asyncio.Runner does at its end, without the warnings of tasks that are still there."""
    if loop.is_closed():
        return
    assert not loop.is_running(), "the test left its loop running"
    pending = [task for task in asyncio.all_tasks(loop) if not task.done()]
    for task in pending:
        task.cancel()
    if pending:
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
