# SPDX-License-Identifier: MIT
"""What asyncio keeps as `loop._selector`: which descriptors are watched, and by whom.

It is there to be looked at, by debuggers and tests. libuv does the selecting.
"""

from __future__ import annotations

import selectors
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from .loop import Loop


class Watched(selectors.BaseSelector):
    """The watched descriptors of one loop, in the form of a selector that only answers questions.

    The `data` of a key is (reader, writer): the Handle that add_reader() or add_writer() made,
    what a sock_* call waits by, or None. Transports watch in their own way and are not listed.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {sorted(self._loop._watchers())}>"

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """Return {descriptor: SelectorKey} as it is now; None when the loop is closed."""
        if self._loop.is_closed():
            return None  # type: ignore[return-value]  # so do the stdlib's
        return _Keys(self._loop._watchers())

    def register(self, fileobj: Any, events: int, data: Any = None) -> NoReturn:
        """Raise NotImplementedError, as do unregister(), modify() and select()."""
        raise NotImplementedError("this only shows what add_reader() and its kind watch")

    modify = register

    def unregister(self, fileobj: Any) -> NoReturn:
        """Raise NotImplementedError."""
        self.register(fileobj, 0)

    def select(self, timeout: float | None = None) -> NoReturn:
        """Raise NotImplementedError."""
        self.register(None, 0)


class _Keys(Mapping[Any, selectors.SelectorKey]):
    """SelectorKeys by descriptor, or by what has one."""

    def __init__(self, watchers: dict[int, tuple[Any, Any]]) -> None:
        self._watchers = watchers

    def __len__(self) -> int:
        return len(self._watchers)

    def __iter__(self) -> Iterator[int]:
        return iter(self._watchers)

    def __getitem__(self, fileobj: Any) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        data = reader, writer = self._watchers[fd]
        events = selectors.EVENT_READ if reader is not None else 0
        if writer is not None:
            events |= selectors.EVENT_WRITE
        return selectors.SelectorKey(fd, fd, events, data)
