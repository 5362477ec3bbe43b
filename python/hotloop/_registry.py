# SPDX-License-Identifier: MIT
"""Let asyncio.all_tasks() see native tasks without registering each of them."""

from __future__ import annotations

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
