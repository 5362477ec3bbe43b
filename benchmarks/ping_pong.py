"""What does one wake-up through a Future cost between two tasks that wake each other?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Work, main


async def player(table, n):
    """n times: wake the other player, then wait to be woken."""
    create_future = asyncio.get_running_loop().create_future
    for _ in range(n):
        mine = create_future()
        other, table[0] = table[0], mine
        if other is not None:
            other.set_result(None)
        await mine
    if table[0] is not None:
        table[0].set_result(None)
        table[0] = None


async def ping_pong(n):
    table = [None]
    players = [asyncio.create_task(player(table, n // 2)) for _ in range(2)]
    for task in players:
        await task


ROWS = [
    Work("future", "future ping-pong, two tasks", {"uvloop": 7.0, "zuvloop": 3.0}, work=ping_pong)
]

if __name__ == "__main__":
    main(__file__)
