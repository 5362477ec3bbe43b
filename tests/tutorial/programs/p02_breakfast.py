# SPDX-License-Identifier: MIT
"""Coffee and toast at the same time."""

import asyncio
import time


async def coffee():
    print("start coffee")
    await asyncio.sleep(0.2)
    print("coffee ready")
    return "coffee"


async def toast():
    print("start toast")
    await asyncio.sleep(0.1)
    print("toast ready")
    return "toast"


async def main():
    started = time.perf_counter()
    print(await asyncio.gather(coffee(), toast()))
    print("took", time.perf_counter() - started)


if __name__ == "__main__":
    asyncio.run(main())
