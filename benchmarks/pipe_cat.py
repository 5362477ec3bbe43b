"""What do 4 MiB through the pipes of a child process cost?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Work, main

# A page less than 4 MiB, from where on run.py's "warm" malloc maps fresh memory for each object:
# whether that then happens is chance, and costs more than the pipes.
DATA = bytes(range(256)) * (16384 - 16)


async def communicate(n):
    for _ in range(n):
        process = await asyncio.create_subprocess_exec("/bin/cat", stdin=-1, stdout=-1)
        out, _ = await process.communicate(DATA)
        assert out == DATA


class Counter(asyncio.SubprocessProtocol):
    def __init__(self):
        self.left = len(DATA)
        self.done = asyncio.get_running_loop().create_future()

    def pipe_data_received(self, fd, data):
        self.left -= len(data)

    def connection_lost(self, exc):
        self.done.set_result(self.left)


async def protocol(n):
    for _ in range(n):
        loop = asyncio.get_running_loop()
        transport, counter = await loop.subprocess_exec(Counter, "/bin/cat", stderr=None)
        stdin = transport.get_pipe_transport(0)
        stdin.write(DATA)
        stdin.write_eof()
        assert await counter.done == 0
        transport.close()


def attach(loop):
    """asyncio's default child watcher before 3.12 wants to know a loop of the main thread."""
    asyncio.set_event_loop(loop)


ROWS = [
    Work(
        "communicate",
        "4 MiB through cat, communicate()",
        {"uvloop": 1.1},
        work=communicate,
        setup=attach,
        step=1,
        counted=20,
        pinned=False,
    ),
    Work(
        "protocol",
        "4 MiB through cat, SubprocessProtocol",
        {"uvloop": 1.1},
        work=protocol,
        setup=attach,
        step=1,
        counted=20,
        pinned=False,
    ),
]

if __name__ == "__main__":
    main(__file__)
