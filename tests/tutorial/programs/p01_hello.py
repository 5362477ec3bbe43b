# SPDX-License-Identifier: MIT
"""One coroutine prints, sleeps, prints."""

import asyncio
import time


async def main():
    print("hello")
    await asyncio.sleep(0.1)
    print("world")


if __name__ == "__main__":
    started = time.perf_counter()
    asyncio.run(main())
    print("took", time.perf_counter() - started)
