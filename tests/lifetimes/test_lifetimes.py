# SPDX-License-Identifier: MIT
"""Each script of scripts/ in a process of its own, in development mode, on either loop."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

from tests.tools import PY

HERE = pathlib.Path(__file__).resolve().parent
MANY = "exit_with_things_alive"
ELSEWHERE = {MANY, "kernel_refuses", "memory_runs_out"}
NEEDS_HYPOTHESIS = "anything_goes"
SCRIPTS = sorted(
    path.stem for path in (HERE / "scripts").glob("[a-z]*.py") if path.stem not in ELSEWHERE
)
ROWS = re.compile(r'^"""((?:[A-Z]+\d+, )*[A-Z]+\d+): ', re.M)


def named(name: str) -> str:
    """The script's name behind the rows of docs/internals/faults.md that its first line names."""
    rows = ROWS.search((HERE / "scripts" / f"{name}.py").read_text())
    return f"{rows[1].lower().replace(', ', '_')}_{name}" if rows else name


# A daemon thread that ends inside a call takes what its C stack holds with it: that is the
# interpreter's way to exit, and LeakSanitizer cannot tell it from a leak of ours.
LEAKS_MAY_BE = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}


def run(name: str, *args: str, flags=("-X", "dev"), env=None) -> subprocess.CompletedProcess:
    root = HERE.parent.parent
    return subprocess.run(
        [sys.executable, *flags, "-m", f"tests.lifetimes.scripts.{name}", *args],
        capture_output=True,
        text=True,
        timeout=55,
        cwd=root,
        env={**os.environ, "PYTHONASYNCIODEBUG": "", **(env or {})},
        check=False,
    )


@pytest.mark.parametrize("name", SCRIPTS, ids=named)
def test_script(name, loop_kind):
    if name == NEEDS_HYPOTHESIS and importlib.util.find_spec("hypothesis") is None:
        pytest.skip("hypothesis is not installed")
    # Debug mode would change what is measured; -X dev switches it on, so only its checks are taken.
    flags = ("-X", "faulthandler", "-W", "default")
    done = run(name, loop_kind, flags=flags)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr[-6000:]}"
    assert done.stdout.split()[0] == "fine"


@pytest.mark.hotloop_only("asyncio has one way only")
def test_tls_by_the_ssl_module_gives_everything_back(loop_kind):
    """What test_script does with OpenSSL called directly."""
    flags, env = ("-X", "faulthandler", "-W", "default"), {"HOTLOOP_TRICKS": "openssl"}
    done = run("tls_gives_everything_back", loop_kind, flags=flags, env=env)
    assert done.returncode == 0 and done.stdout.split()[0] == "fine", done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.hotloop_only("asyncio's own loop may fail in its __del__, and says so")
@pytest.mark.parametrize("first", range(0, 24, 6))
def test_g6_the_interpreter_may_end_anywhere(first, loop_kind):
    """Two dozen different states; in each the process ends by itself, within a second, quietly."""
    for point in range(first, first + 6):
        done = run(MANY, loop_kind, str(point), env=LEAKS_MAY_BE if point >= 18 else None)
        assert done.returncode == 0, f"point {point}: exit {done.returncode}\n{done.stderr[-4000:]}"
        assert done.stdout == "fine\n"
        assert "Fatal Python error" not in done.stderr
        # From 3.13 on the interpreter itself complains of coroutines that it ends so late.
        assert PY >= (3, 13) or "Traceback" not in done.stderr
