# SPDX-License-Identifier: MIT
"""aiohttp, websockets, httpx, FastAPI and anyio, each with a real exchange on the loop."""

from __future__ import annotations

import asyncio

import pytest

from tests.ecosystem import kit
from tests.tools import run


@pytest.fixture(params=["plain", "tls"])
def contexts(request, certificates):
    """What the server and the client take as `ssl`, and the letter that their URLs have more."""
    if request.param == "plain":
        return None, None, ""
    return certificates.server(), certificates.client(), "s"


def test_aiohttp_server_and_client(loop, contexts):
    aiohttp = kit.needs("aiohttp")
    from aiohttp import web

    server_context, client_context, letter = contexts

    async def handler(request):
        if request.path == "/socket":
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            async for message in socket:
                await socket.send_str(message.data.upper())
            return socket
        return web.json_response({"path": request.path, "size": len(await request.read())})

    async def main():
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        base = f"http{letter}://127.0.0.1:{port}"
        connector = aiohttp.TCPConnector(ssl=client_context or True)
        async with aiohttp.ClientSession(connector=connector) as session:
            for size in (0, 1000, 1_000_000):
                async with session.post(f"{base}/page", data=b"x" * size) as response:
                    assert await response.json() == {"path": "/page", "size": size}

            async def get(number):
                async with session.get(f"{base}/{number}") as response:
                    return (await response.json())["path"]

            paths = await asyncio.gather(*(get(number) for number in range(50)))
            assert paths == [f"/{number}" for number in range(50)]
            async with session.ws_connect(f"{base}/socket") as socket:
                for text in ("one", "two", "x" * 100_000):
                    await socket.send_str(text)
                    assert (await socket.receive()).data == text.upper()
        await runner.cleanup()

    run(loop, main(), 40)


def test_websockets_server_and_client(loop, contexts):
    server_context, client_context, letter = contexts
    server_module = kit.needs("websockets.asyncio.server")
    from websockets.asyncio.client import connect

    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async def main():
        async with server_module.serve(echo, "127.0.0.1", 0, ssl=server_context) as server:
            port = server.sockets[0].getsockname()[1]

            url = f"ws{letter}://127.0.0.1:{port}"

            async def client(number):
                async with connect(url, ssl=client_context, proxy=None) as connection:
                    for size in (1, 1000, 100_000):
                        message = str(number) * size
                        await connection.send(message)
                        assert await connection.recv() == message

            await asyncio.gather(*(client(number) for number in range(10)))

    run(loop, main(), 40)


def test_httpx_against_a_stream_server(loop, contexts):
    httpx = kit.needs("httpx")
    server_context, client_context, letter = contexts

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for chunk in (b"one", b"two"):
            writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context)
        base = f"http{letter}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        options = {"verify": client_context or False, "trust_env": False}
        async with httpx.AsyncClient(base_url=base, **options) as client:
            answers = await asyncio.gather(*(client.get("/") for _ in range(20)))
        assert {answer.text for answer in answers} == {"onetwo"}
        server.close()
        await server.wait_closed()

    run(loop, main(), 40)


def test_fastapi_in_process(loop):
    fastapi = kit.needs("fastapi")
    httpx = kit.needs("httpx")
    app = fastapi.FastAPI()

    @app.get("/item/{number}")
    async def item(number: int):
        await asyncio.sleep(0)
        return {"number": number}

    @app.get("/thread")
    def thread():
        return {"loop": False}

    async def main():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get("/item/3")).json() == {"number": 3}
            assert (await client.get("/item/x")).status_code == 422
            assert (await client.get("/thread")).json() == {"loop": False}

    run(loop, main(), 40)


def test_anyio(new_loop):
    anyio = kit.needs("anyio")

    async def main():
        seen = []
        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep(20)
        assert scope.cancelled_caught

        async def work(name, *, task_status=anyio.TASK_STATUS_IGNORED):
            task_status.started(name)
            await anyio.sleep(0.001)
            seen.append(name)

        async with anyio.create_task_group() as group:
            assert await group.start(work, "a") == "a"
            group.start_soon(work, "b")
        assert sorted(seen) == ["a", "b"]
        with pytest.raises(BaseExceptionGroup):
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep, 20)
                raise ValueError
        send, receive = anyio.create_memory_object_stream(1)
        async with anyio.create_task_group() as group, send, receive:
            group.start_soon(send.send, 42)
            assert await receive.receive() == 42
        assert await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(anyio.sleep, 0)) is None
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)

        async def echo(stream):
            async with stream:
                await stream.send(await stream.receive())

        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, echo)
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(b"hello")
                assert await stream.receive() == b"hello"
            group.cancel_scope.cancel()
        await listener.aclose()
        return "done"

    options = {"loop_factory": new_loop}
    assert anyio.run(main, backend="asyncio", backend_options=options) == "done"
