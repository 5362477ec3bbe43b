# SPDX-License-Identifier: MIT
"""The n-th call of a system function fails, for each n and errno; WALKS has the rows.

`python -m ... kernel_refuses KIND ROW [ROOM]`, with tests/c/faults.c preloaded. The work is
exchange() below or that of a room of ../rooms.py. Each fault strikes in a forked child.
Acceptable: the work is done, or its caller gets an OSError, or the exception handler is told;
afterwards the loop still works and no descriptor is left. Not acceptable: a signal, a hang, a leak.
"""

import contextlib
import ctypes
import errno
import json
import os
import signal
import warnings

from tests.lifetimes.kit import asyncio, gc, loop_of_the_kind, open_descriptors, socket, sys
from tests.lifetimes.rooms import ROOMS, datagrams
from tests.tools import assert_usable, steady

WALKS = {
    "e3": {"accept4": "EAGAIN ECONNABORTED EMFILE ENFILE ENOBUFS ENOMEM EPERM EPROTO"},
    "e4": {
        "dup": "EMFILE",
        "epoll_create1": "EMFILE ENOMEM",
        "eventfd": "EMFILE ENOMEM",
        "pipe2": "EMFILE",
        "socket": "EMFILE ENFILE ENOBUFS ENOMEM EACCES",
        "socketpair": "EMFILE ENOBUFS",
        "timerfd_create": "EMFILE ENOMEM",
    },
    "e6": {
        "send": "EAGAIN ENOBUFS ENOMEM",
        "sendmmsg": "EAGAIN ENOBUFS ENOMEM EPERM",
        "sendmsg": "EAGAIN ENOBUFS ENOMEM",
        "write": "EAGAIN ENOBUFS ENOSPC EIO",
        "writev": "EAGAIN ENOBUFS ENOMEM",
    },
    "e7": dict.fromkeys(
        "accept4 close connect epoll_pwait read recv recvmsg recvmmsg send sendmmsg sendmsg "
        "write writev".split(),
        "EINTR",
    ),
    "e8": {"close": "EIO", "shutdown": "ENOTCONN"},
    "e12": {
        "bind": "EADDRINUSE EACCES",
        "connect": "EADDRNOTAVAIL ECONNREFUSED ENETUNREACH ETIMEDOUT",
        "getsockopt": "ENOBUFS",
        "listen": "EADDRINUSE",
    },
    "n1": {
        "read": "EAGAIN ECONNRESET ETIMEDOUT EIO ENOMEM",
        "recv": "EAGAIN ECONNRESET ETIMEDOUT ENOMEM",
        "recvmsg": "EAGAIN ECONNRESET",
        "recvmmsg": "EAGAIN ECONNREFUSED ENOMEM",
        "send": "EPIPE ECONNRESET",
        "sendmmsg": "ECONNREFUSED",
        "sendmsg": "EPIPE ECONNRESET",
        "write": "EPIPE ECONNRESET",
        "writev": "EPIPE ECONNRESET",
    },
    "n2": {
        "getpeername": "ENOBUFS ENOTCONN",
        "getsockname": "ENOBUFS",
        "setsockopt": "EINVAL ENOMEM",
    },
    # By hand only: libuv itself answers a refused epoll_ctl with an abort.
    "epoll_ctl": {"epoll_ctl": "ENOMEM ENOSPC EPERM"},
}
ROW, ROOM = sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else ""
# Each function in one way that it may fail.
WALKS["each"] = {
    name: codes.split()[0]
    for row, walk in WALKS.items()
    if row not in ("e7", "epoll_ctl")
    for name, codes in walk.items()
}
WALK = WALKS[ROW]
MOST_CALLS = 12
faults = ctypes.CDLL(None)
warnings.simplefilter("ignore")


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def exchange(loop):
    """A server, a client, a message each way: over TCP, by the sock_* calls, by datagrams."""
    near, far = socket.socketpair()
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    if not server.sockets:  # create_server goes on when one address has no socket
        raise OSError("no address to listen on")
    writer = None
    try:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for _ in range(2):
            writer.write(b"x" * 1000)
            writer.write(bytearray(b"y" * 1000))
            await asyncio.wait_for(reader.readexactly(2000), 0.3)
        writer.write_eof()
        near.setblocking(False)
        far.setblocking(False)
        await loop.sock_sendall(near, b"hello")
        assert await loop.sock_recv(far, 10) == b"hello"
        await datagrams(loop)
        await asyncio.sleep(0.0005)
    finally:
        for thing in (near, far, server):
            with contextlib.suppress(OSError):
                thing.close()
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), 0.3)
        await asyncio.sleep(0.002)


work = ROOMS.get(ROOM, exchange)


def child(name, nth, code):
    """One fault; the exit code says how it went."""
    signal.alarm(8)
    loop = loop_of_the_kind()
    loop.set_exception_handler(lambda loop, context: None)
    before = steady(loop)
    faults.fault_arm(name.encode(), nth, code)
    struck = None
    try:
        loop.run_until_complete(work(loop))
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        struck = error
    other = None
    with contextlib.suppress(OSError):
        other = loop_of_the_kind()
        other.run_until_complete(asyncio.sleep(0))
    if other is not None:
        with contextlib.suppress(OSError):
            other.close()
    calls = faults.fault_calls()
    faults.fault_disarm()
    loop.run_until_complete(work(loop))
    assert_usable(loop)
    del other, struck
    gc.collect()
    left = open_descriptors().keys() - before.keys()
    if left:
        os.write(2, f"{name} {code} {nth}: {sorted(left)} are open\n".encode())
        return 90
    loop.close()
    return 1 if calls >= nth else 0


def walk():
    bad, number = [], 0
    for name, codes in WALK.items():
        for code_name in codes.split():
            for nth in range(1, MOST_CALLS + 1):
                pid = os.fork()
                if not pid:
                    code = 91
                    try:
                        code = child(name, nth, getattr(errno, code_name))
                    except BaseException as error:
                        os.write(2, f"{name} {code_name} {nth}: {error!r}\n".encode())
                    finally:
                        os._exit(code)
                _, status = os.waitpid(pid, 0)
                code = os.waitstatus_to_exitcode(status)
                if code == 0:
                    break  # it is not called that often
                number += 1
                if code != 1:
                    bad.append((name, code_name, nth, code))
    return bad, number


gc.collect()
gc.freeze()  # the children's collections need not look at all that is there already
bad, number = walk()
print(json.dumps({"faults": number, "bad": bad}))
