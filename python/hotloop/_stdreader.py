# SPDX-License-Identifier: MIT
"""Let the C core feed asyncio's StreamReader and read from it, if it is the one it knows.

`src/io/stdreader.c` and `src/io/stdread.c` do the work of functions of `asyncio.streams`. These are
the same from 3.11 to 3.15 but for the two that are here with variants; a Python in which they
use other names, or a process in which somebody had replaced one before hotloop was imported, gets
the ordinary path. What is replaced later the core notices itself.
"""

from __future__ import annotations

import os
from asyncio import streams
from types import FunctionType
from typing import Any

from . import _core

_FED: dict[str, tuple[str, ...]] = {
    "StreamReaderProtocol.data_received": ("_stream_reader feed_data",),
    "StreamReaderProtocol._stream_reader": ("_stream_reader_wr",),
    "StreamReader._wakeup_waiter": ("_waiter cancelled set_result",),
    "StreamReader.feed_data": (
        "_eof _buffer extend _wakeup_waiter _transport _paused len _limit pause_reading "
        "NotImplementedError",
    ),
}
"""The names that each function uses, in the order of its code."""

_UNTIL = "_exception _buffer find {}_limit exceptions LimitOverrunError _eof {} IncompleteReadError"
_WAITS = " _wait_for_data {}_maybe_resume_transport"
_EXACTLY = "ValueError _exception len _buffer _eof {} exceptions IncompleteReadError"

_READ: dict[str, tuple[str, ...]] = {
    "StreamReader.readline": (
        "len readuntil exceptions IncompleteReadError partial LimitOverrunError _buffer startswith "
        "consumed clear _maybe_resume_transport ValueError args",
    ),
    "StreamReader.readuntil": (
        "len ValueError " + (_UNTIL + _WAITS).format("", "bytes clear", ""),
        "isinstance tuple sorted len ValueError "
        + (_UNTIL + _WAITS).format("max ", "bytes clear", ""),  # 3.13
        "isinstance tuple sorted len ValueError "
        + (_UNTIL + _WAITS).format("max ", "take_bytes", ""),  # 3.15
    ),
    "StreamReader.readexactly": (
        (_EXACTLY + _WAITS).format("bytes clear", ""),
        (_EXACTLY + _WAITS).format("bytes clear", "memoryview "),  # 3.12
        (_EXACTLY + _WAITS).format("take_bytes", ""),  # 3.15
    ),
    "StreamReader.read": (
        "_exception read _limit append join _buffer _eof _wait_for_data bytes "
        "_maybe_resume_transport",
        "_exception read _limit append join _buffer _eof _wait_for_data bytes memoryview "
        "_maybe_resume_transport",  # 3.12
        "_exception bytearray read _limit take_bytes _buffer _eof _wait_for_data min len "
        "_maybe_resume_transport",  # 3.15
    ),
    "StreamReader._wait_for_data": (
        "_waiter RuntimeError _eof _paused _transport resume_reading _loop create_future",
    ),
    "StreamReader._maybe_resume_transport": (
        "_paused len _buffer _limit _transport resume_reading",
    ),
}


class StreamReader(streams.StreamReader, _core.StreamReads):
    """The reader that the handlers of `asyncio.start_server` get: its reads are written in C."""


def enable() -> bool:
    """Tell the core whom to feed; False if it is to call the protocol's methods instead.

    The environment variable HOTLOOP_TRICKS, "none" or a list, forbids it with "native_streams",
    and with "native_reads" only that readers of servers are exchanged for those of our own.
    """
    off = os.environ.get("HOTLOOP_TRICKS", "")
    if off == "none" or "native_streams" in off or not _are_known(_FED):
        return False
    reads = "native_reads" not in off and _are_known(_READ)
    own = StreamReader if reads else None
    _core.feed_streams(streams.StreamReaderProtocol, streams.StreamReader, own)
    return True


def _are_known(functions: dict[str, tuple[str, ...]]) -> bool:
    return all(_is_known(name, variants) for name, variants in functions.items())


def _is_known(name: str, variants: tuple[str, ...]) -> bool:
    owner, attribute = name.split(".")
    member: Any = vars(getattr(streams, owner)).get(attribute)
    if isinstance(member, property):
        member = member.fget
    return (
        type(member) is FunctionType
        and member.__globals__ is vars(streams)
        and " ".join(member.__code__.co_names) in variants
    )
