# SPDX-License-Identifier: MIT
"""The twenty programs that people learn asyncio with, on asyncio and on ours in three ways.

Each runs as a script in its own process. What it prints, and in which order, is the same
everywhere; where a tutorial promises a time, that is a ratio to the sum of the waits.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

from tests.loops import LOOP_KINDS

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"
WAYS = [
    way
    for way in ("asyncio", "install", "policy", "run")
    if ("asyncio" if way == "asyncio" else "hotloop") in LOOP_KINDS
]

# Program: what it prints, and for a promised time the longest wait and the sum of the waits.
EXPECTED: dict[str, tuple[str, tuple[float, float] | None]] = {
    "p01_hello": ("hello\nworld", (0.1, 0.1)),
    "p02_breakfast": (
        "start coffee\nstart toast\ntoast ready\ncoffee ready\n['coffee', 'toast']",
        (0.2, 0.3),
    ),
    "p03_not_awaited": (
        "<coroutine object greet at ADDRESS>\nRuntimeWarning coroutine 'greet' was never awaited",
        None,
    ),
    "p04_doubles": ("[2, 4, 6]", (0.1, 0.3)),
    "p05_three_calls": (
        "start 1\nstart 2\nstart 3\ndone 2\ndone 1\ndone 3\n[1, 2, 3]",
        (0.3, 0.6),
    ),
    "p06_gather_fails": (
        "caught no such page\nearly True\ncancelled False\nfinished slow\nslow\n"
        "finished one\n['one', ValueError('no such page')]",
        (0.25, 0.55),
    ),
    "p07_create_task": (
        "made\nbackground started\nother work done\nbackground done\nresult",
        (0.2, 0.3),
    ),
    "p08_task_group": ("ExceptionGroup ['broken']\ncancelled ['a', 'b']\n3", None),
    "p09_blocking": ("debug mode named blocks()\neverything stopped True", None),
    "p10_to_thread": (
        "['Blocking work in threads, while a coroutine ticks on.', 4999950000]\nticked on True",
        (0.1, 0.2),
    ),
    "p11_processes": (
        "fork [(45, 'no loop'), (4950, 'no loop')]\n"
        "forkserver [(45, 'no loop'), (4950, 'no loop')]\n"
        "spawn [(45, 'no loop'), (4950, 'no loop')]\n"
        "inherited epoll sets 0\nended",
        None,
    ),
    "p12_aiohttp": ("/small 100\n/middle 10000\n/large 1000000\nat once 3", (0.1, 0.3)),
    "p13_httpx": ("GET /page HTTP/1.1\n200 hello", None),
    "p14_nested_run": (
        "RuntimeError: asyncio.run() cannot be called from a running event loop\n"
        "[\"coroutine 'inner' was never awaited\"]\nunharmed",
        None,
    ),
    "p15_jupyter": (
        "True\n[2, 4]\nasyncio.run() cannot be called from a running event loop",
        None,
    ),
    "p16_fastapi": (
        "50 {200} {'slept': True}\nfifty took less than half their sum True\n"
        "200 before the thread True\n{'sum': 4999950000}",
        None,
    ),
    "p17_sync_and_async": (
        "Start 1\nEnd 1\nStart 2\nEnd 2\nStart 1\nStart 2\nEnd 1\nEnd 2",
        (0.1, 0.2),
    ),
    "p18_loops_everywhere": (
        "[(0, 0), (1, 1), (2, 4)]\nexit 0\nexit 0\nexit 0\n[(0, 0), (1, 1), (2, 4), (3, 9)]\n81",
        None,
    ),
    "p19_many_connections": ("open 5000 threads 1\nanswered True\nall closed", None),
    "p20_repl": ("awaited 42\nTrue\ntask 2\n[2, 4]\nexit 0", None),
}
SLOW = {"p15_jupyter", "p19_many_connections"}
NEEDS = {
    "p12_aiohttp": ["aiohttp"],
    "p13_httpx": ["httpx"],
    "p15_jupyter": ["ipykernel", "jupyter_client", "nest_asyncio"],
    "p16_fastapi": ["fastapi", "uvicorn", "httpx"],
}


def test_every_program_is_expected():
    assert {path.stem for path in PROGRAMS.glob("p*.py")} == set(EXPECTED)


def run(name: str, way: str, *args: str) -> subprocess.CompletedProcess:
    root = HERE.parent.parent
    path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "tests.tutorial.launch", way, str(PROGRAMS / f"{name}.py"), *args],
        capture_output=True,
        text=True,
        timeout=55,
        cwd=root,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )


def split(output: str) -> tuple[list[str], float | None]:
    """The lines without the one that says how long it took, and that time."""
    lines, took = [], None
    for line in output.splitlines():
        if line.startswith("took "):
            took = float(line.split()[1])
        else:
            lines.append(line)
    return lines, took


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in EXPECTED],
)
def test_program(name, way):
    missing = [need for need in NEEDS.get(name, []) if importlib.util.find_spec(need) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if name in ("p15_jupyter", "p20_repl"):
        if way in ("policy", "run"):
            pytest.skip("the program starts another interpreter, which installs the loop")
        args = ["asyncio" if way == "asyncio" else "hotloop"]
        done = run(name, "asyncio", *args)
    else:
        done = run(name, way)
    if done.returncode == 77:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" or name == "p15_jupyter", done.stderr
    expected, time = EXPECTED[name]
    lines, took = split(done.stdout)
    assert lines == expected.splitlines()
    if time is not None:
        longest, total = time
        assert took >= longest * 0.999, "a sleep ended early"
        tries = 1
        while total > longest and took >= 0.85 * total:
            # A busy machine may have been in the way; not each time.
            assert tries < 6, f"{took:.3f} s is the sum of the waits, not the longest"
            took = split(run(name, way).stdout)[1]
            tries += 1
