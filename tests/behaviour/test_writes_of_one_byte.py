# SPDX-License-Identifier: MIT
"""F16: a kernel that takes one byte at a time; what arrives is what was written."""

from tests.c.build import preloaded
from tests.c.marks import PRELOADS
from tests.tools import child

pytestmark = PRELOADS

SOURCE = """
import asyncio, ctypes, os, random, socket
NAME = f"\\0hotloop-one-byte-{os.getpid()}"
faults = ctypes.CDLL(None)
loop = make_loop()
chance = random.Random(16)
pieces = [chance.randbytes(chance.choice((0, 1, 2, 10, 100, 900))) for _ in range(30)]
whole = b"".join(pieces)

class Collect(asyncio.Protocol):
    def __init__(self):
        self.data = bytearray()
        self.over = loop.create_future()

    def data_received(self, data):
        self.data += data

    def connection_lost(self, error):
        self.over.set_result(error)

class Counts(asyncio.Protocol):
    events = []

    def pause_writing(self):
        self.events.append("pause")

    def resume_writing(self):
        self.events.append("resume")

def write(transport):
    for number in range(0, len(pieces), 5):
        a, b, c, d, e = pieces[number : number + 5]
        transport.write(a)
        transport.writelines([b, bytearray(c), memoryview(d)])
        transport.write(e)

async def through(kind):
    made = loop.create_future()

    def factory():
        made.set_result(Collect())
        return made.result()

    if kind == "tcp":
        server = await loop.create_server(factory, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(Counts, *server.sockets[0].getsockname())
    else:
        server = await loop.create_unix_server(factory, NAME)
        transport, _ = await loop.create_unix_connection(Counts, NAME)
    transport.set_write_buffer_limits(1000)
    write(transport)
    transport.write_eof()
    peer = await made
    assert await asyncio.wait_for(peer.over, 40) is None
    assert peer.data == whole, (len(peer.data), len(whole))
    transport.close()
    server.close()

async def by_hand():
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    sending = loop.create_task(loop.sock_sendall(near, whole))
    data = b""
    while len(data) < len(whole):
        data += await loop.sock_recv(far, 65536)
    await sending
    assert data == whole
    near.close()
    far.close()

async def main():
    faults.fault_one_byte(1)
    await through("tcp")
    await through("unix")
    await by_hand()
    faults.fault_one_byte(0)

loop.run_until_complete(main())
assert Counts.events[:2] == ["pause", "resume"], Counts.events
assert Counts.events == ["pause", "resume"] * (len(Counts.events) // 2)
loop.close()
print("fine")
"""


def test_f16_short_writes_of_one_byte(loop_kind):
    done = child(SOURCE, kind=loop_kind, env=preloaded("faults.c"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "fine\n"
