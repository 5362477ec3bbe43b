# SPDX-License-Identifier: MIT
"""The same two tasks, one after the other and together."""

import asyncio
import time


def task(number):
    print("Start", number)
    time.sleep(0.1)
    print("End", number)


async def async_task(number):
    print("Start", number)
    await asyncio.sleep(0.1)
    print("End", number)


async def main():
    await asyncio.gather(async_task(1), async_task(2))


if __name__ == "__main__":
    task(1)
    task(2)
    started = time.perf_counter()
    asyncio.run(main())
    print("took", time.perf_counter() - started)
