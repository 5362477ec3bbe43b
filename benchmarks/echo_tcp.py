"""What does one echo cost a Protocol over TCP, by message size and number of connections?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Serve, main


class Echo(asyncio.Protocol):
    """Sends back what it gets."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def serve(sock):
    return await asyncio.get_running_loop().create_server(Echo, sock=sock)


GOALS = {
    ("1", 10): {"uvloop": 1.0, "c": 1.07},
    ("1", 100): {"uvloop": 1.0, "c": 1.07},
    ("100", 10): {"uvloop": 1.2, "c": 1.1},
}

ROWS = [
    Serve(
        f"{size}k-{conns}",
        f"Protocol echo, TCP, {size} KiB, {conns} connections",
        GOALS.get((size, conns), {}),
        grid=(size, conns) not in GOALS,
        serve=serve,
        size=int(size) * 1024,
        conns=conns,
    )
    for size in ("1", "10", "100")
    for conns in (1, 10, 100, 1000)
]

if __name__ == "__main__":
    main(__file__)
