# SPDX-License-Identifier: MIT
"""The ends of a pipe, of a child, of their loop, in every order: no crash, no descriptor left."""

import contextlib
import itertools
import warnings

from tests.lifetimes.kit import (
    KIND,
    asyncio,
    collect,
    loop_of_the_kind,
    open_descriptors,
    pipe,
    settle,
    turns,
)

warnings.simplefilter("ignore")
loop_of_the_kind().close()
before = open_descriptors()


def play(order, pauses, side):
    loop = loop_of_the_kind()
    loop.set_exception_handler(lambda loop, context: None)
    made = list(pipe(loop, side))
    transport, far = made[0], made[2]
    if side == "write":
        transport.write(b"x" * 300_000)
    else:
        far.write(b"x" * 30_000)
    ends = {
        "far": far.close,
        "close": transport.close,
        "abort": getattr(transport, "abort", transport.close),
        "loop": loop.close,
        "drop": made.clear,
    }
    del transport, far
    for name in order:
        # asyncio's transports need their loop for closing.
        with contextlib.suppress(RuntimeError):
            ends.pop(name)()
        if pauses and not loop.is_closed():
            turns(loop)
    if not loop.is_closed():
        settle(loop)
        loop.close()


for side in ("read", "write"):
    for order in itertools.permutations(["far", "close", "loop", "drop"]):
        for pauses in (False, True):
            play(order, pauses, side)
    for order in itertools.permutations(["abort", "far", "close"]):
        play((*order, "loop"), False, side)


def play_child(order):
    loop = loop_of_the_kind()
    loop.set_exception_handler(lambda loop, context: None)
    protocol = asyncio.SubprocessProtocol()
    opening = loop.subprocess_exec(lambda: protocol, "cat")
    transport, _ = loop.run_until_complete(opening)
    popen = transport.get_extra_info("subprocess")
    ends = {
        "kill": transport.kill,
        "stdin": transport.get_pipe_transport(0).close,
        "close": transport.close,
        "loop": loop.close,
    }
    for name in order:
        with contextlib.suppress(RuntimeError, ProcessLookupError):
            ends.pop(name)()
        if not loop.is_closed():
            turns(loop)
    ends.clear()
    popen.kill()
    popen.wait()
    for file in (popen.stdin, popen.stdout, popen.stderr):
        file.close()  # asyncio cannot, when its loop is closed


if KIND == "hotloop":  # the threads of asyncio's watchers have their own end
    for order in itertools.permutations(["kill", "stdin", "close", "loop"]):
        play_child(order)
collect()
after = open_descriptors()
assert after.keys() == before.keys(), {fd: after[fd] for fd in after.keys() - before.keys()}
print("fine")
