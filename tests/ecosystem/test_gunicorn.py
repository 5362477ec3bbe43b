# SPDX-License-Identifier: MIT
"""gunicorn with three kinds of worker on the loop, chosen as docs/usage.md tells."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from tests.ecosystem import kit

pytestmark = pytest.mark.heavy
LISTENING = r"Listening at: http://127\.0\.0\.1:(\d+)"
COMMAND = ("-m", "gunicorn", "application:app", "--bind", "127.0.0.1:0", "--no-control-socket")


@pytest.fixture
def folder(tmp_path):
    kit.needs("gunicorn")
    (tmp_path / "application.py").write_text(kit.APPLICATION)
    return tmp_path


def uvicorn_worker(folder, kind) -> list[str]:
    kit.needs("uvicorn_worker")
    (folder / "workers.py").write_text(kit.snippet("class HotloopWorker"))
    worker = "workers.HotloopWorker" if kind == "hotloop" else "uvicorn_worker.UvicornH11Worker"
    return ["--worker-class", worker]


def test_uvicorn_workers(folder, loop_kind):
    options = [*uvicorn_worker(folder, loop_kind), "--workers", "2"]
    with kit.started(folder, *COMMAND, *options, port=LISTENING) as server:
        server.saw("Application startup complete", times=2)
        said = kit.two_processes(server)
        assert {line.split()[0] for line in said} == {loop_kind} and len(said) == 2
        # A worker that is killed has a successor, on the same socket.
        os.kill(int(said.pop().split()[1]), signal.SIGKILL)
        server.saw("Application startup complete", times=3)
        assert kit.body(kit.ask(server, "/about")).startswith(loop_kind)
        said = server.end()
    assert server.process.returncode == 0
    assert said.count("lifespan.shutdown") == 2


def test_a_request_in_flight_ends_before_the_worker_does(folder, loop_kind):
    options = uvicorn_worker(folder, loop_kind)
    with kit.started(folder, *COMMAND, *options, port=LISTENING) as server:
        with socket.create_connection(("127.0.0.1", server.port), kit.LIMIT) as client:
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            kit.wait_until((folder / "slow").exists, "the request")
            server.process.terminate()
            server.saw("Shutting down")
            (folder / "go on").touch()
            assert client.makefile("rb").read().startswith(b"HTTP/1.1 200 ")
        server.process.wait(kit.LIMIT)
    assert server.process.returncode == 0 and "Traceback" not in server.said


@pytest.mark.hotloop_only("on asyncio there is nothing to install")
@pytest.mark.parametrize("worker", ["asgi", "aiohttp.GunicornWebWorker"])
def test_workers_of_others_after_install(folder, loop_kind, worker):
    if worker.startswith("aiohttp"):
        kit.needs("aiohttp")
        (folder / "application.py").write_text(AIOHTTP)
    (folder / "gunicorn.conf.py").write_text(kit.snippet("# gunicorn.conf.py"))
    options = ["--worker-class", worker]
    if worker == "asgi":
        options += ["--asgi-loop", "asyncio"]
    with kit.started(folder, *COMMAND, *options, port=LISTENING) as server:
        assert kit.body(kit.ask(server, "/about")).startswith(loop_kind)
        server.end()
    assert server.process.returncode == 0


AIOHTTP = """
import asyncio
from aiohttp import web

async def about(request):
    return web.Response(text=type(asyncio.get_running_loop()).__module__)

app = web.Application()
app.router.add_get("/about", about)
"""
