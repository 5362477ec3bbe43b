# SPDX-License-Identifier: MIT
"""Let the C core feed asyncio's StreamReader, if it is the one that the core knows.

`src/io/stdreader.c` does the work of four functions of `asyncio.streams`. They have been the same
from 3.11 to 3.15; a Python in which they use other names, or a process in which somebody had
replaced one before hotloop was imported, gets the ordinary path. What is replaced later the
core notices itself.
"""

from __future__ import annotations

import os
from asyncio import streams
from types import FunctionType
from typing import Any

from . import _core

_KNOWN: dict[str, tuple[str, ...]] = {
    "StreamReaderProtocol.data_received": ("_stream_reader", "feed_data"),
    "StreamReaderProtocol._stream_reader": ("_stream_reader_wr",),
    "StreamReader._wakeup_waiter": ("_waiter", "cancelled", "set_result"),
    "StreamReader.feed_data": (
        "_eof",
        "_buffer",
        "extend",
        "_wakeup_waiter",
        "_transport",
        "_paused",
        "len",
        "_limit",
        "pause_reading",
        "NotImplementedError",
    ),
}
"""The names that each function uses, in the order of its code."""


def enable() -> bool:
    """Tell the core whom to feed; False if it is to call the protocol's methods instead.

    The environment variable HOTLOOP_TRICKS, "none" or a list with "native_streams", forbids it.
    """
    off = os.environ.get("HOTLOOP_TRICKS", "")
    if off == "none" or "native_streams" in off:
        return False
    if not all(_is_known(name, uses) for name, uses in _KNOWN.items()):
        return False
    _core.feed_streams(streams.StreamReaderProtocol, streams.StreamReader)
    return True


def _is_known(name: str, uses: tuple[str, ...]) -> bool:
    owner, attribute = name.split(".")
    member: Any = vars(getattr(streams, owner)).get(attribute)
    if isinstance(member, property):
        member = member.fget
    return (
        type(member) is FunctionType
        and member.__globals__ is vars(streams)
        and member.__code__.co_names == uses
    )
