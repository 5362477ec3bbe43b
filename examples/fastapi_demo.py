# SPDX-License-Identifier: MIT
"""A FastAPI application on hotloop: async and sync routes, JSON in and out, a lifespan.

python examples/fastapi_demo.py [port]       then, elsewhere: curl http://127.0.0.1:PORT/json
"""

import asyncio
import sys
import threading
from contextlib import asynccontextmanager, suppress

import uvicorn
from fastapi import FastAPI, HTTPException

import hotloop


@asynccontextmanager
async def lifespan(app):
    app.state.items = {1: "a kettle"}
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/json")
async def hello() -> dict[str, str]:
    return {"message": "Hello, world!", "loop": type(asyncio.get_running_loop()).__module__}


@app.get("/slow")
async def slow(seconds: float = 0.2) -> dict[str, float]:
    await asyncio.sleep(min(seconds, 5))
    return {"slept": seconds}


@app.get("/thread")
def in_thread() -> dict[str, bool]:
    return {"main_thread": threading.current_thread() is threading.main_thread()}


@app.get("/items/{number}")
async def get_item(number: int) -> dict[str, str]:
    if number not in app.state.items:
        raise HTTPException(404, "no such item")
    return {"name": app.state.items[number]}


@app.post("/items", status_code=201)
async def add_item(item: dict[str, str]) -> dict[str, int]:
    number = len(app.state.items) + 1
    app.state.items[number] = item["name"]
    return {"number": number}


if __name__ == "__main__":
    config = uvicorn.Config(app, port=int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
    with suppress(KeyboardInterrupt):
        hotloop.run(uvicorn.Server(config).serve())
