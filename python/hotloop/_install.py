# SPDX-License-Identifier: MIT
"""The ways to get our loop: run, new_event_loop, install/uninstall, the policy class."""

from __future__ import annotations

import asyncio
import asyncio.events
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar

from . import _compat
from .loop import Loop

T = TypeVar("T")

# A plain Python function, not the class itself: tools rewrite or wrap it, and every
# `loop_factory=` and `--loop hotloop:new_event_loop` takes it as it is.


def new_event_loop() -> Loop:
    """Return a new, not yet running event loop. The caller closes it."""
    return Loop()


def run(
    main: Coroutine[Any, Any, T],
    *,
    debug: bool | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = new_event_loop,
) -> T:
    """Run the coroutine `main` on a new hotloop and return its result.

    The same as `asyncio.run`: it cancels the tasks that are left, shuts down async
    generators and the default executor, and closes the loop. `debug` None keeps the
    default, True or False sets the loop's debug mode. Raises RuntimeError if a loop is
    already running in this thread; if `main` is not a coroutine ValueError, or TypeError on
    Python 3.14 and later, where any awaitable will do.
    """
    if _compat.RUN_TAKES_A_LOOP_FACTORY:
        # Not asyncio.run: a program may have put this very function there.
        run_main: Any = asyncio.runners.run
        result: T = run_main(main, debug=debug, loop_factory=loop_factory)
        return result
    if asyncio.events._get_running_loop() is not None:
        raise RuntimeError("asyncio.run() cannot be called from a running event loop")
    with asyncio.Runner(debug=debug, loop_factory=loop_factory) as runner:
        return runner.run(main)


class _Installation:
    """What install() replaced, and how to put it back. Also a context manager."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []
        self._policy: Any = None

    def begin(self) -> None:
        # asyncio.run, Runner, IsolatedAsyncioTestCase and everything else in the stdlib
        # look the function up in one of these two places, at each call.
        modules: tuple[Any, ...] = (asyncio, asyncio.events)
        for module in modules:
            self._undo.append((module, "new_event_loop", module.new_event_loop))
            module.new_event_loop = new_event_loop
        # Until 3.13 `asyncio.get_event_loop()` makes a loop on demand, and asks the policy
        # for it. The default policy takes another factory without being replaced, so a
        # loop that is already current stays so; somebody's own policy is left alone.
        if _compat.POLICY_MAKES_CURRENT_LOOP:
            policy = _compat.current_policy()
            if type(policy) is _compat.default_policy_class():
                policy._loop_factory = new_event_loop
                self._policy = policy

    def end(self) -> None:
        """Put everything back that is still ours; what others replaced since then stays."""
        for module, name, original in self._undo:
            if getattr(module, name) is new_event_loop:
                setattr(module, name, original)
        self._undo.clear()
        policy, self._policy = self._policy, None
        if policy is not None and policy.__dict__.get("_loop_factory") is new_event_loop:
            del policy._loop_factory

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if _installed is self:
            uninstall()


_installed: _Installation | None = None


def install() -> _Installation:
    """Make asyncio create our loop wherever it creates one by default, from now on.

    Affects `asyncio.run`, `asyncio.Runner`, `asyncio.new_event_loop` and what uses them;
    loops that exist already are not touched. Works the same on every Python version, does
    not depend on event loop policies and never warns. Calling it twice changes nothing.

    As a context manager, `with hotloop.install(): ...` undoes itself at the end, unless an
    outer call had installed it already.
    """
    global _installed
    if _installed is not None:
        return _Installation()
    _installed = _Installation()
    _installed.begin()
    return _installed


def uninstall() -> None:
    """Undo install(). Does nothing if it was not called. Existing loops live on."""
    global _installed
    installed, _installed = _installed, None
    if installed is not None:
        installed.end()


def event_loop_policy_class() -> type:
    """Make the class behind `hotloop.EventLoopPolicy`.

    It inherits the stdlib's default policy, so that the rules for the current loop (which
    thread gets one on demand, when that raises) stay those of the running Python.
    """
    if not _compat.HAS_POLICIES:
        raise AttributeError(
            "hotloop.EventLoopPolicy does not exist on Python 3.16 and later, which have no "
            "event loop policies; use hotloop.run(), hotloop.install() or "
            "loop_factory=hotloop.new_event_loop"
        )
    base = _compat.default_policy_class()
    namespace = {
        "__doc__": "The stdlib's default event loop policy, making hotloop's loops.",
        "__module__": "hotloop",
        "_loop_factory": staticmethod(new_event_loop),
    }
    return type("EventLoopPolicy", (base,), namespace)
