"""How much memory does a connection take on which nothing happens, Protocol object included?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Idle, main


class Waiting(asyncio.Protocol):
    """The least that a protocol keeps: its transport."""

    __slots__ = ("transport",)

    def connection_made(self, transport):
        self.transport = transport


async def serve(sock):
    return await asyncio.get_running_loop().create_server(Waiting, sock=sock)


ROWS = [
    Idle(
        "tcp",
        "memory per idle Protocol connection, TCP",
        {"uvloop": 1.0},
        serve=serve,
        conns=4000,
    )
]

if __name__ == "__main__":
    main(__file__)
