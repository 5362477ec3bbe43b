# SPDX-License-Identifier: MIT
"""Other people's servers as processes, the certificates they need, and the pages' own snippets."""

from __future__ import annotations

import contextlib
import importlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.tools import TESTS

# In .ci/run nothing may be missing, or a test would be gone without a word.
MUST_RUN = "HOTLOOP_TEST_MUST_RUN" in os.environ
LIMIT = 40.0  # seconds; a bound that only a hang reaches

# An ASGI application that tells about its process and its loop, and says what happens to it.
APPLICATION = """
import asyncio, os, pathlib, time

def kind():
    return type(asyncio.get_running_loop()).__module__.split(".")[0]

async def lifespan(receive, send):
    while True:
        message = await receive()
        print(message["type"], flush=True)
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return

async def body_of(receive):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    if scope["type"] == "websocket":
        return await echo(receive, send)
    body = await body_of(receive)
    if scope["path"] == "/about":
        body = f"{kind()} {scope['http_version']} {scope['scheme']} {os.getpid()}".encode()
    elif scope["path"] == "/slow":
        pathlib.Path("slow").touch()
        while not pathlib.Path("go on").exists():
            await asyncio.sleep(0.005)
    elif scope["path"] == "/hold":
        # Holds up this process until another one of its kind was held up.
        pathlib.Path(f"held.{os.getpid()}").touch()
        until = time.monotonic() + 30
        while len(list(pathlib.Path().glob("held.*"))) < 2 and time.monotonic() < until:
            time.sleep(0.005)
        body = f"{kind()} {os.getpid()}".encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

async def echo(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "bytes": message["bytes"]})
    print("disconnect", flush=True)
"""


def needs(*names: str):
    """The module `names[0]`, if all of them are here; else the test (or the file, if this is
    called when it is imported) is skipped, or fails in .ci/run."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            missing(f"not installed: {name} ({error})")
    return sys.modules[names[0]]


def missing(reason: str):
    """Skip for that reason, or fail where nothing may be missing."""
    if MUST_RUN:
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)


def wait_until_nobody_is_connected(process: subprocess.Popen) -> None:
    """A server that is stopped while it closes a connection may say so by a traceback."""
    server = psutil.Process(process.pid)
    wait_until(
        lambda: all(c.status == psutil.CONN_LISTEN for c in server.net_connections("tcp")),
        "the end of the last connection",
    )


def snippet(word: str, page: str = "docs/usage.md") -> str:
    """The one Python block of a page that contains `word`: what users are told to write."""
    text = (TESTS.parent / page).read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    found = [code for code in blocks if word in code]
    assert len(found) == 1, f"{len(found)} blocks of {page} have {word!r}"
    return found[0]


def wait_until(condition, what: str, seconds: float = LIMIT):
    """Poll `condition` until it is true and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.005)
    return value


class Server:
    """A running server of somebody else's."""

    def __init__(self, process: subprocess.Popen, output: pathlib.Path):
        self.process = process
        self.output = output
        self.folder = output.parent
        self.port = 0

    @property
    def said(self) -> str:
        """Everything on its standard output and error so far."""
        return self.output.read_text(errors="replace")

    def saw(self, pattern: str, times: int = 1) -> re.Match:
        """Wait until the output has `pattern` that many times; the last match."""

        def found():
            if self.process.poll() is not None and not re.search(pattern, self.said):
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.said}")
            matches = list(re.finditer(pattern, self.said))
            return matches[-1] if len(matches) >= times else None

        return wait_until(found, f"{pattern!r} in\n{self.said}")

    def end(self, signum: int = signal.SIGTERM) -> str:
        """Send the signal, wait for the end, and return what the server said. No traceback."""
        self.process.send_signal(signum)
        self.process.wait(LIMIT)
        assert "Traceback" not in self.said, self.said
        return self.said


@contextlib.contextmanager
def started(folder: pathlib.Path, *command: str, port: str = "", **env) -> Iterator[Server]:
    """`python COMMAND` in `folder`; `port` is a pattern of its output with the port as group 1.

    Whatever happens, no process of its group is left.
    """
    path = [os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    output = folder / "output"
    with open(output, "wb") as file:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *path]), **env},
        )
    server = Server(process, output)
    try:
        if port:
            server.port = int(server.saw(port)[1])
            wait_until(lambda: listens(server), f"a listener, but\n{server.said}")
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def listens(server: Server) -> bool:
    """Some servers tell their port before they listen."""
    assert server.process.poll() is None, server.said
    try:
        socket.create_connection(("127.0.0.1", server.port), LIMIT).close()
    except ConnectionRefusedError:
        return False
    return True


def ask(server: Server, path: str) -> bytes:
    """Send a GET request on a connection of its own and return the answer, head and body."""
    with socket.create_connection(("127.0.0.1", server.port), LIMIT) as client:
        return request(client, path)


def request(client: socket.socket, path: str) -> bytes:
    """Send a GET request and read until the server closes; the whole answer."""
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = b""
    while chunk := client.recv(65536):
        answer += chunk
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    return answer


def body(answer: bytes) -> str:
    return answer.partition(b"\r\n\r\n")[2].decode()


def two_processes(server) -> set[str]:
    """What two workers say, each of which waits with its loop held up until the other is too."""
    with socket.create_connection(("127.0.0.1", server.port), LIMIT) as first:
        first.sendall(b"GET /hold HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        wait_until(lambda: list(server.folder.glob("held.*")), "the first worker")
        said = {body(ask(server, "/hold"))}
        said.add(first.makefile("rb").read().rpartition(b"\r\n")[2].decode())
    return said
