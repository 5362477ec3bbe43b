# SPDX-License-Identifier: MIT
"""The loops under test, for pytest and for scripts in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
import warnings
from typing import NoReturn

LOOP_KINDS = os.environ.get("HOTLOOP_TEST_LOOPS", "asyncio,hotloop").split(",")


def open_descriptors() -> dict[int, str]:
    """What every open descriptor of this process points to."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the listing's own descriptor is gone by now
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def _count_at_exit() -> None:
    """On a coverage build os._exit() writes the counters first: forked children end by it."""
    leave = os._exit

    def _exit(code: int) -> NoReturn:
        if "hotloop._core" in sys.modules:
            ctypes.CDLL(sys.modules["hotloop._core"].__file__).hotloop_coverage_write()
        leave(code)

    os._exit = _exit


if "HOTLOOP_COVERAGE" in os.environ:
    _count_at_exit()


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
