# SPDX-License-Identifier: MIT
"""One way to make an object of each type of the extension, for test_types.py."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl

from hotloop import _core
from hotloop._stdreader import StreamReader


def job_call(loop):
    """Only a tool that replaces Handle._run ever meets one."""
    seen, original = [], asyncio.Handle._run
    asyncio.Handle._run = lambda handle: (seen.append(handle._callback), original(handle))[1]
    try:
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        asyncio.Handle._run = original
    return next(call for call in seen if type(call).__name__ == "JobCall")


def task(loop):
    made = loop.create_task(asyncio.sleep(0))
    loop.run_until_complete(made)
    return made


async def wait(future):
    await future


def transport(loop, family):
    ours, theirs = pair(family)
    with theirs:
        made = loop._open_stream(asyncio.Protocol(), ours)
        made.abort()
        loop.run_until_complete(asyncio.sleep(0))
    return made


def tls_transport(loop):
    """Its handshake begins, and ends with the connection."""
    ours, theirs = pair(socket.AF_INET)
    with theirs:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made = loop._make_tls(asyncio.Protocol(), context, None, False, "localhost")
        loop._open_stream(made, ours)
        loop.run_until_complete(asyncio.sleep(0))
        made.abort()
        loop.run_until_complete(asyncio.sleep(0))
    return made


def pair(family):
    if family == socket.AF_UNIX:
        ours, theirs = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as server:
            ours = socket.create_connection(server.getsockname())
            theirs, _ = server.accept()
    ours.setblocking(False)
    return ours, theirs


def pipe(loop, side):
    ours, theirs = os.pipe() if side == "rb" else os.pipe()[::-1]
    with open(theirs, "rb" if side == "wb" else "wb"):
        make = {"rb": loop._make_read_pipe_transport, "wb": loop._make_write_pipe_transport}
        made = make[side](open(ours, side, buffering=0), asyncio.Protocol())
        made.close()
        loop.run_until_complete(asyncio.sleep(0))
    return made


def datagram_transport(loop):
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.setblocking(False)
    made = loop._open_datagram(asyncio.DatagramProtocol(), sock)
    made.abort()
    loop.run_until_complete(asyncio.sleep(0))
    return made


def listener(loop):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        made = loop._listen(sock, asyncio.Protocol, None, 8)
        made.close()
        loop.run_until_complete(asyncio.sleep(0))
    return made


def sock_op(loop):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.send(b"x")
        made = loop.sock_recv(ours, 1)
        loop.run_until_complete(wait(made))
    return made


def stream_read(loop):
    reader = StreamReader(loop=loop)
    reader.feed_data(b"x")
    made = reader.read(1)
    loop.run_until_complete(wait(made))
    return made


def new_loop(_):
    made = _core.Loop()
    made._close()
    return made


def timer(loop):
    made = loop.call_later(1000, print)
    made.cancel()
    return made


def handle(loop):
    made = loop.call_soon(print)
    made.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    return made


MAKERS = {
    "Loop": new_loop,
    "Handle": handle,
    "TimerHandle": timer,
    "JobCall": job_call,
    "Future": lambda loop: loop.create_future(),
    "FutureIter": lambda loop: iter(loop.create_future()),
    "Task": task,
    "TcpTransport": lambda loop: transport(loop, socket.AF_INET),
    "UnixTransport": lambda loop: transport(loop, socket.AF_UNIX),
    "SslTransport": tls_transport,
    "ReadPipeTransport": lambda loop: pipe(loop, "rb"),
    "WritePipeTransport": lambda loop: pipe(loop, "wb"),
    "DatagramTransport": datagram_transport,
    "Listener": listener,
    "SockOp": sock_op,
    "StreamRead": stream_read,
}
