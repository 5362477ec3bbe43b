# SPDX-License-Identifier: MIT
"""./scripts/demo: it asks the FastAPI example what a user would, and compares the loops."""

import os
import subprocess
import sys

import pytest

from tests.ecosystem import kit
from tests.tools import TESTS

DEMO = TESTS.parent / "benchmarks" / "demo.py"


@pytest.mark.heavy
@pytest.mark.hotloop_only("it compares hotloop with the others")
def test_its_answers_are_right_and_its_table_is_printed(tmp_path, loop_kind):
    kit.needs("fastapi")
    kit.needs("uvicorn")
    done = subprocess.run(
        [sys.executable, DEMO, "--rounds", "1", "--seconds", "0.2"],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "HOTLOOP_BENCH_BUILD": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  ok  ") == 12
    table = [line.split() for line in done.stdout.splitlines() if " us " in line]
    measured = [row for row in table if row[0] in ("asyncio", "uvloop", "zuvloop", "hotloop")]
    assert [row[0] for row in measured][:1] == ["asyncio"] and measured[-1][0] == "hotloop"
    assert measured[-1][-2:] == ["1.00x", "1.00x"]
