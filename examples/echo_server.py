# SPDX-License-Identifier: MIT
"""An echo server on a Protocol: the fastest way to answer bytes with bytes.

python examples/echo_server.py [port]        then, elsewhere: nc 127.0.0.1 PORT
"""

import asyncio
import sys

import hotloop


class Echo(asyncio.Protocol):
    """Sends back what it gets, and leaves off reading while the peer does not read."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()


async def main(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", port)
    print("listening on 127.0.0.1 port", server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        hotloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8000))
    except KeyboardInterrupt:
        print("stopped")
