"""What does a large file cost that goes to a TCP connection?"""

# SPDX-License-Identifier: MIT

import asyncio
import functools
import os
import select
import socket
import tempfile

from harness import Work, main

SIZE = 64 * 1024 * 1024
BLOCK = 256 * 1024


@functools.cache
def open_file():
    """A file of SIZE bytes in the page cache."""
    file = tempfile.TemporaryFile()
    file.write(bytes(BLOCK) * (SIZE // BLOCK))
    file.flush()
    return file


@functools.cache
def connect():
    """A TCP connection to a process that reads and forgets; that process ends with us."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    if os.fork() == 0:
        near.close()
        others = {*range(os.cpu_count())} - os.sched_getaffinity(0)
        os.sched_setaffinity(0, others or {0})
        buffer = bytearray(BLOCK)
        while far.recv_into(buffer):
            pass
        os._exit(0)
    far.close()
    return near


class Writes:
    """What an application does without sendfile: read a block, write it, wait for room."""

    def __init__(self):
        self.room = asyncio.Event()
        self.room.set()

    async def send(self, transport, file):
        file.seek(0)
        while block := file.read(BLOCK):
            transport.write(block)
            await self.room.wait()


class Protocol(asyncio.Protocol):
    def __init__(self):
        self.writes = Writes()

    def pause_writing(self):
        self.writes.room.clear()

    def resume_writing(self):
        self.writes.room.set()


async def by_transport(n):
    loop = asyncio.get_running_loop()
    file = open_file()
    sock = connect().dup()
    sock.setblocking(False)
    transport, protocol = await loop.create_connection(Protocol, sock=sock)
    for _ in range(n):
        try:
            await loop.sendfile(transport, file)
        except NotImplementedError:  # uvloop
            await protocol.writes.send(transport, file)
    transport.abort()


def by_kernel(_drive, n):
    """Nothing but the system calls, on a socket that does not block, as a loop's must not."""
    file, sock = open_file(), connect()
    sock.setblocking(False)
    room = select.epoll()
    room.register(sock, select.EPOLLOUT)
    for _ in range(n):
        sent = 0
        while sent < SIZE:
            try:
                sent += os.sendfile(sock.fileno(), file.fileno(), sent, SIZE - sent)
            except BlockingIOError:
                room.poll()
    room.close()


ROWS = [
    Work(
        "64m",
        "sendfile of 64 MiB, TCP (uvloop has none: read and write)",
        {"uvloop": 1.5, "c": 1.1},
        work=by_transport,
        limit=by_kernel,
        step=1,
    )
]

if __name__ == "__main__":
    main(__file__)
