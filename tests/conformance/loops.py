# SPDX-License-Identifier: MIT
"""The event loops under test, and how one of them takes the place of asyncio's own.

A *kind* is a loop factory with the Task and Future classes that belong to it. ``plug`` makes
every ordinary way of getting a loop (``asyncio.new_event_loop``, a Runner, an isolated test
case, ``asyncio.SelectorEventLoop()``) give a loop of that kind, so that CPython's test modules,
imported afterwards, need no change.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

NAMES = ("hotloop", "asyncio", "uvloop")


@dataclasses.dataclass(frozen=True)
class Kind:
    """One loop implementation.

    ``name`` is what ``--loop`` takes, ``new_loop`` a factory without arguments, ``loop_type``
    the class of what it returns, ``Task`` and ``Future`` the classes the loop makes.
    ``stand_ins`` maps a stdlib module that tests patch by name to the module of this loop that
    does the same work.
    """

    name: str
    new_loop: Callable[[], asyncio.AbstractEventLoop]
    loop_type: type
    Task: type
    Future: type
    stand_ins: dict[str, str] = dataclasses.field(default_factory=dict)


def load(name: str) -> Kind:
    """Import the loop called `name` (one of NAMES) and return its kind.

    Raises ImportError if that loop is not installed and ValueError for an unknown name.
    """
    if name == "hotloop":
        import hotloop

        return Kind(name, hotloop.new_event_loop, hotloop.Loop, hotloop.Task, hotloop.Future)
    if name == "uvloop":
        import uvloop

        return Kind(name, uvloop.new_event_loop, uvloop.Loop, asyncio.Task, asyncio.Future)
    if name == "asyncio":
        loop_type = asyncio.SelectorEventLoop
        return Kind(name, loop_type, loop_type, asyncio.Task, asyncio.Future)
    raise ValueError(f"unknown loop {name!r}: choose one of {', '.join(NAMES)}")


def _stand_in(kind: Kind) -> type:
    """Return a class that can be called, and used in isinstance, like SelectorEventLoop."""

    class Meta(type):
        def __call__(cls, selector: object = None) -> asyncio.AbstractEventLoop:
            return kind.new_loop()

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, kind.loop_type)

    return Meta("SelectorEventLoop", (), {})


def plug(kind: Kind) -> None:
    """Make `kind` the loop of this process, for good."""
    stand_in = _stand_in(kind)
    for name in ("SelectorEventLoop", "EventLoop"):
        if hasattr(asyncio, name):
            setattr(asyncio, name, stand_in)
    from asyncio import unix_events

    # The policy class asks this attribute for its loops. Its name has changed with the versions,
    # and a version without policies keeps the factory in `events`.
    for name in ("_UnixDefaultEventLoopPolicy", "_DefaultEventLoopPolicy"):
        policy = getattr(unix_events, name, None)
        if policy is not None:
            policy._loop_factory = staticmethod(kind.new_loop)
            return
    asyncio.new_event_loop = asyncio.events.new_event_loop = kind.new_loop


@contextlib.contextmanager
def patch_targets(kind: Kind) -> Iterator[None]:
    """Send ``mock.patch("asyncio.unix_events.x")`` to the module of ours that does x's work.

    Tests of signal handlers replace the ``signal`` that asyncio's own loop imported. The same
    test is meaningful here when the name is replaced in our module, so while a test module is
    imported the decorators get the other target.
    """
    if not kind.stand_ins:
        yield
        return
    original = mock._get_target

    def redirected(target: str) -> Any:
        head, _, tail = target.rpartition(".")
        return original(f"{kind.stand_ins.get(head, head)}.{tail}")

    with mock.patch.object(mock, "_get_target", redirected):
        yield
