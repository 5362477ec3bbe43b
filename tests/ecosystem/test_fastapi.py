# SPDX-License-Identifier: MIT
"""FastAPI under uvicorn: background tasks, streaming answers, uploads, WebSockets, dependencies."""

import asyncio
import contextlib
import hashlib
import json
import signal

import pytest

from tests.ecosystem import kit
from tests.tools import run

# FastAPI reads annotations, so they are no strings in this file.
fastapi = kit.needs("fastapi")

CHUNK = b"0123456789abcdef" * 1024


@pytest.fixture
def application():
    """The application, and a list of what happened in it."""
    kit.needs("python_multipart")
    from fastapi.responses import StreamingResponse

    happened = []

    @contextlib.asynccontextmanager
    async def lifespan(app):
        happened.append("up")
        yield
        happened.append("down")

    app = fastapi.FastAPI(lifespan=lifespan)

    async def session():
        happened.append("session opened")
        yield "session"
        happened.append("session closed")

    def blocking(name):
        happened.append(f"blocking {name}")

    async def coroutine(name, gate):
        await gate
        happened.append(f"coroutine {name}")

    @app.post("/notify/{name}")
    async def notify(name: str, tasks: fastapi.BackgroundTasks, s: str = fastapi.Depends(session)):
        app.state.gate = asyncio.get_running_loop().create_future()
        tasks.add_task(coroutine, name, app.state.gate)
        tasks.add_task(blocking, name)
        happened.append(f"answered {s}")
        return {"queued": name}

    @app.get("/stream/{number}")
    async def stream(number: int):
        async def chunks():
            try:
                for _ in range(number):
                    yield CHUNK
                    await asyncio.sleep(0)  # where the server can end it
            finally:
                happened.append("stream ended")

        return StreamingResponse(chunks(), media_type="application/octet-stream")

    @app.get("/lines")
    def lines():
        return StreamingResponse((f"{n}\n" for n in range(1000)), media_type="text/plain")

    @app.post("/upload")
    async def upload(file: fastapi.UploadFile, note: str = fastapi.Form()):
        digest, size = hashlib.sha256(), 0
        while data := await file.read(100_000):
            digest.update(data)
            size += len(data)
        return {"name": file.filename, "note": note, "size": size, "sha": digest.hexdigest()}

    @app.websocket("/socket")
    async def socket(socket: fastapi.WebSocket):
        await socket.accept()
        async for message in socket.iter_json():
            await socket.send_json({"got": message})

    return app, happened


@contextlib.asynccontextmanager
async def serving(app):
    """uvicorn in a task of the running loop, as a program embeds it; gives the port.

    It takes the signals while it serves, and gives them back to the test runner.
    """
    uvicorn = kit.needs("uvicorn")
    # Its own logging configuration would close the handlers of the test runner.
    config = uvicorn.Config(app, port=0, lifespan="on", log_config=None)
    server = uvicorn.Server(config)
    before = signal.getsignal(signal.SIGINT)
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), task
        await asyncio.sleep(0.001)
    try:
        assert signal.getsignal(signal.SIGINT) == server.handle_exit
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task
    assert signal.getsignal(signal.SIGINT) is before


def using(loop, application, use):
    """Run `use(client, happened, app)` with an HTTP client of the served application."""
    httpx = kit.needs("httpx")
    app, happened = application

    async def main():
        async with serving(app) as port:
            options = {"trust_env": False, "timeout": kit.LIMIT}
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", **options) as client:
                await use(client, happened, app)
        assert happened[0] == "up" and happened[-1] == "down"

    run(loop, main(), kit.LIMIT)


def test_background_tasks_run_after_the_answer(loop, application):
    async def use(client, happened, app):
        assert (await client.post("/notify/bob")).json() == {"queued": "bob"}
        assert "coroutine bob" not in happened
        app.state.gate.set_result(None)
        while "blocking bob" not in happened:
            await asyncio.sleep(0.001)
        # The second runs in a thread, but not before the first is through.
        order = [event for event in happened if "bob" in event or "answered" in event]
        assert order == ["answered session", "coroutine bob", "blocking bob"]

    using(loop, application, use)


def test_streaming_answers(loop, application):
    async def use(client, happened, app):
        size = 0
        async with client.stream("GET", "/stream/300") as answer:
            async for data in answer.aiter_bytes():
                size += len(data)
        assert size == 300 * len(CHUNK)
        assert happened.count("stream ended") == 1
        text = (await client.get("/lines")).text
        assert text.split() == [str(n) for n in range(1000)]

    using(loop, application, use)


def test_a_client_that_leaves_ends_the_stream(loop, application):
    async def use(client, happened, app):
        async with client.stream("GET", "/stream/1000000000") as answer:
            async for _ in answer.aiter_bytes():
                break
        while "stream ended" not in happened:
            await asyncio.sleep(0.001)

    using(loop, application, use)


def test_uploads(loop, application):
    data = CHUNK * 400  # spooled to a file, which is read in threads

    async def use(client, happened, app):
        async def send(number):
            files = {"file": (f"{number}.bin", data)}
            answer = await client.post("/upload", files=files, data={"note": "hello"})
            return answer.json()

        sha = hashlib.sha256(data).hexdigest()
        expected = {"note": "hello", "size": len(data), "sha": sha}
        answers = await asyncio.gather(*(send(number) for number in range(3)))
        assert answers == [{"name": f"{n}.bin", **expected} for n in range(3)]

    using(loop, application, use)


def test_websocket(loop, application):
    kit.needs("websockets")
    from websockets.asyncio.client import connect

    async def use(client, happened, app):
        url = f"ws://{client.base_url.host}:{client.base_url.port}/socket"
        async with connect(url, proxy=None) as socket:
            for number in range(20):
                await socket.send(json.dumps({"n": number}))
                assert json.loads(await socket.recv()) == {"got": {"n": number}}

    using(loop, application, use)
