# SPDX-License-Identifier: MIT
"""A task goes on while its maker does other things."""

import asyncio
import time


async def background():
    print("background started")
    await asyncio.sleep(0.2)
    print("background done")
    return "result"


async def main():
    started = time.perf_counter()
    task = asyncio.create_task(background())
    print("made")
    await asyncio.sleep(0.1)
    print("other work done")
    print(await task)
    print("took", time.perf_counter() - started)


if __name__ == "__main__":
    asyncio.run(main())
