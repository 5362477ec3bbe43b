# SPDX-License-Identifier: MIT
"""What the lifetime scripts share. Each script is a process: `python -m ...scripts.NAME KIND`."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import time

from tests.loops import close_loop, make_loop, open_descriptors
from tests.tools import Recorder, run_until, settle, steady, turns

KIND = sys.argv[1] if len(sys.argv) > 1 else "asyncio"

__all__ = [
    "KIND",
    "Recorder",
    "asyncio",
    "close_loop",
    "collect",
    "gc",
    "loop_of_the_kind",
    "open_descriptors",
    "pair",
    "pipe",
    "run_until",
    "settle",
    "socket",
    "steady",
    "sys",
    "time",
    "turns",
]


def loop_of_the_kind() -> asyncio.AbstractEventLoop:
    """A new loop of the kind that the command line names."""
    return make_loop(KIND)


def pair(loop, protocol=None, kind="unix"):
    """A transport of `loop`, its protocol, and the socket at the other end."""
    near, far = socket.socketpair()
    if kind == "tcp":
        near.close()
        far.close()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            near = socket.create_connection(listener.getsockname())
            far, _ = listener.accept()
    near.setblocking(False)
    protocol = protocol or Recorder()
    if kind == "tcp":
        opening = loop.create_connection(lambda: protocol, sock=near)
    else:
        opening = loop.create_unix_connection(lambda: protocol, sock=near)
    transport, _ = loop.run_until_complete(opening)
    return transport, protocol, far


def pipe(loop, side, protocol=None):
    """A pipe's transport of `loop` ("read" or "write"), its protocol, the other end's file."""
    ends = os.pipe()
    ours, theirs = ends if side == "read" else ends[::-1]
    protocol = protocol or Recorder()
    modes = ("rb", "wb") if side == "read" else ("wb", "rb")
    connect = loop.connect_read_pipe if side == "read" else loop.connect_write_pipe
    opening = connect(lambda: protocol, open(ours, modes[0], buffering=0))
    transport, _ = loop.run_until_complete(opening)
    return transport, protocol, open(theirs, modes[1], buffering=0)


def collect() -> None:
    """Collect until nothing more is found."""
    for _ in range(5):
        if not gc.collect():
            break
