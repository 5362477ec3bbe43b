# SPDX-License-Identifier: MIT
"""gather where one raises: the caller learns it at once, the others go on."""

import asyncio
import time


async def good(name, seconds):
    await asyncio.sleep(seconds)
    print("finished", name)
    return name


async def bad():
    await asyncio.sleep(0.05)
    raise ValueError("no such page")


async def main():
    started = time.perf_counter()
    tasks = [asyncio.create_task(good("slow", 0.2)), asyncio.create_task(bad())]
    try:
        await asyncio.gather(*tasks)
    except ValueError as error:
        print("caught", error)
        print("early", time.perf_counter() - started < 0.19)
    print("cancelled", tasks[0].cancelled())
    print(await tasks[0])
    print(await asyncio.gather(good("one", 0.01), bad(), return_exceptions=True))
    print("took", time.perf_counter() - started)


if __name__ == "__main__":
    asyncio.run(main())
