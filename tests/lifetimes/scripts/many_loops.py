# SPDX-License-Identifier: MIT
"""Hundreds of loops one after the other, each used a little: no descriptor and no block stays."""

from tests.lifetimes.kit import asyncio, collect, loop_of_the_kind, open_descriptors, sys


async def use():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    transport, _ = await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname())
    transport.close()
    server.close()
    await asyncio.gather(*(asyncio.sleep(0) for _ in range(5)))
    await asyncio.sleep(0.0001)


def rounds(number):
    for _ in range(number):
        loop = loop_of_the_kind()
        loop.run_until_complete(use())
        loop.run_until_complete(asyncio.sleep(0.0001))
        loop.close()
    collect()


def growth(number):
    """How many more blocks are allocated after this many loops."""
    before = sys.getallocatedblocks()
    rounds(number)
    return sys.getallocatedblocks() - before


# What the interpreter's own caches keep for good grows for some hundreds of loops; what each
# loop leaves behind is in every stretch.
rounds(50)
descriptors = open_descriptors()
stretches = [growth(50) for _ in range(3)]
while stretches[-1] >= 25 and len(stretches) < 20:  # a block a loop would be 50
    stretches.append(growth(50))
assert stretches[-1] < 25, stretches
assert open_descriptors() == descriptors
print("fine")
