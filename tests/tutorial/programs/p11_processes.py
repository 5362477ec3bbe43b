# SPDX-License-Identifier: MIT
"""CPU work in processes, by every start method."""

import asyncio
import concurrent.futures
import multiprocessing
import os
import sys
import warnings

warnings.simplefilter("ignore", DeprecationWarning)  # about fork beside threads


def work(number):
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        loop = "no loop"
    else:
        loop = "a loop runs here"
    return sum(range(number)), loop


def epolls():
    links = []
    for name in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            pass
    return sum("eventpoll" in link for link in links)


async def main():
    loop = asyncio.get_running_loop()
    for method in ("fork", "forkserver", "spawn"):
        context = multiprocessing.get_context(method)
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            jobs = [loop.run_in_executor(pool, work, n) for n in (10, 100)]
            print(method, await asyncio.gather(*jobs))
            if method == "spawn":
                print("inherited epoll sets", await loop.run_in_executor(pool, epolls))


if __name__ == "__main__":
    asyncio.run(main())
    print("ended")
    sys.stdout.flush()
