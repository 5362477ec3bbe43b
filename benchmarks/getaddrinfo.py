"""What does asking for the address of a number cost, as every connection to one does?"""

# SPDX-License-Identifier: MIT

import asyncio
import socket

from harness import Work, main


async def literal(n):
    getaddrinfo = asyncio.get_running_loop().getaddrinfo
    for _ in range(n):
        await getaddrinfo("127.0.0.1", 8080, type=socket.SOCK_STREAM)


ROWS = [
    Work(
        "literal",
        "getaddrinfo of a literal, await",
        {"uvloop": 3.0},
        work=literal,
        step=100,
        pinned=False,  # the rivals' threads
    )
]

if __name__ == "__main__":
    main(__file__)
