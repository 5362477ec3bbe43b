# SPDX-License-Identifier: MIT
"""L4: thousands of waits that time out, are cancelled or are answered: no block of memory stays."""

from tests.lifetimes.kit import asyncio, collect, loop_of_the_kind, sys

WAITS = 400  # in each stretch, of each of the three ends


async def late(future):
    try:
        await asyncio.wait_for(future, 0.0001)
    except TimeoutError:
        return "late"


async def stretch():
    """Waits that end in every way, and one future that outlives them all."""
    loop = asyncio.get_running_loop()
    outlives = loop.create_future()
    for _ in range(WAITS // 20):
        timed = [asyncio.create_task(late(asyncio.shield(outlives))) for _ in range(10)]
        timed += [asyncio.create_task(late(loop.create_future())) for _ in range(10)]
        assert await asyncio.gather(*timed) == ["late"] * 20
        futures = [loop.create_future() for _ in range(40)]
        waits = [asyncio.create_task(asyncio.wait_for(future, 1000)) for future in futures]
        await asyncio.sleep(0)
        for future, wait in zip(futures[::2], waits[1::2], strict=True):
            future.set_result("answered")
            wait.cancel("enough")
        results = await asyncio.gather(*waits, return_exceptions=True)
        assert results[::2] == ["answered"] * 20
        assert all(isinstance(result, asyncio.CancelledError) for result in results[1::2])
    outlives.cancel()


def growth(loop):
    """How many more blocks are allocated after a stretch."""
    before = sys.getallocatedblocks()
    loop.run_until_complete(stretch())
    collect()
    return sys.getallocatedblocks() - before


loop = loop_of_the_kind()
growth(loop)
# Caches fill in the first ones; what a wait leaves behind is in every stretch.
stretches = [growth(loop)]
while stretches[-1] >= WAITS // 4 and len(stretches) < 10:  # a block a wait would be WAITS
    stretches.append(growth(loop))
assert stretches[-1] < WAITS // 4, stretches
loop.close()
print("fine")
