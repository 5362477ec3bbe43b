# SPDX-License-Identifier: MIT
"""FastAPI under uvicorn: a route that sleeps, and one that works in a thread."""

import asyncio
import time

import fastapi
import httpx
import uvicorn

app = fastapi.FastAPI()


@app.get("/sleep")
async def sleep():
    await asyncio.sleep(0.1)
    return {"slept": True}


@app.get("/sum")
def sum_range():
    time.sleep(0.2)
    return {"sum": sum(range(100_000))}


async def main():
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="warning", lifespan="on", timeout_keep_alive=1)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.001)
    port = server.servers[0].sockets[0].getsockname()[1]
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", trust_env=False, limits=limits, timeout=30
    ) as client:
        await client.get("/sleep")
        started = time.perf_counter()
        answers = await asyncio.gather(*(client.get("/sleep") for _ in range(50)))
        together = time.perf_counter() - started
        print(len(answers), {answer.status_code for answer in answers}, answers[0].json())
        print("fifty took less than half their sum", together < 2.5)
        slow = asyncio.create_task(client.get("/sum"))
        started = time.perf_counter()
        quick = await client.get("/sleep")
        print(quick.status_code, "before the thread", not slow.done())
        print((await slow).json())
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(main())
