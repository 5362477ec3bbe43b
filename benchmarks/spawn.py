"""What does it cost to run a child process that does nothing, one after another?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Work, main


async def one_after_another(n):
    for _ in range(n):
        process = await asyncio.create_subprocess_exec("/bin/true")
        assert await process.wait() == 0


async def with_output(n):
    for _ in range(n):
        process = await asyncio.create_subprocess_exec("/bin/echo", "x", stdout=-1)
        out, _ = await process.communicate()
        assert out == b"x\n"


def attach(loop):
    """asyncio's default child watcher before 3.12 wants to know a loop of the main thread."""
    asyncio.set_event_loop(loop)


ROWS = [
    Work(
        "true",
        "spawn true, one after another",
        {"uvloop": 1.2},
        work=one_after_another,
        setup=attach,
        step=10,
        counted=200,
        pinned=False,
    ),
    Work(
        "echo",
        "spawn echo, read its output",
        {},
        grid=True,
        work=with_output,
        setup=attach,
        step=10,
        counted=200,
        pinned=False,
    ),
]

if __name__ == "__main__":
    main(__file__)
