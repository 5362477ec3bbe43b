# SPDX-License-Identifier: MIT
"""Loop methods that do not exist yet. Each says so at the call, before anything happens."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from .loop import Loop

Method = Callable[..., Coroutine[Any, Any, NoReturn]]


def _refuse(name: str, reason: str) -> Method:
    """Make the loop method `name`, which raises NotImplementedError when awaited."""

    async def method(self: Loop, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"hotloop: {name}(): {reason}")

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"Not implemented: {reason}."
    return method


sendfile = _refuse("sendfile", "sendfile is not supported yet")
sock_sendfile = _refuse("sock_sendfile", "sendfile is not supported yet")
