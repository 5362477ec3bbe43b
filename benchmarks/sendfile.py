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
def connect(congestion):
    """A TCP connection to a process that reads and forgets; that process ends with us.

    `congestion` is the kernel's congestion control for what we send, None for the machine's own.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    if congestion is not None:
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
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


async def by_transport(n, congestion=None):
    loop = asyncio.get_running_loop()
    file = open_file()
    sock = connect(congestion).dup()
    sock.setblocking(False)
    transport, protocol = await loop.create_connection(Protocol, sock=sock)
    for _ in range(n):
        try:
            await loop.sendfile(transport, file)
        except NotImplementedError:  # uvloop
            await protocol.writes.send(transport, file)
    transport.abort()


async def by_transport_cubic(n):
    await by_transport(n, "cubic")


def by_kernel(_drive, n, congestion=None):
    """Nothing but the system calls, on a socket that does not block, as a loop's must not."""
    file, sock = open_file(), connect(congestion)
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


def by_kernel_cubic(drive, n):
    by_kernel(drive, n, "cubic")


# BBR paces: on loopback a timer of the kernel for each 64 KiB, which costs more than copying
# them. Cubic is what a kernel does that was not told otherwise, and sends as soon as it may.
ROWS = [
    Work(
        "64m",
        "sendfile of 64 MiB, TCP with cubic (uvloop has none: read and write)",
        {"uvloop": 1.5, "c": 1.1},
        work=by_transport_cubic,
        limit=by_kernel_cubic,
        step=1,
        counted=20,
    ),
    Work(
        "64m-machine",
        "the same with the machine's own congestion control",
        work=by_transport,
        limit=by_kernel,
        step=1,
        counted=20,
    ),
]

if __name__ == "__main__":
    main(__file__)
