# SPDX-License-Identifier: MIT
"""Methods of Loop: running and closing, debug mode, async generators, executors.

The turns themselves are in C, behind `Loop._run()`. Here is what surrounds them: the state
that asyncio sets up for the time of a run, and takes down in any case.
"""

from __future__ import annotations

import asyncio
import asyncio.base_events
import asyncio.constants
import asyncio.events
import asyncio.futures
import concurrent.futures
import sys
import threading
import warnings
from asyncio.log import logger
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from . import _compat, _core

if TYPE_CHECKING:
    from .loop import Loop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# The very function object matters: anyio recognises the root task by it.
_run_until_complete_cb: Any = vars(asyncio.base_events)["_run_until_complete_cb"]


# Running


def check_running(self: Loop) -> None:
    """Raise RuntimeError if this loop, or another one in this thread, is running."""
    if self.is_running():
        raise RuntimeError("This event loop is already running")
    if asyncio.events._get_running_loop() is not None:
        raise RuntimeError("Cannot run the event loop while another loop is running")


def run_forever_setup(self: Loop) -> None:
    """Make this the running loop of the current thread. Raises RuntimeError if it cannot be.

    Turns may follow, each by `_run_once()`, and then `_run_forever_cleanup()`.
    """
    self._check_closed()
    self._check_running()
    self._begin()
    self._set_coroutine_origin_tracking(self.get_debug())
    self._old_agen_hooks = sys.get_asyncgen_hooks()
    self._thread_id = threading.get_ident()
    try:
        sys.set_asyncgen_hooks(
            firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook
        )
        asyncio.events._set_running_loop(self)
    except BaseException:  # an audit hook's
        self._run_forever_cleanup()
        raise


def run_forever_cleanup(self: Loop) -> None:
    """Undo run_forever_setup(). Raises RuntimeError in a callback, and in another thread."""
    self._end()
    self._stopping = False
    self._thread_id = None
    asyncio.events._set_running_loop(None)
    self._set_coroutine_origin_tracking(False)
    hooks, self._old_agen_hooks = self._old_agen_hooks, None
    if hooks is not None:
        sys.set_asyncgen_hooks(*hooks)


def run_forever(self: Loop) -> None:
    """Run until stop() is called.

    KeyboardInterrupt and SystemExit from a callback leave from here; the loop stays usable.
    Raises RuntimeError if the loop is closed, or a loop is running in this thread.
    """
    self._run_forever_setup()
    try:
        if _is_turned_by_others(self):
            _run_turn_by_turn(self)
        else:
            self._run()
    finally:
        self._run_forever_cleanup()


def _is_turned_by_others(loop: Loop) -> bool:
    """Has a subclass, or a tool for this one loop, put its own `_run_once` there?"""
    return type(loop)._run_once is not _core.Loop._run_once or "_run_once" in loop.__dict__


def _run_turn_by_turn(loop: Loop) -> None:
    while True:
        loop._run_once()
        if loop._stopping:
            return


def run_until_complete(self: Loop, future: Generator[Any, None, T] | Awaitable[T]) -> T:
    """Run until `future` (a future, coroutine or other awaitable) is done.

    Returns its result or raises its exception. Raises RuntimeError if stop() was called
    before that.
    """
    self._check_closed()
    self._check_running()

    is_ours = not asyncio.isfuture(future)
    awaitable: Any = future
    task: Any = asyncio.ensure_future(awaitable, loop=self)
    if is_ours:
        # If it does not finish we raise below; a second report would only be noise.
        task._log_destroy_pending = False

    task.add_done_callback(_run_until_complete_cb)
    try:
        self.run_forever()
    except BaseException:
        if is_ours and task.done() and not task.cancelled():
            # What came out is the task's own exception, and nobody else can fetch it.
            task.exception()
        raise
    finally:
        task.remove_done_callback(_run_until_complete_cb)
    if not task.done():
        raise RuntimeError("Event loop stopped before Future completed.")
    result: T = task.result()
    return result


def close(self: Loop) -> None:
    """Close the loop: forget what is queued, close every descriptor. Not while it runs.

    Transports that are still open are closed without telling their protocols. The default
    executor is told to end, but not waited for. A second call does nothing. Raises
    RuntimeError if the loop is running.
    """
    if self.is_running():
        raise RuntimeError("Cannot close a running event loop")
    if self.is_closed():
        return
    if self.get_debug():
        logger.debug("Close %r", self)
    try:
        self._drop_signal_handlers()
    finally:
        self._close()
        self._executor_shutdown_called = True
        executor, self._default_executor = self._default_executor, None
        if executor is not None:
            executor.shutdown(wait=False)


def drop_signal_handlers(self: Loop) -> None:
    """Give all signals back, for close(). From __del__ at exit the names here may be gone."""
    if sys is not None and not sys.is_finalizing():
        for signum in list(self._signal_handlers):
            self.remove_signal_handler(signum)
    elif self._signal_handlers:
        # The signal module may be half gone; the process is, too.
        self._signal_handlers.clear()
        warnings.warn(
            f"Closing the loop {self!r} on interpreter shutdown stage, "
            "skipping signal handlers removal",
            ResourceWarning,
            stacklevel=3,
            source=self,
        )


# Tasks


def set_task_factory(self: Loop, factory: _core.TaskFactory | None) -> None:
    """Make tasks by `factory(loop, coro, **kwargs)` from now on; None: by Task again."""
    _core.Loop.set_task_factory(self, factory)


# Debug mode


def set_debug(self: Loop, enabled: bool) -> None:
    """Switch debug mode: thread and callback checks, source tracebacks, slow callbacks."""
    _core.Loop.set_debug(self, enabled)
    if self.is_running():
        # The depth is a property of the thread that runs us, which may not be this one.
        self.call_soon_threadsafe(self._set_coroutine_origin_tracking, enabled)


def set_coroutine_origin_tracking(self: Loop, enabled: bool) -> None:
    """Let coroutines remember where they were made, for "was never awaited" warnings."""
    enabled = bool(enabled)
    if enabled == self._coroutine_origin_tracking_enabled:
        return
    if enabled:
        self._coroutine_origin_tracking_saved_depth = sys.get_coroutine_origin_tracking_depth()
        sys.set_coroutine_origin_tracking_depth(asyncio.constants.DEBUG_STACK_DEPTH)
    else:
        sys.set_coroutine_origin_tracking_depth(self._coroutine_origin_tracking_saved_depth or 0)
    self._coroutine_origin_tracking_enabled = enabled


def check_callback(self: Loop, callback: object, method: str) -> None:
    """Raise TypeError unless `callback` can be called and gives something useful then."""
    if asyncio.iscoroutine(callback) or _compat.iscoroutinefunction(callback):
        raise TypeError(f"coroutines cannot be used with {method}()")
    if not callable(callback):
        raise TypeError(f"a callable object was expected by {method}(), got {callback!r}")


# Async generators


def asyncgen_firstiter_hook(self: Loop, agen: AsyncGenerator[Any, Any]) -> None:
    if self._asyncgens_shutdown_called:
        warnings.warn(
            f"asynchronous generator {agen!r} was scheduled after loop.shutdown_asyncgens() call",
            ResourceWarning,
            stacklevel=2,
            source=self,
        )
    self._asyncgens.add(agen)


def asyncgen_finalizer_hook(self: Loop, agen: AsyncGenerator[Any, Any]) -> None:
    self._asyncgens.discard(agen)
    if not self.is_closed():
        # The garbage collector may have found it in any thread.
        self.call_soon_threadsafe(self.create_task, agen.aclose())


async def shutdown_asyncgens(self: Loop) -> None:
    """Close all async generators that are still suspended somewhere."""
    self._asyncgens_shutdown_called = True
    if not self._asyncgens:
        return
    agens = list(self._asyncgens)
    self._asyncgens.clear()
    results = await asyncio.gather(*(agen.aclose() for agen in agens), return_exceptions=True)
    for agen, result in zip(agens, results, strict=True):
        if isinstance(result, Exception):
            self.call_exception_handler(
                {
                    "message": "an error occurred during closing of "
                    f"asynchronous generator {agen!r}",
                    "exception": result,
                    "asyncgen": agen,
                }
            )


# Executors


def check_default_executor(self: Loop) -> None:
    if self._executor_shutdown_called:
        raise RuntimeError("Executor shutdown has been called")


def run_in_executor(
    self: Loop,
    executor: concurrent.futures.Executor | None,
    func: Callable[[*Ts], T],
    *args: *Ts,
) -> asyncio.Future[T]:
    """Call `func(*args)` in a thread (or what `executor` offers) and return a future of it.

    With `executor` None it is the loop's default one, made at the first use.
    """
    self._check_closed()
    if self.get_debug():
        self._check_callback(func, "run_in_executor")
    if executor is None:
        self._check_default_executor()
        if self._default_executor is None:
            self._default_executor = concurrent.futures.ThreadPoolExecutor(
                thread_name_prefix="asyncio"
            )
        executor = self._default_executor
    return asyncio.wrap_future(executor.submit(func, *args), loop=self)


def set_default_executor(self: Loop, executor: concurrent.futures.Executor) -> None:
    """Use `executor` where run_in_executor() is called with None."""
    if not isinstance(executor, concurrent.futures.ThreadPoolExecutor):
        raise TypeError("executor must be ThreadPoolExecutor instance")
    self._default_executor = executor


async def shutdown_default_executor(self: Loop, timeout: float | None = None) -> None:
    """End the default executor and wait for its threads.

    `timeout` limits the wait, in seconds; None waits as long as they take. When it is over
    a RuntimeWarning says so, and the threads are left to themselves.
    """
    self._executor_shutdown_called = True
    executor = self._default_executor
    if executor is None:
        return
    joined = self.create_future()
    thread = threading.Thread(target=self._do_shutdown, args=(joined,))
    thread.start()
    try:
        async with asyncio.timeout(timeout):
            await joined
    except TimeoutError:
        warnings.warn(
            f"The executor did not finishing joining its threads within {timeout} seconds.",
            RuntimeWarning,
            stacklevel=2,
        )
        executor.shutdown(wait=False)
    else:
        thread.join()


def join_executor(self: Loop, joined: asyncio.Future[None]) -> None:
    """Wait for the default executor's threads, in a thread of its own; then set `joined`."""
    executor = self._default_executor
    try:
        if executor is not None:
            executor.shutdown(wait=True)
        result, failure = None, None
    except Exception as exc:
        result, failure = None, exc
    if self.is_closed():
        return
    if failure is None:
        self.call_soon_threadsafe(_set_unless_done, joined.set_result, joined, result)
    else:
        self.call_soon_threadsafe(_set_unless_done, joined.set_exception, joined, failure)


def _set_unless_done(
    setter: Callable[[Any], None], future: asyncio.Future[None], value: Any
) -> None:
    # The waiter may have been cancelled between the thread's call and this turn.
    if not future.done():
        setter(value)
