# SPDX-License-Identifier: MIT
"""Blocking work in threads, while a coroutine ticks on."""

import asyncio
import time


def read_file():
    with open(__file__, encoding="utf-8") as file:
        text = file.read()
    time.sleep(0.1)
    return text.splitlines()[1].strip('"')


def sum_range():
    time.sleep(0.1)
    return sum(range(100_000))


async def main():
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.005)

    started = time.perf_counter()
    task = asyncio.create_task(tick())
    print(await asyncio.gather(asyncio.to_thread(read_file), asyncio.to_thread(sum_range)))
    task.cancel()
    print("ticked on", ticks >= 3)
    print("took", time.perf_counter() - started)


if __name__ == "__main__":
    asyncio.run(main())
