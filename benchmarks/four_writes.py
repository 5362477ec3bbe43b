"""What does an answer cost that a Protocol writes in four pieces, as HTTP servers do?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Serve, main

PIECE = b"x" * 256


class FourWrites(asyncio.Protocol):
    """Answers each message of 1 KiB by four writes of 256 bytes."""

    def connection_made(self, transport):
        self.write = transport.write

    def data_received(self, data):
        self.write(PIECE)
        self.write(PIECE)
        self.write(PIECE)
        self.write(PIECE)


async def serve(sock):
    return await asyncio.get_running_loop().create_server(FourWrites, sock=sock)


ROWS = [
    Serve(
        "10",
        "four writes per callback, TCP, 10 connections",
        {"uvloop": 3.0},
        serve=serve,
        load="reply",
        limit=("--writes", "4"),
    )
]

if __name__ == "__main__":
    main(__file__)
