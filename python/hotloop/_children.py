# SPDX-License-Identifier: MIT
"""Exit notices for children where the kernel gives us no pidfd.

That is Linux before 5.3, other systems, a sandbox that denies the call, or a process that has
run out of descriptors. A handler for SIGCHLD then lets every loop that waits for children look
after its own ones. It is installed for as long as there are any, and calls the handler that was
there before. Only the main thread may install it: for a child that was started elsewhere when
there is none, one thread waits.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .loop import Loop

Reap = Callable[[], None]

_waiting: dict[Loop, dict[int, Reap]] = {}
_previous: Any = None
_installed = False
_calling = False


def watch(loop: Loop, pid: int, reap: Reap) -> None:
    """Call `reap()` in the thread of `loop` when the child `pid` can be reaped."""
    if not _install():
        name = f"hotloop-waitpid-{pid}"
        threading.Thread(target=_wait, args=(loop, pid, reap), name=name, daemon=True).start()
        return
    _waiting.setdefault(loop, {})[pid] = reap
    loop.call_soon(_look, loop)  # it may have ended before the handler was there


def _install() -> bool:
    """Install the handler unless it is there. Returns False if that is impossible here."""
    global _installed, _previous
    if _installed and signal.getsignal(signal.SIGCHLD) is _handle:
        return True
    try:
        previous = signal.signal(signal.SIGCHLD, _handle)
        signal.siginterrupt(signal.SIGCHLD, False)
    except ValueError:  # not the main thread, or not the main interpreter
        return False
    _installed, _previous = True, previous
    return True


def _remove() -> None:
    """Give SIGCHLD back when nobody waits any more, if the caller may."""
    global _installed, _previous
    if threading.current_thread() is not threading.main_thread():
        return
    if _installed and signal.getsignal(signal.SIGCHLD) is _handle:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL if _previous is None else _previous)
    _installed, _previous = False, None


def _handle(signum: int, frame: FrameType | None) -> None:
    global _calling
    for loop in list(_waiting):
        try:
            loop.call_soon_threadsafe(_look, loop)
        except RuntimeError:  # closed
            _waiting.pop(loop, None)
    # A handler that was put over ours may call ours, which must not call it again.
    if callable(_previous) and not _calling:
        _calling = True
        try:
            _previous(signum, frame)
        finally:
            _calling = False


def _look(loop: Loop) -> None:
    """Reap the children of `loop` that have ended."""
    children = _waiting.get(loop, {})
    for pid in list(children):
        if _has_ended(pid):
            children.pop(pid)()
    if not children:
        _waiting.pop(loop, None)
    if not _waiting:
        _remove()


def _has_ended(pid: int) -> bool:
    """Tell whether waitpid() would not wait, without taking the status if that can be."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
    except ChildProcessError:
        return True


def _wait(loop: Loop, pid: int, reap: Reap) -> None:
    """The thread of one child."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        pass
    try:
        loop.call_soon_threadsafe(reap)
    except RuntimeError:  # the loop was closed meanwhile: at least leave no zombie
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            pass
