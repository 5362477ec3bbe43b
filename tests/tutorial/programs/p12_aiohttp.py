# SPDX-License-Identifier: MIT
"""Three pages at once with aiohttp, a session each, from a server of our own."""

import asyncio
import time

import aiohttp
from aiohttp import web

PAGES = {"/small": 100, "/middle": 10_000, "/large": 1_000_000}


async def main():
    at_once, most = 0, 0

    async def page(request):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.1)
        at_once -= 1
        return web.Response(body=b"x" * PAGES[request.path])

    app = web.Application()
    app.add_routes([web.get(path, page) for path in PAGES])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]

    async def fetch(path):
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}{path}") as response:
                return path, len(await response.read())

    started = time.perf_counter()
    for path, size in await asyncio.gather(*map(fetch, PAGES)):
        print(path, size)
    print("took", time.perf_counter() - started)
    print("at once", most)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
