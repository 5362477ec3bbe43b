# SPDX-License-Identifier: MIT
"""Let asyncio.all_tasks() see native tasks without registering each of them."""

from __future__ import annotations

import asyncio
import asyncio.tasks
import weakref
from collections.abc import Iterator
from typing import Any


class TaskSet(weakref.WeakSet[Any]):
    """asyncio's set of tasks; iterating it shows the unfinished native ones as well."""

    def __iter__(self) -> Iterator[Any]:
        """Yield what was registered, then the tasks of all open native loops."""
        from hotloop._core import live_tasks  # here: _core imports us while it starts

        yield from super().__iter__()
        yield from live_tasks()


def install() -> bool:
    """Make asyncio's set of tasks a `TaskSet`; False if this Python has no such set.

    The object stays the same, so every all_tasks() that was ever imported, and asyncio's C
    code, see the native tasks. Calling it again changes nothing.
    """
    for name in ("_scheduled_tasks", "_all_tasks"):
        tasks = getattr(asyncio.tasks, name, None)
        if isinstance(tasks, TaskSet):
            return True
        if type(tasks) is weakref.WeakSet:
            try:
                tasks.__class__ = TaskSet
            except TypeError:
                return False
            return True
    return False


class _NoLoop:
    """As much of a loop as asyncio's Task and Future need to be made."""

    def get_debug(self) -> bool:
        """Say no."""
        return False

    def call_soon(self, *args: object, **kwargs: object) -> None:
        """Call nothing."""


def make_probes() -> tuple[Any, ...]:
    """Return objects in which C code can see where asyncio's Task keeps things (3.14+).

    They are a task of asyncio's own class, a future that differs from it in nothing but being
    no task, and what the task holds: its coroutine, its name, the future that awaits it.
    """

    async def nothing() -> None:
        pass

    loop: Any = _NoLoop()
    coroutine = nothing()
    name = "a probe of hotloop"
    task: Any = asyncio.Task(coroutine, loop=loop, name=name)
    task._log_destroy_pending = False
    asyncio.tasks._unregister_task(task)
    coroutine.close()
    future: Any = asyncio.Future(loop=loop)
    waiter: Any = asyncio.Future(loop=loop)
    asyncio.future_add_to_awaited_by(task, waiter)  # type: ignore[attr-defined]
    return task, future, coroutine, name, waiter
