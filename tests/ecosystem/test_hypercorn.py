# SPDX-License-Identifier: MIT
"""hypercorn: HTTP/2 and HTTP/1.1 over TLS, chosen as docs/usage.md tells, and inside a program."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest

from tests.ecosystem import kit
from tests.tools import run

pytestmark = pytest.mark.heavy
RUNNING = r"Running on https?://127\.0\.0\.1:(\d+)"


@pytest.fixture
def command(tmp_path, loop_kind, certificates) -> list[str]:
    """`python -m hypercorn ...` for an application of tmp_path, over TLS."""
    kit.needs("hypercorn", "h2")
    install = kit.snippet("# application.py") if loop_kind == "hotloop" else ""
    install = re.sub(r"^async def app.*", "", install, flags=re.M | re.S)
    (tmp_path / "application.py").write_text(install + kit.APPLICATION)
    tls = ["--keyfile", certificates.path("good", "key"), "--certfile", certificates.path("good")]
    return ["-m", "hypercorn", "-k", "asyncio", "-b", "127.0.0.1:0", *tls, "application:app"]


def client(server, certificates, **options):
    httpx = kit.needs("httpx")
    return httpx.Client(
        base_url=f"https://127.0.0.1:{server.port}",
        verify=certificates.client(),
        trust_env=False,
        timeout=kit.LIMIT,
        **options,
    )


@pytest.mark.parametrize("version", ["2", "1.1"])
def test_http_over_tls(tmp_path, loop_kind, certificates, command, version):
    with kit.started(tmp_path, *command, port=RUNNING) as server:
        with client(server, certificates, http2=version == "2") as user:
            answer = user.get("/about")
            assert answer.http_version == f"HTTP/{version}"
            assert answer.text.split()[:3] == [loop_kind, version, "https"]
            for size in (0, 1, 100_000, 3_000_000):
                assert user.post("/", content=b"x" * size).content == b"x" * size
        said = server.end()
    assert "lifespan.startup" in said and "lifespan.shutdown" in said
    assert server.process.returncode == 0


def test_many_streams_on_one_connection(tmp_path, loop, certificates, command):
    """The client is on the loop as well, and its answers come interleaved."""
    httpx = kit.needs("httpx")

    async def main(port):
        options = {"verify": certificates.client(), "trust_env": False, "timeout": kit.LIMIT}
        limits = httpx.Limits(max_connections=1)
        base = f"https://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base, http2=True, limits=limits, **options) as user:

            async def post(number):
                return (await user.post("/", content=bytes([number]) * 20_000)).content

            answers = await asyncio.gather(*(post(number) for number in range(50)))
        assert answers == [bytes([number]) * 20_000 for number in range(50)]

    with kit.started(tmp_path, *command, port=RUNNING) as server:
        run(loop, main(server.port), kit.LIMIT)
        server.end()


def test_two_workers(tmp_path, loop_kind, certificates, command):
    """They are processes that import the application before they make their loop."""
    with kit.started(tmp_path, *command, "--workers", "2", port=RUNNING) as server:
        server.saw("lifespan.startup", times=2)
        with client(server, certificates) as user:
            assert user.get("/about").text.startswith(loop_kind)
        server.end()
    # When one has shut down, hypercorn terminates the other.
    assert "lifespan.shutdown" in server.said and server.process.returncode == 0


def test_inside_a_program(loop, loop_kind):
    kit.needs("hypercorn")
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    space: dict = {}
    exec(kit.APPLICATION, space)

    async def main():
        end = asyncio.Event()
        config = Config()
        config.accesslog = config.errorlog = None
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        config.bind = [f"fd://{listener.detach()}"]
        server = asyncio.create_task(serve(space["app"], config, shutdown_trigger=end.wait))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /about HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        end.set()
        await server
        return kit.body(answer)

    assert run(loop, main(), kit.LIMIT).startswith(f"{loop_kind} 1.1 http ")
