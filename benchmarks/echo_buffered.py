"""What does one echo cost a BufferedProtocol, which brings its own receive buffer?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Serve, main


class BufferedEcho(asyncio.BufferedProtocol):
    """Receives into one buffer of its own and sends a view of it back."""

    def __init__(self):
        self.view = memoryview(bytearray(64 * 1024))

    def connection_made(self, transport):
        self.transport = transport

    def get_buffer(self, sizehint):
        return self.view

    def buffer_updated(self, nbytes):
        self.transport.write(self.view[:nbytes])


async def serve(sock):
    return await asyncio.get_running_loop().create_server(BufferedEcho, sock=sock)


ROWS = [
    Serve(
        f"1k-{conns}",
        f"BufferedProtocol echo, TCP, 1 KiB, {conns} connections",
        {"uvloop": 1.1, "c": 1.12},
        serve=serve,
        conns=conns,
    )
    for conns in (10, 100)
]

if __name__ == "__main__":
    main(__file__)
