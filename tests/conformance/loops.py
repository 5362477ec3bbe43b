# SPDX-License-Identifier: MIT
"""The event loops under test, and how one of them takes the place of asyncio's own.

A *kind* is a loop factory with the Task and Future classes that belong to it. ``plug`` makes
every ordinary way of getting a loop (``asyncio.new_event_loop``, a Runner, an isolated test
case, ``asyncio.SelectorEventLoop()``) give a loop of that kind, so that CPython's test modules,
imported afterwards, need no change.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import types
from collections.abc import Callable
from typing import Any
from unittest import mock

NAMES = ("hotloop", "asyncio", "uvloop")


@dataclasses.dataclass(frozen=True)
class Kind:
    """One loop implementation.

    ``name`` is what ``--loop`` takes, ``new_loop`` a factory without arguments, ``loop_type``
    the class of what it returns, ``Task``, ``Future``, ``Handle`` and ``TimerHandle`` the classes
    the loop makes. ``package`` is where this loop's own Python modules are, "" if it has none.
    """

    name: str
    new_loop: Callable[[], asyncio.AbstractEventLoop]
    loop_type: type
    Task: type
    Future: type
    Handle: type = asyncio.Handle
    TimerHandle: type = asyncio.TimerHandle
    package: str = ""


def load(name: str) -> Kind:
    """Import the loop called `name` (one of NAMES) and return its kind.

    Raises ImportError if that loop is not installed and ValueError for an unknown name.
    """
    if name == "hotloop":
        import hotloop

        return Kind(
            name,
            hotloop.new_event_loop,
            hotloop.Loop,
            hotloop.Task,
            hotloop.Future,
            hotloop.Handle,
            hotloop.TimerHandle,
            package="hotloop",
        )
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
    if kind.package:
        _redirect_patches(kind)
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


class _Everywhere:
    """One name in several modules: what is set here is set in each of them."""

    def __init__(self, modules: list[types.ModuleType], name: str) -> None:
        # mock.patch looks in __dict__ for what it will put back.
        self.__dict__["_modules"] = modules
        self.__dict__[name] = getattr(modules[0], name)

    def __setattr__(self, name: str, value: object) -> None:
        self.__dict__[name] = value
        for module in self.__dict__["_modules"]:
            setattr(module, name, value)


def _redirect_patches(kind: Kind) -> None:
    """Let ``mock.patch("asyncio.unix_events.signal")`` reach the module that does it here.

    Some tests replace what asyncio's own loop imported: the modules signal and socket, and the
    logger. The same test is meaningful for another loop when the name is replaced where that
    loop has it too.
    """
    original = mock._get_target

    def redirected(target: str) -> Any:
        head, _, name = target.rpartition(".")
        if head in ("asyncio.base_events", "asyncio.unix_events"):
            stdlib = sys.modules[head]
            ours = [
                module
                for path, module in list(sys.modules.items())
                if path.startswith(kind.package + ".")
                and vars(module).get(name, ours_has_none) is vars(stdlib).get(name)
            ]
            if ours:
                everywhere = _Everywhere([stdlib, *ours], name)
                return lambda: everywhere, name
        return original(target)

    ours_has_none = object()
    mock._get_target = redirected
