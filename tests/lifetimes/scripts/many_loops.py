# SPDX-License-Identifier: MIT
"""Two hundred loops one after the other, each used a little: no descriptor and no block stays."""

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


rounds(50)
descriptors, blocks = open_descriptors(), sys.getallocatedblocks()
rounds(150)
assert open_descriptors() == descriptors
grown = sys.getallocatedblocks() - blocks
assert grown < 300, grown  # a block a loop would be 150, which the interpreter itself reaches
print("fine")
