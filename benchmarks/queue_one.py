"""What does one item cost through an asyncio.Queue of size 1, where every put and get waits?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Work, main


async def produce(queue, n):
    for item in range(n):
        await queue.put(item)


async def through_queue(n):
    queue = asyncio.Queue(1)
    producer = asyncio.create_task(produce(queue, n))
    for _ in range(n):
        await queue.get()
    await producer


ROWS = [Work("item", "Queue(1), per item", {"uvloop": 2.2, "zuvloop": 1.4}, work=through_queue)]

if __name__ == "__main__":
    main(__file__)
