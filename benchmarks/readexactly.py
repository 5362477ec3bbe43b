"""What does one record of known length cost that a stream server reads and sends back?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Serve, main

SIZE = 1024


async def echo_records(reader, writer):
    try:
        while True:
            writer.write(await reader.readexactly(SIZE))
            await writer.drain()
    except asyncio.IncompleteReadError:
        writer.close()


async def serve(sock):
    return await asyncio.start_server(echo_records, sock=sock)


ROWS = [
    Serve(
        "1k-10",
        "readexactly echo, TCP, 1 KiB, 10 connections",
        {"uvloop": 1.25, "c": 1.3},
        serve=serve,
        size=SIZE,
    )
]

if __name__ == "__main__":
    main(__file__)
