"""What does it cost to create a task that does nothing and await it, one at a time?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Work, main


async def nothing():
    pass


async def through_asyncio(n):
    for _ in range(n):
        await asyncio.create_task(nothing())


async def through_loop(n):
    create_task = asyncio.get_running_loop().create_task
    for _ in range(n):
        await create_task(nothing())


def limit(drive, n):
    drive.create_and_run(nothing, n)


ROWS = [
    Work(
        "asyncio",
        "asyncio.create_task + await",
        {"uvloop": 4.0, "zuvloop": 1.5},
        work=through_asyncio,
        limit=limit,
    ),
    Work(
        "loop",
        "loop.create_task + await",
        {"uvloop": 9.0, "zuvloop": 3.0},
        work=through_loop,
        limit=limit,
    ),
]

if __name__ == "__main__":
    main(__file__)
