# SPDX-License-Identifier: MIT
"""What the behaviour tests share: recording protocols, socket pairs, bounded waiting."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import textwrap
import time

from tests.loops import open_descriptors

PY = sys.version_info[:2]
TESTS = pathlib.Path(__file__).resolve().parent
LIMIT = 20.0  # seconds; a bound that only a hang reaches


class Recorder(asyncio.Protocol):
    """Notes every call in `events`, and the bytes in `data`."""

    def __init__(self):
        self.events: list = []
        self.data = bytearray()
        self.transport = None
        self.error = None

    def __call__(self):
        return self

    @property
    def names(self) -> list[str]:
        return [event if isinstance(event, str) else event[0] for event in self.events]

    @property
    def lost(self) -> bool:
        return "lost" in self.names

    def connection_made(self, transport):
        self.transport = transport
        self.events.append("made")

    def data_received(self, data):
        self.data += data
        self.events.append(("data", bytes(data)))

    def eof_received(self):
        self.events.append("eof")

    def connection_lost(self, exc):
        self.error = exc
        self.events.append(("lost", exc))

    def pause_writing(self):
        self.events.append("pause")

    def resume_writing(self):
        self.events.append("resume")


class BufferedRecorder(asyncio.BufferedProtocol):
    """The same for a protocol that brings its own buffer."""

    def __init__(self, size: int = 4096):
        self.buffer = bytearray(size)
        self.data = bytearray()
        self.events: list = []
        self.hints: list[int] = []
        self.error = None
        self.transport = None

    def __call__(self):
        return self

    @property
    def lost(self) -> bool:
        return "lost" in self.events

    def connection_made(self, transport):
        self.transport = transport
        self.events.append("made")

    def get_buffer(self, sizehint):
        self.hints.append(sizehint)
        return self.buffer

    def buffer_updated(self, nbytes):
        self.data += self.buffer[:nbytes]
        self.events.append("data")

    def eof_received(self):
        self.events.append("eof")

    def connection_lost(self, exc):
        self.error = exc
        self.events.append("lost")


def socket_pair(kind: str) -> tuple[socket.socket, socket.socket]:
    """Two connected stream sockets, "tcp" over the loopback or "unix"."""
    if kind == "unix":
        return socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    return near, far


async def adopt(loop, factory, sock):
    """A transport for a connected socket, by the call that fits its family."""
    if sock.family == socket.AF_UNIX:
        return await loop.create_unix_connection(factory, sock=sock)
    return await loop.create_connection(factory, sock=sock)


@contextlib.contextmanager
def connected(loop, kind: str, protocol=None):
    """A transport of `loop` with its protocol, and the blocking socket at the other end."""
    near, far = socket_pair(kind)
    protocol = Recorder() if protocol is None else protocol
    transport = None
    try:
        near.setblocking(False)
        transport, _ = loop.run_until_complete(adopt(loop, lambda: protocol, near))
        far.settimeout(LIMIT)
        yield transport, protocol, far
    finally:
        far.close()
        if transport is None:
            near.close()
        elif not loop.is_closed() and not getattr(protocol, "lost", False):
            transport.abort()
            settle(loop)


async def until(condition, seconds: float = LIMIT):
    """Wait until `condition()` is true; fail after `seconds`, which only a hang needs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for never came"
        await asyncio.sleep(0.001)


def run_until(loop, condition, seconds: float = LIMIT):
    """Run `loop` until `condition()` is true."""
    loop.run_until_complete(until(condition, seconds))


def run(loop, coroutine, seconds: float = LIMIT):
    """run_until_complete with a bound."""
    return loop.run_until_complete(asyncio.wait_for(coroutine, seconds))


def turns(loop, number: int = 1):
    """Let `loop` do that many turns, each of which polls."""
    for _ in range(number):
        loop.call_soon(loop.stop)
        loop.run_forever()


def settle(loop):
    """A few turns: enough for a close to reach connection_lost and free its descriptor."""
    turns(loop, 5)


def assert_usable(loop):
    """The loop still runs callbacks, timers and tasks."""
    seen = []
    loop.call_soon(seen.append, "soon")
    loop.call_later(0, seen.append, "later")

    async def work():
        await asyncio.sleep(0.001)
        return 42

    assert loop.run_until_complete(work()) == 42
    assert sorted(seen) == ["later", "soon"]


def steady(loop) -> dict[int, str]:
    """The open descriptors, after the loop has opened what it opens only when needed."""
    near, far = socket.socketpair()
    with near, far:
        loop.add_reader(far, int)
        turns(loop)
        loop.remove_reader(far)
        near.setblocking(False)
        transport, _ = run(loop, loop.create_unix_connection(asyncio.Protocol, sock=near))
        transport.abort()
        settle(loop)
    server = run(loop, loop.create_server(asyncio.Protocol, "127.0.0.1", 0))
    server.close()
    near, far = socket.socketpair()
    with far:  # libuv keeps a descriptor in reserve from a loop's first stream on
        transport, _ = run(loop, loop.create_unix_connection(asyncio.Protocol, sock=near))
        transport.abort()
        settle(loop)
    return open_descriptors()


def receive_exactly(sock: socket.socket, size: int) -> bytes:
    """`size` bytes from a blocking socket, or what came before its end."""
    data = bytearray()
    while len(data) < size:
        chunk = sock.recv(min(size - len(data), 1 << 20))
        if not chunk:
            break
        data += chunk
    return bytes(data)


def shrink_buffers(*socks: socket.socket):
    """Small kernel buffers, so that a write soon has to wait.

    Not tiny ones for TCP, whose window then opens by timers only.
    """
    for sock in socks:
        size = 8192 if sock.family == socket.AF_UNIX else 131_072
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def reset(sock: socket.socket):
    """Close a TCP socket so that the other side gets RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def child(source: str, *args: str, kind: str = "asyncio", timeout: float = 50, env=None, flags=()):
    """Run a script in its own interpreter, with `make_loop()` for the kind under test.

    Returns the CompletedProcess, with text output.
    """
    head = "from tests.loops import make_loop as _make\n" + (
        f"def make_loop():\n    return _make({kind!r})\n"
    )
    return subprocess.run(
        [sys.executable, *flags, "-c", head + textwrap.dedent(source), *args],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=TESTS.parent,
        env={**os.environ, **(env or {})},
        check=False,
    )


def child_output(source: str, *args: str, **options) -> str:
    """`child`, which must succeed; its standard output."""
    done = child(source, *args, **options)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
