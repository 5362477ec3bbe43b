# SPDX-License-Identifier: MIT
"""The walk of kernel_refuses.py: every system call of an exchange fails once, in every way."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import hotloop
from tests.c.build import preloaded
from tests.lifetimes.test_lifetimes import HERE

pytestmark = [
    pytest.mark.hotloop_only(reason="asyncio leaks a descriptor when setsockopt fails on accept"),
    pytest.mark.slow,
]


def walk(kind: str, *arguments: str, **environment: str) -> dict:
    command = [sys.executable, "-m", "tests.lifetimes.scripts.kernel_refuses", kind, *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=290,
        cwd=HERE.parent.parent,
        env={**os.environ, **environment, **preloaded("faults.c")},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) | {"told": done.stderr}


@pytest.mark.parametrize("row", ["e3", "e4", "e6", "e7", "e8", "e12", "n1", "n2"])
def test_no_signal_no_hang_no_leak(loop_kind, row):
    result = walk(loop_kind, row, UV_USE_IO_URING="0")
    assert "Traceback" not in result["told"], result["told"]
    assert result["faults"] >= 5
    assert result["bad"] == []


@pytest.mark.parametrize("row", ["e4", "e7"])
def test_e15_the_same_with_io_uring(loop_kind, row):
    """libuv takes it, where it has it and the kernel too, only if the environment lets it."""
    if tuple(map(int, hotloop.libuv_version().split(".")[:2])) < (1, 45):
        pytest.skip("this libuv has no use for io_uring")
    assert walk(loop_kind, row, UV_USE_IO_URING="1")["bad"] == []


ROOMS = ["accepted", "loops", "paths", "pipes", "watching"]


@pytest.mark.skipif("HOTLOOP_WALK_STEP" not in os.environ, reason="for HOTLOOP_WALK_STEP=1")
@pytest.mark.parametrize("room", ROOMS)
def test_no_signal_no_hang_no_leak_in_the_other_rooms(loop_kind, room):
    result = walk(loop_kind, "each", room)
    assert result["faults"] >= 10
    assert result["bad"] == []
