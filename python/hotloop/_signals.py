# SPDX-License-Identifier: MIT
"""Methods of Loop: registering signal handlers.

The C side wakes up by the signal's byte on the wake-up descriptor, which it holds for the
time of a run in the main thread, looks the number up in `loop._signal_handlers` and queues
the handle. Here the handle gets there, and the interpreter learns that we want the signal.
As in asyncio the descriptor is in its place from the first handler to the last.
"""

from __future__ import annotations

import errno
import signal
import threading
import weakref
from asyncio import iscoroutine
from asyncio.log import logger
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVarTuple

from . import _compat, _core

if TYPE_CHECKING:
    from .loop import Loop

Ts = TypeVarTuple("Ts")


def add_signal_handler(self: Loop, sig: int, callback: Callable[[*Ts], object], *args: *Ts) -> None:
    """Call `callback(*args)` in the loop whenever the signal number `sig` arrives.

    Only in the main thread. Raises TypeError or ValueError for a number that is no signal,
    RuntimeError for a signal that cannot be caught, or if signal.set_wakeup_fd() fails.
    """
    if iscoroutine(callback) or _compat.iscoroutinefunction(callback):
        raise TypeError("coroutines cannot be used with add_signal_handler()")
    check_signal(sig)
    self._check_closed()
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("set_wakeup_fd only works in main thread of the main interpreter")

    try:
        self._hold_wakeup(signal.set_wakeup_fd)
    except (ValueError, OSError) as exc:
        raise RuntimeError(str(exc)) from None

    previous = self._signal_handlers.get(sig)
    self._signal_handlers[sig] = _core.Handle(callback, args, self, None)
    try:
        _install(sig, _make_receiver(self))
        # SA_RESTART: other code in the process sees fewer interrupted system calls.
        signal.siginterrupt(sig, False)
    except BaseException:
        if previous is None:
            del self._signal_handlers[sig]
        else:
            self._signal_handlers[sig] = previous
        _release_unless_wanted(self)
        raise


def remove_signal_handler(self: Loop, sig: int) -> bool:
    """Give the signal its default action back. Returns False if there was no handler."""
    check_signal(sig)
    if self._signal_handlers.pop(sig, None) is None:
        return False
    _install(sig, signal.default_int_handler if sig == signal.SIGINT else signal.SIG_DFL)
    _release_unless_wanted(self)
    return True


def _release_unless_wanted(loop: Loop) -> None:
    """Give the wake-up descriptor's place back when the last handler is gone."""
    if loop._signal_handlers:
        return
    try:
        loop._release_wakeup(signal.set_wakeup_fd)
    except (ValueError, OSError) as exc:
        logger.info("set_wakeup_fd(-1) failed: %s", exc)


def handle_signal(self: Loop, sig: int) -> None:
    """Queue the handler of the signal `sig`, in the loop's thread."""
    handle = self._signal_handlers.get(sig)
    if handle is None:
        return  # removed while the signal was on its way
    if handle._cancelled:
        self.remove_signal_handler(sig)
    else:
        self._add_callback(handle)


def _make_receiver(loop: Loop) -> Callable[[int, FrameType | None], None]:
    """Make the Python-level handler of a signal; it must not keep the loop alive.

    While the main thread runs the loop, the wake-up descriptor has brought the number to
    C already and there is nothing to do. A signal that comes before the run, between two
    runs, for a loop in another thread, or after somebody has set another wake-up descriptor
    is brought in by this function.
    """
    reference = weakref.ref(loop)

    def receive(signum: int, frame: FrameType | None) -> None:
        target = reference()
        if target is None or target.is_closed() or target._watches_signals:
            return
        target.call_soon_threadsafe(target._handle_signal, signum)

    return receive


def _install(sig: int, handler: Any) -> None:
    try:
        signal.signal(sig, handler)
    except ValueError as exc:  # a sub-interpreter has no signals
        raise RuntimeError(str(exc)) from None
    except OSError as exc:
        if exc.errno == errno.EINVAL:
            raise RuntimeError(f"sig {sig} cannot be caught") from None
        raise


def check_signal(sig: object) -> None:
    """Raise TypeError or ValueError unless `sig` is the number of a signal."""
    if not isinstance(sig, int):
        raise TypeError(f"sig must be an int, not {sig!r}")
    if sig not in signal.valid_signals():
        raise ValueError(f"invalid signal number {sig}")
