"""What does one echo cost through loop.sock_recv and loop.sock_sendall?"""

# SPDX-License-Identifier: MIT

import asyncio
import socket

from harness import Serve, main

RECV = 64 * 1024


async def echo(loop, sock):
    with sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := await loop.sock_recv(sock, RECV):
            await loop.sock_sendall(sock, data)


async def accept(loop, listener, tasks):
    while True:
        sock, _ = await loop.sock_accept(listener)
        sock.setblocking(False)
        task = loop.create_task(echo(loop, sock))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def serve(sock):
    loop = asyncio.get_running_loop()
    tasks = set()
    tasks.add(loop.create_task(accept(loop, sock, tasks)))
    return tasks


ROWS = [
    Serve(
        f"1k-{conns}",
        f"sock_recv + sock_sendall echo, TCP, 1 KiB, {conns} connections",
        {"uvloop": 1.8},
        serve=serve,
        conns=conns,
    )
    for conns in (10, 100)
]

if __name__ == "__main__":
    main(__file__)
