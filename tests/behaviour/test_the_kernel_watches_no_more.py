# SPDX-License-Identifier: MIT
"""E5: epoll_ctl refuses a descriptor of add_reader, add_writer, sock_*: the caller hears of it."""

import sys

import pytest

from tests.c.build import preloaded
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


@pytest.mark.skipif(sys.platform != "linux", reason="a library is preloaded")
def test_e5_the_caller_hears_of_it_and_nothing_is_left(loop_kind):
    done = child(SOURCE, kind=loop_kind, env=preloaded("faults.c"))
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first.split() == ["True"] * 30
    assert rest == ["b'x'"] * 3
