# SPDX-License-Identifier: MIT
"""`python -m asyncio ps` and `pstree` list the tasks of a running process (3.14 on); the profiler
of 3.15 does."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import textwrap
import weakref

import pytest

from tests.tools import LIMIT, PY, TESTS

pytestmark = pytest.mark.skipif(PY < (3, 14), reason="asyncio has these commands since 3.14")

HEAD = """
import asyncio, sys
from tests.loops import make_loop

async def leaf():
    await asyncio.sleep(1000)

async def twig(task):
    await leaf_of(task)

async def leaf_of(task):
    await task

async def ready():
    await asyncio.sleep(0.01)
    print("ready", flush=True)
    await asyncio.sleep(1000)

def run(main):
    asyncio.Runner(loop_factory=lambda: make_loop(sys.argv[1])).run(main())
"""


@contextlib.contextmanager
def running(kind: str, source: str, **env: str):
    """A child that runs the program and has said that it is ready."""
    child = subprocess.Popen(
        [sys.executable, "-c", HEAD + textwrap.dedent(source), kind],
        stdout=subprocess.PIPE,
        cwd=TESTS.parent,
        env=os.environ | env,
    )
    try:
        assert child.stdout.readline() == b"ready\n"
        yield child.pid
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def told(*command: str) -> str:
    """What `python -m COMMAND` prints, which reads another process."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        timeout=LIMIT * 2,
        check=False,
    )
    if "ermission" in done.stderr or "CAP_SYS_PTRACE" in done.stderr:
        pytest.skip("this system lets no process read another")
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(command: str, pid: int) -> str:
    """What `python -m asyncio COMMAND PID` prints."""
    return told("asyncio", command, str(pid))


def rows(pid: int) -> dict[str, str]:
    """The lines of `ps` by the task's name; several lines of one task are joined."""
    found: dict[str, str] = {}
    for line in shown("ps", pid).splitlines()[2:]:
        name = line.split()[2]
        found[name] = found.get(name, "") + " " + " ".join(line.split()[3:])
    return found


def test_names_and_stacks(loop_kind):
    program = """
        async def main():
            named = asyncio.create_task(leaf(), name="named")
            renamed = asyncio.create_task(leaf())
            renamed.set_name("renamed")
            number = asyncio.create_task(leaf()).get_name()
            await asyncio.create_task(ready(), name=f"after-{number}")
        run(main)
    """
    with running(loop_kind, program) as pid:
        found = rows(pid)
    numbers = [name for name in found if name.startswith("after-Task-")]
    assert len(numbers) == 1 and numbers[0].removeprefix("after-") in found
    assert found.keys() >= {"named", "renamed", "Task-1"}
    assert "leaf" in found["named"] and "ready" in found[numbers[0]]
    assert "main" in found["Task-1"]


def test_who_waits_for_whom(loop_kind):
    program = """
        async def main():
            leaf_task = asyncio.create_task(leaf(), name="the-leaf")
            asyncio.create_task(twig(leaf_task), name="twig-1")
            asyncio.create_task(twig(leaf_task), name="twig-2")
            async with asyncio.TaskGroup() as group:
                group.create_task(ready(), name="in-group")
        run(main)
    """
    with running(loop_kind, program) as pid:
        found = rows(pid)
        tree = shown("pstree", pid)
    assert "twig-1" in found["the-leaf"] and "twig-2" in found["the-leaf"]
    assert "leaf_of" in found["the-leaf"], "the stacks of those who wait"
    assert "Task-1" in found["in-group"]
    for name in ("the-leaf", "twig-1", "twig-2", "in-group", "Task-1"):
        assert f"(T) {name}" in tree


@pytest.mark.skipif(PY < (3, 15), reason="the profiler came with 3.15")
def test_the_profiler_tells_tasks_apart(loop_kind, tmp_path):
    program = """
        async def main():
            leaf_task = asyncio.create_task(leaf(), name="the-leaf")
            asyncio.create_task(twig(leaf_task), name="the-twig")
            await ready()
        run(main)
    """
    stacks = tmp_path / "stacks"
    attach = ("profiling.sampling", "attach", "--async-aware", "--async-mode", "all")
    with running(loop_kind, program) as pid:
        told(*attach, "--duration", "1", "--collapsed", "-o", str(stacks), str(pid))
    lines = stacks.read_text().splitlines()
    assert any("the-leaf" in line and "leaf" in line.split("the-leaf")[1] for line in lines), lines
    assert any("the-twig" in line and "leaf_of" in line for line in lines), lines
    assert any("Task-1" in line for line in lines), lines


def test_tasks_without_a_coroutine_of_the_interpreter(loop_kind):
    program = """
        import collections.abc

        class Own(collections.abc.Coroutine):
            def __init__(self):
                self.inner = leaf()
                self.steps = self.inner.__await__()
            def send(self, value): return self.steps.send(value)
            def throw(self, *args): return self.steps.throw(*args)
            def close(self): self.steps.close()
            def __await__(self): return self

        async def main():
            one = None
            if type(asyncio.get_running_loop()).__module__.startswith("hotloop"):
                one = asyncio.create_task(Own(), name="own")
            await ready()
        run(main)
    """
    with running(loop_kind, program) as pid:
        found = rows(pid)
    assert "Task-1" in found
    assert loop_kind == "asyncio" or "own" in found


def test_done_tasks_let_go_of_their_waiters(loop):
    async def until_done(task):
        await task

    async def main(number):
        gate = loop.create_future()

        async def leaf():
            await gate

        leaf_task = asyncio.create_task(leaf())
        waiters = [asyncio.create_task(until_done(leaf_task)) for _ in range(number)]
        references = [weakref.ref(task) for task in waiters]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gate.set_result(None)
        await asyncio.gather(*waiters)
        del waiters[:]
        await asyncio.sleep(0)
        gc.collect()
        assert [reference() for reference in references] == [None] * number
        return leaf_task

    for number in (1, 2, 5):
        assert loop.run_until_complete(main(number)).done()


def test_what_the_collector_shows_may_be_kept(loop):
    """The half of the struct that others read holds real objects."""

    async def main():
        task = asyncio.current_task()
        return [thing for thing in gc.get_referents(task) if isinstance(thing, (int, str))]

    for _ in range(100):
        kept = loop.run_until_complete(main())
        repr(kept)
    gc.collect()
