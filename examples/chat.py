# SPDX-License-Identifier: MIT
"""A chat room on streams: every line goes to everybody else.

python examples/chat.py [port]               then, elsewhere: nc 127.0.0.1 PORT (twice)
"""

import asyncio
import sys

import hotloop

room: dict[str, asyncio.StreamWriter] = {}


def tell_all(text: str, sender: str = "") -> None:
    """Send a line to everybody but its sender."""
    for name, writer in room.items():
        if name != sender:
            writer.write(text.encode() + b"\n")


async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One visitor, from the question for a name until the connection ends."""
    writer.write(b"your name? ")
    name = (await reader.readline()).decode().strip()
    if not name or name in room:
        writer.write(b"that name is not free\n")
        writer.close()
        return
    room[name] = writer
    tell_all(f"* {name} has come", name)
    try:
        while line := await reader.readline():
            tell_all(f"{name}: {line.decode().rstrip()}", name)
    except ConnectionError:
        pass
    finally:
        del room[name]
        tell_all(f"* {name} has gone")
        writer.close()


async def main(port: int) -> None:
    server = await asyncio.start_server(visit, "127.0.0.1", port)
    print("listening on 127.0.0.1 port", server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        hotloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8000))
    except KeyboardInterrupt:
        print("stopped")
