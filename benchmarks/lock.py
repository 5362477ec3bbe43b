"""What does one `async with lock` cost when ten tasks contend for the lock?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Work, main

TASKS = 10


async def contend(lock, n):
    for _ in range(n):
        async with lock:
            await asyncio.sleep(0)


async def contended(n):
    lock = asyncio.Lock()
    tasks = [asyncio.create_task(contend(lock, n // TASKS)) for _ in range(TASKS)]
    for task in tasks:
        await task


ROWS = [Work("ten", "Lock, ten contenders", {"uvloop": 2.0, "zuvloop": 1.3}, work=contended)]

if __name__ == "__main__":
    main(__file__)
