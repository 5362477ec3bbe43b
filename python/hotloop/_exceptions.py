# SPDX-License-Identifier: MIT
"""Methods of Loop: what happens to an exception that no one else can receive.

C reports by calling `loop.call_exception_handler({...})`, so that a subclass or an
instance that replaces the method sees everything.
"""

from __future__ import annotations

import traceback
from asyncio.log import logger
from typing import TYPE_CHECKING, Any

from . import _compat

if TYPE_CHECKING:
    from .loop import ExceptionHandler, Loop

_TRACEBACK_TITLES = {
    "source_traceback": "Object created at (most recent call last):\n",
    "handle_traceback": "Handle created at (most recent call last):\n",
}


def get_exception_handler(self: Loop) -> ExceptionHandler | None:
    """Return the handler that was set, or None if it is the default one."""
    return self._exception_handler


def set_exception_handler(self: Loop, handler: ExceptionHandler | None) -> None:
    """Call `handler(loop, context)` for every unhandled exception; None: the default again."""
    if handler is not None and not callable(handler):
        raise TypeError(f"A callable object or None is expected, got {handler!r}")
    self._exception_handler = handler


def default_exception_handler(self: Loop, context: dict[str, Any]) -> None:
    """Log the message, the exception and the other entries of `context` as one error."""
    message = context.get("message") or "Unhandled exception in event loop"
    exception = context.get("exception")
    exc_info: Any = False
    if exception is not None:
        exc_info = (type(exception), exception, exception.__traceback__)

    # What runs now may also be a transport or a future's callback, which have none.
    created_at = getattr(self._current_handle, "_source_traceback", None)
    if "source_traceback" not in context and created_at:
        context["handle_traceback"] = created_at

    lines = [message]
    for key in sorted(context.keys() - {"message", "exception"}):
        lines.append(f"{key}: {_format_entry(key, context[key])}")
    logger.error("\n".join(lines), exc_info=exc_info)


def _format_entry(key: str, value: Any) -> str:
    title = _TRACEBACK_TITLES.get(key)
    if title is None:
        return repr(value)
    return title + "".join(traceback.format_list(value)).rstrip()


def call_exception_handler(self: Loop, context: dict[str, Any]) -> None:
    """Report an unhandled exception.

    `context` has "message" and may have "exception", "future", "task", "handle",
    "protocol", "transport", "socket", "asyncgen" and more. Whatever a handler raises is
    logged and goes no further, except KeyboardInterrupt and SystemExit.
    """
    handler = self._exception_handler
    if handler is None:
        _call_default_handler(self, context, "Exception in default exception handler")
        return
    try:
        _call_in_context(handler, self, context)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exc:
        failure = {
            "message": "Unhandled error in exception handler",
            "exception": exc,
            "context": context,
        }
        _call_default_handler(
            self,
            failure,
            "Exception in default exception handler while handling "
            "an unexpected error in custom exception handler",
        )


def _call_default_handler(self: Loop, context: dict[str, Any], on_failure: str) -> None:
    # A subclass may override the default handler, and get it wrong.
    try:
        self.default_exception_handler(context)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException:
        logger.error(on_failure, exc_info=True)


def _call_in_context(handler: ExceptionHandler, loop: Loop, context: dict[str, Any]) -> None:
    """Call the handler in the contextvars context of the task or handle that failed."""
    if _compat.HANDLER_RUNS_IN_CONTEXT:
        for key in ("task", "future", "handle"):
            origin = context.get(key)
            if origin is None:
                continue
            ctx = origin.get_context() if hasattr(origin, "get_context") else None
            if ctx is not None and hasattr(ctx, "run"):
                ctx.run(handler, loop, context)
                return
            break
    handler(loop, context)
