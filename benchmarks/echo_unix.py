"""What does one echo cost a Protocol over a unix socket, by message size and connections?"""

# SPDX-License-Identifier: MIT

import asyncio

from echo_tcp import Echo
from harness import Serve, main


async def serve(sock):
    return await asyncio.get_running_loop().create_unix_server(Echo, sock=sock)


GOALS = {
    ("1", 10): {"uvloop": 1.15, "c": 1.12},
    ("1", 100): {"uvloop": 1.15, "c": 1.12},
}

ROWS = [
    Serve(
        f"{size}k-{conns}",
        f"Protocol echo, unix socket, {size} KiB, {conns} connections",
        GOALS.get((size, conns), {}),
        grid=(size, conns) not in GOALS,
        serve=serve,
        family="unix",
        size=int(size) * 1024,
        conns=conns,
    )
    for size in ("1", "10", "100")
    for conns in (1, 10, 100, 1000)
]

if __name__ == "__main__":
    main(__file__)
