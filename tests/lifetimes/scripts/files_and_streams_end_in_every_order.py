# SPDX-License-Identifier: MIT
"""A sendfile, its file, transport, task and loop, and a fed reader: ended in every order."""

import contextlib
import itertools
import tempfile
import warnings

from tests.lifetimes.kit import (
    KIND,
    asyncio,
    collect,
    loop_of_the_kind,
    open_descriptors,
    settle,
    socket,
    sys,
    turns,
)

warnings.simplefilter("ignore")
sys.unraisablehook = lambda args: None  # tasks of a closed loop
loop_of_the_kind().close()
before = open_descriptors()
SIZE = 1_000_000


def opened(loop, protocol):
    near, far = socket.socketpair()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    near.setblocking(False)
    opening = loop.create_unix_connection(lambda: protocol, sock=near)
    return loop.run_until_complete(opening)[0], far


def play(ends, order, pauses, loop):
    for name in order:
        # asyncio's transports need their loop for closing.
        with contextlib.suppress(RuntimeError, BrokenPipeError):
            ends.pop(name)()
        if pauses and not loop.is_closed():
            turns(loop)
    if not loop.is_closed():
        settle(loop)
        loop.close()


def play_file(order, pauses):
    loop = loop_of_the_kind()
    loop.set_exception_handler(lambda loop, context: None)
    transport, far = opened(loop, asyncio.Protocol())
    file = tempfile.TemporaryFile()
    file.truncate(SIZE)
    task = loop.create_task(loop.sendfile(transport, file))
    task._log_destroy_pending = False
    task.add_done_callback(lambda task: task.cancelled() or task.exception())
    turns(loop, 2)
    ends = {
        "far": far.close,
        "file": file.close,
        "close": transport.close,
        "cancel": task.cancel,
        "loop": loop.close,
    }
    del transport, task, far
    play(ends, order, pauses, loop)
    file.close()


def play_stream(order, pauses):
    loop = loop_of_the_kind()
    loop.set_exception_handler(lambda loop, context: None)
    reader = asyncio.StreamReader(10, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, far = opened(loop, protocol)
    far.send(b"x" * 100)
    turns(loop, 2)
    made = [reader, protocol]
    ends = {
        "far": far.close,
        "reader": made.clear,
        "close": transport.close,
        "feed": lambda: far.fileno() < 0 or far.send(b"more"),
        "loop": loop.close,
    }
    del reader, protocol, transport
    play(ends, order, pauses, loop)
    far.close()


if KIND == "hotloop":  # asyncio leaves a sendfile waiting for ever, and its socket open
    for order in itertools.permutations(["far", "file", "close", "cancel", "loop"]):
        play_file(order, True)
    for order in itertools.permutations(["far", "file", "close", "loop"]):
        play_file(order, False)
for order in itertools.permutations(["far", "reader", "close", "feed", "loop"]):
    if KIND == "hotloop" or order[-1] == "loop":
        play_stream(order, True)
collect()
after = open_descriptors()
assert after.keys() == before.keys(), {fd: after[fd] for fd in after.keys() - before.keys()}
print("fine")
