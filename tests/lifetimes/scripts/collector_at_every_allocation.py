# SPDX-License-Identifier: MIT
"""G5: a session with everything in it, while the collector runs at every allocation."""

from tests.lifetimes.kit import asyncio, gc, loop_of_the_kind

gc.set_threshold(1, 1, 1)
loop = loop_of_the_kind()


async def echo(reader, writer):
    while data := await reader.read(100):
        writer.write(data)
        await writer.drain()
    writer.close()


async def numbers():
    for number in range(3):
        yield number
        await asyncio.sleep(0)


async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    for _ in range(3):
        reader, writer = await asyncio.open_connection(*address)
        for number in range(5):
            writer.write(b"%d" % number)
            assert await reader.readexactly(1) == b"%d" % number
        writer.close()
        await writer.wait_closed()
    server.close()
    await asyncio.gather(*(asyncio.sleep(0.001 * n) for n in range(5)))
    assert [number async for number in numbers()] == [0, 1, 2]
    try:
        await asyncio.wait_for(asyncio.sleep(20), 0.001)
    except TimeoutError:
        pass
    queue = asyncio.Queue(1)

    async def put():
        for number in range(10):
            await queue.put(number)

    task = asyncio.create_task(put())
    assert [await queue.get() for _ in range(10)] == list(range(10))
    await task
    assert await asyncio.to_thread(int) == 0
    for number in range(50):
        loop.call_soon(int, number)
        loop.call_later(60, int).cancel()
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(asyncio.sleep(0))


loop.run_until_complete(main())
loop.run_until_complete(loop.shutdown_asyncgens())
loop.run_until_complete(loop.shutdown_default_executor())
loop.close()
print("fine")
