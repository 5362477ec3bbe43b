# SPDX-License-Identifier: MIT
"""The long loads of soak.py for a few seconds each: nothing grows with what went through."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.lifetimes.test_lifetimes import HERE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.no_sanitizer,  # it keeps what was freed, so memory grows
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


def load(name: str) -> None:
    """Run one of them in a process of its own, which judges itself."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.lifetimes.soak", "--short", name],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=HERE.parent.parent,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert f"{name} ok" in done.stdout


def test_l1_connections_one_after_another():
    load("L1")


def test_l2_messages_on_few_connections():
    load("L2")


def test_l4_waits_that_time_out_or_are_cancelled():
    load("L4")


def test_l5_a_mixture_of_which_a_part_breaks_off():
    load("L5")
