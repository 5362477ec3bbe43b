# SPDX-License-Identifier: MIT
"""uvicorn on the loop under test: HTTP/1.1 by both parsers, WebSockets, lifespan, SIGTERM (P9)."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest

from tests.ecosystem import kit

kit.needs("uvicorn")
httpx = kit.needs("httpx")

APPLICATION = """
import asyncio

events = []

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            print(message["type"], flush=True)
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    elif scope["type"] == "http":
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if scope["path"] == "/slow":
            print("slow started", flush=True)
            await asyncio.sleep(0.3)
        if scope["path"] == "/loop":
            body = type(asyncio.get_running_loop()).__module__.split(".")[0].encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    else:
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                print("disconnect", flush=True)
                return
            await send({"type": "websocket.send", "bytes": message["bytes"]})
"""


@contextlib.contextmanager
def serving(folder, kind, *options):
    """A uvicorn process that serves APPLICATION; gives it and its port."""
    (folder / "application.py").write_text(textwrap.dedent(APPLICATION))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    loop = "hotloop:new_event_loop" if kind == "hotloop" else "asyncio"
    start = f"""
import sys
sys.argv[0] = "uvicorn"
if {kind!r} == "hotloop":
    import hotloop
    hotloop.install()
import uvicorn
uvicorn.main()
"""
    arguments = ["application:app", "--port", str(port), "--loop", loop, *options]
    if kind == "hotloop" and not takes_factories():
        arguments[arguments.index(loop)] = "none"
    process = subprocess.Popen(
        [sys.executable, "-c", start, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *absolute_path()])},
    )
    try:
        wait_for(port, process)
        yield process, port
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def absolute_path():
    return [os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]


def takes_factories():
    import uvicorn

    return tuple(map(int, uvicorn.__version__.split(".")[:2])) >= (0, 36)


def wait_for(port, process):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("uvicorn never listened")


@pytest.mark.parametrize("parser", ["h11", "httptools"])
def test_http_lifespan_and_sigterm(tmp_path, loop_kind, parser):
    kit.needs(parser)
    with serving(tmp_path, loop_kind, "--http", parser, "--lifespan", "on") as (process, port):
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            assert client.get("/loop").text == loop_kind
            for size in (0, 1, 10_000, 1_000_000):
                assert client.post("/", content=b"x" * size).content == b"x" * size
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert "lifespan.startup" in out and "lifespan.shutdown" in out
        assert "Traceback" not in err, err
        assert process.returncode in (0, -signal.SIGTERM)


def test_p9_a_request_in_flight_ends_before_the_server_does(tmp_path, loop_kind):
    with serving(tmp_path, loop_kind) as (process, port):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.settimeout(20)
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            while process.stdout.readline() != "slow started\n":
                pass
            process.send_signal(signal.SIGTERM)
            answer = b""
            while chunk := client.recv(1000):
                answer += chunk
        assert answer.startswith(b"HTTP/1.1 200 OK")
        _, err = process.communicate(timeout=20)
        assert "Traceback" not in err, err


def test_pipelined_and_broken_requests(tmp_path, loop_kind):
    with serving(tmp_path, loop_kind) as (process, port):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.settimeout(20)
            request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n%02d"
            client.sendall(b"".join(request % number for number in range(20)))
            answer = b""
            while answer.count(b"HTTP/1.1 200 OK") < 20 or not answer.endswith(b"19"):
                answer += client.recv(100_000)
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.settimeout(20)
            client.sendall(b"nonsense\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 400")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


@pytest.mark.parametrize("implementation", ["websockets", "wsproto"])
def test_websocket(tmp_path, loop_kind, implementation):
    kit.needs(implementation)
    client = kit.needs("websockets.sync.client")
    options = ("--ws", implementation)
    with serving(tmp_path, loop_kind, *options) as (process, port):
        with client.connect(f"ws://127.0.0.1:{port}", max_size=None) as connection:
            for size in (1, 1000, 200_000):
                connection.send(b"x" * size)
                assert connection.recv(timeout=20) == b"x" * size
        kit.wait_until_nobody_is_connected(process)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert "Traceback" not in err, err
        assert "disconnect" in out


def test_tls(tmp_path, loop_kind, certificates):
    client = kit.needs("websockets.sync.client")
    options = (
        "--ssl-keyfile",
        certificates.path("good", "key"),
        "--ssl-certfile",
        certificates.path("good"),
    )
    verify = certificates.client()
    with serving(tmp_path, loop_kind, *options, "--lifespan", "on") as (process, port):
        base = f"https://127.0.0.1:{port}"
        with httpx.Client(base_url=base, verify=verify, trust_env=False) as user:
            assert user.get("/loop").text == loop_kind
            for size in (0, 1, 10_000, 3_000_000):
                assert user.post("/", content=b"x" * size).content == b"x" * size
        url = f"wss://127.0.0.1:{port}"
        with client.connect(url, ssl=certificates.client(), max_size=None) as connection:
            for size in (1, 1000, 200_000):
                connection.send(b"x" * size)
                assert connection.recv(timeout=20) == b"x" * size
        kit.wait_until_nobody_is_connected(process)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert "Traceback" not in err, err
        assert "lifespan.shutdown" in out and "disconnect" in out
