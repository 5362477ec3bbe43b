# SPDX-License-Identifier: MIT
"""The least HTTP server: one fixed answer, keep-alive and pipelining, no body is read.

python examples/http_hello.py [port]         then, elsewhere: curl http://127.0.0.1:PORT/
"""

import asyncio
import sys

import hotloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello, world!\n"
BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
LONGEST_HEAD = 16 * 1024


class Hello(asyncio.Protocol):
    """Answers each request head, also when it comes in pieces or several come at once."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.pending = b""

    def data_received(self, data: bytes) -> None:
        *heads, self.pending = (self.pending + data).split(b"\r\n\r\n")
        for head in heads:
            if not head.startswith(b"GET "):
                self.transport.write(BAD)
                self.transport.close()
                return
            self.transport.write(ANSWER)
            if b"connection: close" in head.lower():
                self.transport.close()
        if len(self.pending) > LONGEST_HEAD:
            self.transport.abort()


async def main(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Hello, "127.0.0.1", port)
    print("listening on 127.0.0.1 port", server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        hotloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8000))
    except KeyboardInterrupt:
        print("stopped")
