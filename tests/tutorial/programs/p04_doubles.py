# SPDX-License-Identifier: MIT
"""Three works of the same length, doubled and gathered."""

import asyncio
import time


async def double(number):
    await asyncio.sleep(0.1)
    return number * 2


async def main():
    started = time.perf_counter()
    print(await asyncio.gather(double(1), double(2), double(3)))
    print("took", time.perf_counter() - started)


if __name__ == "__main__":
    asyncio.run(main())
