"""What does one line cost that a stream server reads by readline and sends back?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Serve, main


async def echo_lines(reader, writer):
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def serve(sock):
    return await asyncio.start_server(echo_lines, sock=sock)


ROWS = [
    Serve(
        "100b-10",
        "readline echo, TCP, 100 bytes, 10 connections",
        {"uvloop": 1.25, "c": 1.3},
        serve=serve,
        size=100,
    )
]

if __name__ == "__main__":
    main(__file__)
