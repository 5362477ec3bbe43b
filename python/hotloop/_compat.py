# SPDX-License-Identifier: MIT
"""Where asyncio itself changed between CPython 3.11 and 3.15, and we follow.

Every version test of the package lives here, under a name that says what differs, so that
the other modules read without any. (The C side does the same in `src/base/pycompat.h`.)

Some changes came in a bugfix release, or in several. There the stdlib's own code is asked:
`_mentions` tells whether one of its functions uses a certain name.
"""

from __future__ import annotations

import asyncio.base_events
import asyncio.coroutines
import asyncio.events
import asyncio.unix_events
import sys
from collections.abc import Callable
from typing import Any


def _mentions(function: Callable[..., Any], name: str) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and name in code.co_names


RUN_TAKES_A_LOOP_FACTORY = sys.version_info >= (3, 12)
"""`asyncio.run(loop_factory=...)` exists; before, only `asyncio.Runner` took one."""

HANDLER_RUNS_IN_CONTEXT = sys.version_info >= (3, 12)
"""A custom exception handler runs in the context of the task or handle that failed."""

WAIT_CLOSED_WAITS = sys.version_info >= (3, 12)
"""`Server.wait_closed()` waits for the clients too; before, not if already closed."""

SERVE_FOREVER_CLOSES_CLIENTS = _mentions(asyncio.base_events.Server.serve_forever, "close_clients")
"""A cancelled `Server.serve_forever()` closes the clients before it waits for them."""

BIND_ERROR_HAS_ERRNO_TEXT = not _mentions(
    asyncio.base_events.BaseEventLoop.create_server, "strerror"
)
"""Bind errors quote `str(exc)`, which includes "[Errno 98]"; before, only the text."""

SKIP_UNAVAILABLE_ADDRESS = _mentions(
    asyncio.base_events.BaseEventLoop.create_server, "EADDRNOTAVAIL"
)
"""`create_server` passes over an address that the machine does not have."""

_unix_loop: Any = asyncio.unix_events.SelectorEventLoop
SENDFILE_ALWAYS_SEEKS: bool = _unix_loop._sock_sendfile_update_filepos.__code__.co_argcount == 3
"""A file is put at `offset` even if that is 0, and though nothing may be sent (since 3.14)."""

TLS_TAKES_A_CONTEXT = sys.version_info >= (3, 15)
"""The private `_make_ssl_transport` is given the context of the connection."""

ACCEPTING_TAKES_A_CONTEXT = sys.version_info >= (3, 15)
"""The private `_start_serving` and `_accept_connection` are given the context of the server."""

UNLINK_UNIX_SOCKET = sys.version_info >= (3, 13)
"""`create_unix_server` removes its socket file on close by default."""

ANY_SOCKET_BUT_A_STREAM = _mentions(
    asyncio.base_events.BaseEventLoop.create_datagram_endpoint, "SOCK_STREAM"
)
"""`create_datagram_endpoint(sock=)` refuses stream sockets only; before, all but SOCK_DGRAM."""

POLICY_MAKES_CURRENT_LOOP = sys.version_info < (3, 14)
"""`asyncio.get_event_loop()` makes a loop on demand, through the event loop policy."""

HAS_POLICIES = sys.version_info < (3, 16)
"""Event loop policies exist (deprecated since 3.14, removed in 3.16)."""

# The public spelling is deprecated from 3.14 on, the private one does not exist before.
iscoroutinefunction: Any = (
    getattr(asyncio.coroutines, "_iscoroutinefunction", None)
    or asyncio.coroutines.iscoroutinefunction
)


def is_debug_requested() -> bool:
    """Tell whether -X dev or PYTHONASYNCIODEBUG asks for asyncio's debug mode."""
    return bool(asyncio.coroutines._is_debug_mode())  # type: ignore[attr-defined]


def default_policy_class() -> Any:
    """Return the class of the stdlib's default policy, without its deprecation warning.

    The public name `asyncio.DefaultEventLoopPolicy` warns on access since 3.14.
    """
    return asyncio.unix_events._UnixDefaultEventLoopPolicy


def current_policy() -> Any:
    """Return the current event loop policy, without a deprecation warning."""
    events: Any = asyncio.events
    get_policy = getattr(events, "_get_event_loop_policy", None) or events.get_event_loop_policy
    return get_policy()


def chosen_child_watcher() -> Any:
    """Return the child watcher that the program has set, or None. There are none since 3.14.

    The stdlib's own two that need neither signals nor a loop are what we do ourselves.
    """
    unix: Any = asyncio.unix_events
    if not hasattr(unix, "AbstractChildWatcher"):
        return None
    watcher = getattr(current_policy(), "_watcher", None)
    if type(watcher) in (unix.ThreadedChildWatcher, unix.PidfdChildWatcher):
        return None
    return watcher


make_subprocess_with_watcher: Any = (
    asyncio.unix_events._UnixSelectorEventLoop._make_subprocess_transport  # type: ignore[attr-defined]
)
"""asyncio's own method, for any loop: it asks the child watcher."""
