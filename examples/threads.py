# SPDX-License-Identifier: MIT
"""Threads beside the loop: blocking calls run in a pool, and threads hand results to the loop.

python examples/threads.py
"""

import asyncio
import threading
import time

import hotloop


def blocking(n: int) -> int:
    """A call that knows nothing of asyncio and blocks its thread, such as a database driver."""
    time.sleep(0.2)
    return n * n


def sensor(loop: asyncio.AbstractEventLoop, readings: "asyncio.Queue[int | None]") -> None:
    """A thread of its own that delivers values: only call_soon_threadsafe may cross over."""
    for value in range(5):
        loop.call_soon_threadsafe(readings.put_nowait, value)
    loop.call_soon_threadsafe(readings.put_nowait, None)


async def main() -> None:
    loop = asyncio.get_running_loop()

    start = loop.time()
    squares = await asyncio.gather(*(asyncio.to_thread(blocking, n) for n in range(4)))
    print("squares from the pool:", squares)
    print("four calls of 0.2 s took less than 0.7 s:", loop.time() - start < 0.7)

    readings: asyncio.Queue[int | None] = asyncio.Queue()
    thread = threading.Thread(target=sensor, args=(loop, readings))
    thread.start()
    values = []
    while (value := await readings.get()) is not None:
        values.append(value)
    thread.join()
    print("readings in order:", values)


if __name__ == "__main__":
    hotloop.run(main())
