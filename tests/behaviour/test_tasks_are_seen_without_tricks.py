# SPDX-License-Identifier: MIT
"""asyncio's introspection sees native tasks, with each registry trick on and with it off."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, sys, threading
import hotloop

async def child(release):
    me = asyncio.current_task()
    assert me in asyncio.all_tasks()
    await release.wait()
    assert asyncio.current_task() is me

def from_elsewhere(loop, found):
    found.append(asyncio.current_task(loop))
    found.append(asyncio.all_tasks(loop))

async def main():
    me, loop, release = asyncio.current_task(), asyncio.get_running_loop(), asyncio.Event()
    children = [asyncio.create_task(child(release)) for _ in range(5)]
    await asyncio.sleep(0)
    assert asyncio.current_task() is me
    assert asyncio.all_tasks() == {me, *children}
    found = []
    thread = threading.Thread(target=from_elsewhere, args=(loop, found))
    thread.start()
    thread.join()
    assert found == [me, {me, *children}]
    loop.call_soon(lambda: found.append(asyncio.current_task()))
    await asyncio.sleep(0)
    assert found.pop() is None
    if sys.version_info >= (3, 12):
        async def eager():
            return asyncio.current_task()
        task = hotloop.Task(eager(), loop=loop, eager_start=True)
        assert task.done() and task.result() is task
        assert asyncio.current_task() is me
    release.set()
    await asyncio.gather(*children)
    assert asyncio.all_tasks() == {me}

loop = hotloop.new_event_loop()
loop.run_until_complete(main())
assert asyncio.all_tasks(loop) == set()
loop.close()
print("seen")
"""


@pytest.mark.parametrize(
    "off", ["", "lazy_current", "own_task_list", "thread_slots", "shown_tasks", "none"]
)
def test_with_the_trick_off(off: str) -> None:
    """The documented calls and the tricks lead to the same picture, from every thread."""
    environment = {**os.environ, "HOTLOOP_TRICKS": off}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "seen\n", "")
