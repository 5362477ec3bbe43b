"""What does one echo cost through asyncio's StreamReader and StreamWriter?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Serve, main


async def echo(reader, writer):
    while data := await reader.read(64 * 1024):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve(sock):
    return await asyncio.start_server(echo, sock=sock)


ROWS = [
    Serve(
        f"1k-{conns}",
        f"streams echo (read, write, drain), TCP, 1 KiB, {conns} connections",
        {"uvloop": 1.18, "c": 1.3},
        serve=serve,
        conns=conns,
    )
    for conns in (10, 100)
]

if __name__ == "__main__":
    main(__file__)
