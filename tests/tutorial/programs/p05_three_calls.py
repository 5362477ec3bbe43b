# SPDX-License-Identifier: MIT
"""Three calls of different length: started in order, done by length."""

import asyncio
import time


async def call(name, seconds):
    print("start", name)
    await asyncio.sleep(seconds)
    print("done", name)
    return name


async def main():
    started = time.perf_counter()
    print(await asyncio.gather(call(1, 0.2), call(2, 0.1), call(3, 0.3)))
    print("took", time.perf_counter() - started)


if __name__ == "__main__":
    asyncio.run(main())
