# SPDX-License-Identifier: MIT
"""E9, E13: our C code cannot get memory, at any point; nobody crashes, nobody waits for ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.c.build import preloaded
from tests.c.marks import PRELOADS
from tests.lifetimes.rooms import ROOMS
from tests.lifetimes.test_lifetimes import HERE
from tests.tools import PY, child

# Every tenth point on each Python, beginning at another one; HOTLOOP_WALK_STEP=1 takes them all.
STEP = int(os.environ.get("HOTLOOP_WALK_STEP", 10))


def walk(kind: str, room: str, step: int, least: int) -> None:
    """Let each `step`-th allocation fail: none may crash, hang or leak."""
    arguments = [kind, room, str(1 + PY[1] % step), str(step)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.lifetimes.scripts.memory_runs_out", *arguments],
        capture_output=True,
        text=True,
        timeout=290,
        cwd=HERE.parent.parent,
        env={**os.environ, **preloaded("malloc.c")},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    for found in result.values():
        assert found["faults"] >= least
        assert found["bad"] == [], done.stderr


@pytest.mark.slow
@pytest.mark.hotloop_only(reason="asyncio leaves tasks waiting in half a hundred places")
@pytest.mark.parametrize("room", ROOMS)
def test_e9_tls16_any_allocation_of_ours_may_fail(loop_kind, room):
    walk(loop_kind, room, STEP, 10 // STEP)


@pytest.mark.slow
@pytest.mark.no_sanitizer  # malloc is the sanitizer's there
@PRELOADS
@pytest.mark.hotloop_only(reason="asyncio's may wait for its handshake's time to be over")
def test_tls16_openssl_may_get_no_memory(loop_kind):
    walk(loop_kind, "openssl", 73, 20)


LITTLE_SPACE = """
import asyncio, os, resource, sys
loop = make_loop()
reports = []
loop.set_exception_handler(lambda loop, context: reports.append(context))
kept = []

class Sink(asyncio.Protocol):
    def connection_made(self, transport):
        transport.pause_reading()
        kept.append(transport)

async def main():
    name = f"\\0hotloop-space-{os.getpid()}"
    server = await loop.create_unix_server(Sink, name)
    transport, _ = await loop.create_unix_connection(asyncio.Protocol, name)
    pages = int(open("/proc/self/statm").read().split()[0])
    limit = pages * resource.getpagesize() + (64 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    piece = bytearray(4 << 20)
    outcomes = set()
    for _ in range(40):
        try:
            transport.write(piece)
            outcomes.add("queued")
        except MemoryError:
            outcomes.add("MemoryError")
        await asyncio.sleep(0)
    size = transport.get_write_buffer_size()
    transport.abort()
    await asyncio.sleep(0.001)
    server.close()
    for other in kept:
        other.abort()
    await asyncio.sleep(0.001)
    print(*sorted(outcomes), size < 160 << 20)

loop.run_until_complete(main())
print(loop.run_until_complete(asyncio.sleep(0, "alive")))
loop.close()
"""


@pytest.mark.no_sanitizer
@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS and /proc")
def test_e13_little_address_space(loop_kind):
    """write() copies what is no bytes object, and tells its caller when that fails.

    asyncio keeps the object since 3.12, and needs no memory for it.
    """
    done = child(LITTLE_SPACE, kind=loop_kind)
    assert done.returncode == 0, done.stderr
    outcomes = done.stdout.split()
    assert outcomes[-3:] == ["queued", "True", "alive"]
    assert outcomes[:-3] == ["MemoryError"] or (loop_kind == "asyncio" and PY >= (3, 12))
