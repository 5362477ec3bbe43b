# SPDX-License-Identifier: MIT
"""uvicorn with two workers, each a process with a loop of its own on one listening socket."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from tests.ecosystem import kit

pytestmark = pytest.mark.heavy
RUNNING = r"Uvicorn running on https?://127\.0\.0\.1:(\d+)"


COMMAND = ("-m", "uvicorn", "application:app", "--port", "0", "--workers", "2")


def option(kind) -> str:
    """The value of --loop."""
    uvicorn = kit.needs("uvicorn")
    if tuple(map(int, uvicorn.__version__.split(".")[:2])) < (0, 36):
        kit.missing("--loop takes a factory since uvicorn 0.36")
    return "hotloop:new_event_loop" if kind == "hotloop" else "asyncio"


def test_two_workers(tmp_path, loop_kind):
    (tmp_path / "application.py").write_text(kit.APPLICATION)
    with kit.started(tmp_path, *COMMAND, "--loop", option(loop_kind), port=RUNNING) as server:
        server.saw("Application startup complete", times=2)
        said = kit.two_processes(server)
        assert {line.split()[0] for line in said} == {loop_kind} and len(said) == 2
        # One that is killed has a successor, on the same socket.
        os.kill(int(said.pop().split()[1]), signal.SIGKILL)
        server.saw("Application startup complete", times=3)
        assert kit.body(kit.ask(server, "/about")).startswith(loop_kind)
        said = server.end()
    assert said.count("lifespan.shutdown") == 2


def test_sigterm_while_busy(tmp_path, loop_kind):
    (tmp_path / "application.py").write_text(kit.APPLICATION)
    environment = {"UVICORN_LOOP": option(loop_kind)}
    with kit.started(tmp_path, *COMMAND, port=RUNNING, **environment) as server:
        server.saw("Application startup complete", times=2)
        assert kit.body(kit.ask(server, "/about")).startswith(loop_kind)
        with socket.create_connection(("127.0.0.1", server.port), kit.LIMIT) as client:
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            kit.wait_until((tmp_path / "slow").exists, "the request")
            server.process.terminate()
            server.saw("Waiting for (connections to close|background tasks)")
            (tmp_path / "go on").touch()
            assert client.makefile("rb").read().startswith(b"HTTP/1.1 200 ")
        server.process.wait(kit.LIMIT)
    assert server.said.count("lifespan.shutdown") == 2 and "Traceback" not in server.said
