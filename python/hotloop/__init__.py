# SPDX-License-Identifier: MIT
"""hotloop: a fast drop-in event loop, Task and Future for asyncio, written in C over libuv.

    import hotloop
    hotloop.run(main())                # instead of asyncio.run(main())

or, without touching the code that calls asyncio:

    hotloop.install()                  # asyncio.run() and friends now make our loop
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _compat
from ._core import Future, Handle, Task, TimerHandle, libuv_version
from ._install import install, new_event_loop, run, uninstall
from ._version import __version__
from .loop import Loop

EventLoop = Loop

__all__ = (
    "EventLoop",
    "Future",
    "Handle",
    "Loop",
    "Task",
    "TimerHandle",
    "__version__",
    "install",
    "libuv_version",
    "new_event_loop",
    "run",
    "uninstall",
)


if TYPE_CHECKING:
    import asyncio

    class EventLoopPolicy(asyncio.DefaultEventLoopPolicy):
        """The stdlib's default event loop policy, making hotloop's loops."""

else:  # a type checker that saw this function would believe in every name
    def __getattr__(name: str) -> Any:
        # Lazy, because policies are deprecated since 3.14 and gone in 3.16: who does not ask
        # for one must not depend on them.
        if name == "EventLoopPolicy":
            from ._install import event_loop_policy_class

            policy_class = globals()[name] = event_loop_policy_class()
            return policy_class
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    lazy = {"EventLoopPolicy"} if _compat.HAS_POLICIES else set()
    return sorted({*globals(), *lazy})
