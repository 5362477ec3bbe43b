# SPDX-License-Identifier: MIT
"""E4, E5: the kernel refuses to watch a descriptor, or to make it one: the caller hears of it."""

import pytest

from tests.c.build import preloaded
from tests.c.marks import PRELOADS
from tests.tools import child

SOURCE = """
import asyncio, ctypes, errno, socket, sys
faults = ctypes.CDLL(None)
loop = make_loop()
near, far = socket.socketpair()
near.setblocking(False)
far.setblocking(False)
loop.add_reader(far, int)
loop.call_soon(loop.stop)
loop.run_forever()
loop.remove_reader(far)

def refused(call):
    try:
        call()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "nothing"

async def main():
    seen = []
    for code in (errno.ENOMEM, errno.ENOSPC, errno.EPERM):
        for call in (
            lambda: loop.add_reader(far, int),
            lambda: loop.add_writer(far, int),
            lambda: loop.sock_recv(far, 10).send(None),
            lambda: loop.sock_recvfrom(far, 10).send(None),
            lambda: loop.sock_recv_into(far, bytearray(1)).send(None),
        ):
            faults.fault_arm(b"epoll_ctl", 1, code)
            faults.fault_go_on()
            seen.append(refused(call) == errno.errorcode[code])
            faults.fault_disarm()
            seen.append(not loop.remove_reader(far) and not loop.remove_writer(far))
    print(*seen)
    for _ in range(3):
        reading = asyncio.ensure_future(loop.sock_recv(far, 10))
        await asyncio.sleep(0)
        near.send(b"x")
        print(await asyncio.wait_for(reading, 20))

loop.run_until_complete(main())
loop.close()
"""


@PRELOADS
def test_e5_the_caller_hears_of_it_and_nothing_is_left(loop_kind):
    done = child(SOURCE, kind=loop_kind, env=preloaded("faults.c"))
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first.split() == ["True"] * 30
    assert rest == ["b'x'"] * 3


FIRST = """
import asyncio, ctypes, errno, signal, socket
faults = ctypes.CDLL(None)
near, far = socket.socketpair()
near.setblocking(False)
far.setblocking(False)

def refused(name, call, *args):
    "What `call` says when each call of the kernel's function fails."
    faults.fault_arm(name, 1, errno.ENOMEM)
    faults.fault_go_on()
    try:
        call(*args)
    except (OSError, RuntimeError) as error:
        return f"[Errno {errno.ENOMEM}]" in str(error)
    finally:
        faults.fault_disarm()
    return "nothing"

def handle_signals(loop):
    loop.add_signal_handler(signal.SIGUSR1, int)

def receive(loop):
    loop.sock_recv(far, 10).send(None)

def read(loop):
    loop.add_reader(far, int)

def sleep(loop):
    loop.run_until_complete(asyncio.sleep(0))

for name in b"epoll_ctl", b"epoll_create1", b"socketpair":
    for call in handle_signals, receive, read:
        loop = make_loop()
        said = refused(name, call, loop)
        assert said in (True, "nothing"), (name, call, said)
        print(name.decode(), call.__name__, said)
        call(loop) if call is not receive else read(loop)
        loop.run_until_complete(asyncio.sleep(0.001))
        loop.remove_reader(far)
        loop.close()
"""


@pytest.mark.hotloop_only(reason="asyncio makes its selector with the loop")
@PRELOADS
def test_e5_a_new_loop_whose_first_descriptor_is_refused_works_later():
    done = child(FIRST, kind="hotloop", env=preloaded("faults.c"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "epoll_ctl handle_signals True",
        "epoll_ctl receive True",
        "epoll_ctl read True",
        "epoll_create1 handle_signals nothing",
        "epoll_create1 receive True",
        "epoll_create1 read True",
        "socketpair handle_signals True",
        "socketpair receive nothing",
        "socketpair read nothing",
    ]


ENDPOINTS = """
import asyncio, contextlib, ctypes, errno, socket
faults = ctypes.CDLL(None)
loop = make_loop()
reports = []
loop.set_exception_handler(lambda loop, context: reports.append(context))

async def struck(name, nth, make):
    faults.fault_arm(name, nth, errno.ENOMEM)
    try:
        made = await make()
    except OSError as error:
        assert error.errno == errno.ENOMEM, error
        return True
    finally:
        faults.fault_disarm()
    end = made[0].abort if isinstance(made, tuple) else made.close
    end()
    return False

def server():
    return loop.create_server(asyncio.Protocol, sock=listener())

def listener():
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock

def datagrams():
    return loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))

def unix():
    sock, other = socket.socketpair()
    others.append(other)
    return loop.create_unix_connection(asyncio.Protocol, sock=sock)

def tcp():
    sock = socket.create_connection(there)
    return loop.create_connection(asyncio.Protocol, sock=sock)

async def main():
    for make in server, datagrams:
        print(make.__name__, await struck(b"epoll_ctl", 1, make))
    for make in unix, tcp:
        hits = [await struck(b"ioctl", nth, make) for nth in range(1, 7)]
        print(make.__name__, any(hits), hits[-1])
    await asyncio.sleep(0.001)

others = []
with socket.create_server(("127.0.0.1", 0)) as listening:
    there = listening.getsockname()
    loop.run_until_complete(main())
for other in others:
    other.close()
assert not reports, reports

class Greets(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(b"hello")

async def accept():
    server = await loop.create_server(Greets, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    faults.fault_arm(b"ioctl", 1, errno.ENOMEM)
    with socket.socket() as sock:
        sock.connect(address)
        while not reports:
            await asyncio.sleep(0)
    faults.fault_disarm()
    print(reports.pop()["exception"].errno == errno.ENOMEM)
    reader, writer = await asyncio.open_connection(*address)
    print(await reader.readexactly(5))
    writer.close()
    server.close()

loop.run_until_complete(accept())
loop.close()
"""


@pytest.mark.hotloop_only(reason="asyncio's endpoints watch later, when nobody waits for it")
@PRELOADS
def test_e4_e5_who_makes_an_endpoint_hears_of_it_and_a_server_goes_on():
    done = child(ENDPOINTS, kind="hotloop", env=preloaded("faults.c"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "server True",
        "datagrams True",
        "unix True False",
        "tcp True False",
        "True",
        "b'hello'",
    ]
