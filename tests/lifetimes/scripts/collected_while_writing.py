# SPDX-License-Identifier: MIT
"""Everything the program held is dropped while a write waits: the bytes still arrive."""

from tests.lifetimes.kit import (
    asyncio,
    collect,
    loop_of_the_kind,
    open_descriptors,
    pair,
    steady,
    turns,
)

SIZE = 8_000_000
loop = loop_of_the_kind()
before = steady(loop)
for kind in ("tcp", "unix"):
    transport, protocol, far = pair(loop, asyncio.Protocol(), kind)
    transport.write(b"x" * SIZE)
    transport.close()
    del transport, protocol
    collect()
    turns(loop, 2)
    collect()
    far.setblocking(False)
    got, ended = 0, False
    for _ in range(200_000):
        turns(loop)
        try:
            chunk = far.recv(1 << 20)
        except BlockingIOError:
            continue
        if not chunk:
            ended = True
            break
        got += len(chunk)
        collect()
    assert ended and got == SIZE, (kind, got)
    far.close()
    turns(loop, 3)
collect()
assert open_descriptors() == before
loop.close()
print("fine")
