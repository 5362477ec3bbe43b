# SPDX-License-Identifier: MIT
"""Long loads under which memory and descriptors must not grow (L1, L2, L4, L5); see scripts/soak.

python -m tests.lifetimes.soak [--short | --full] [L1] [L2] [L4] [L5]
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import os
import random
import resource
import socket
import ssl
import sys
import time
from collections.abc import Callable

import hotloop
from tests.loops import open_descriptors
from tests.tools import reset

FULL = "--full" in sys.argv
SHORT = "--short" in sys.argv  # a few seconds each, for test_soak.py
CONNECTIONS = 10_000_000 if FULL else 5_000 if SHORT else 60_000
MESSAGES = 10_000_000 if FULL else 40_000 if SHORT else 400_000
WAITS = 10_000_000 if FULL else 10_000 if SHORT else 200_000
MINUTES = 60.0 if FULL else 0.05 if SHORT else 1.0
# Bytes that may come after the warm-up; a short one is hardly over by then.
GROWTH = (256 if SHORT else 64) * 1024


def resident() -> int:
    """The memory of this process in bytes."""
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * resource.getpagesize()


class Watch:
    """Takes the measure at each tenth of a load, and judges at its end."""

    def __init__(self, name: str, allowed: float):
        self.name, self.allowed = name, allowed
        self.rows: list[tuple[int, int]] = []
        self.started = time.monotonic()

    def look(self, done: str) -> None:
        gc.collect()
        self.rows.append((resident(), len(open_descriptors())))
        took = time.monotonic() - self.started
        memory, descriptors = self.rows[-1]
        print(
            f"{self.name} {done:>12} {took:7.0f} s {memory // 1024:8} KiB {descriptors} fds",
            flush=True,
        )

    def judge(self) -> bool:
        """Compare the end with the second look: the first one is before the warm-up."""
        grown = self.rows[-1][0] - self.rows[1][0]
        descriptors = self.rows[-1][1] - self.rows[1][1]
        # The look may fall between a connection's end and the close of its descriptor.
        good = grown <= self.allowed and descriptors <= 1
        print(
            f"{self.name} {'ok' if good else 'FAILED'}: {grown // 1024} KiB, {descriptors} fds",
            flush=True,
        )
        return good


class Echo(asyncio.Protocol):
    ended = 0

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    def connection_lost(self, error):
        Echo.ended += 1


def forked(work: Callable[[], None]) -> int:
    """Run `work` in a child, where no loop is."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    finally:
        os._exit(1)


async def served(number: int, watch: Watch, count: Callable[[], int], pid: int) -> bool:
    """Look at each tenth until `number` is reached; whether the clients were content."""
    watch.look("0")
    for tenth in range(1, 11):
        while count() < number * tenth // 10:
            await asyncio.sleep(0.05)
            if os.waitpid(pid, os.WNOHANG)[0]:
                return count() >= number
        watch.look(f"{count():,}")
    return os.waitpid(pid, 0)[1] == 0


async def connections() -> bool:
    """L1: connect, a message each way, RST; one after the other."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()

    def client():
        for _ in range(CONNECTIONS):
            sock = socket.create_connection(address)
            sock.sendall(b"x" * 100)
            assert len(sock.recv(100)) == 100
            reset(sock)

    Echo.ended = 0
    watch = Watch("L1", GROWTH)
    good = await served(CONNECTIONS, watch, lambda: Echo.ended, forked(client))
    server.close()
    return watch.judge() and good


async def messages() -> bool:
    """L2: ten connections, one message after the other on each."""
    loop = asyncio.get_running_loop()
    received = 0

    class Counting(Echo):
        def data_received(self, data):
            nonlocal received
            received += 1
            self.transport.write(data)

    server = await loop.create_server(Counting, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()

    def client():
        socks = [socket.create_connection(address) for _ in range(10)]
        for _ in range(MESSAGES // 10):
            for sock in socks:
                sock.sendall(b"y" * 64)
            for sock in socks:
                assert sock.recv(64) == b"y" * 64

    watch = Watch("L2", GROWTH)
    good = await served(MESSAGES, watch, lambda: received, forked(client))
    server.close()
    return watch.judge() and good


async def waits() -> bool:
    """L4: tasks that time out in `wait_for` or are cancelled in it, a hundred at once."""
    loop = asyncio.get_running_loop()

    async def late():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(loop.create_future(), 0.0001)

    watch = Watch("L4", GROWTH)
    watch.look("0")
    for tenth in range(1, 11):
        for _ in range(WAITS // 1000):
            tasks = [asyncio.create_task(late()) for _ in range(100)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        watch.look(f"{WAITS * tenth // 10:,}")
    return watch.judge()


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext] | None:
    """A server's and a client's TLS settings, with a certificate made for now."""
    try:
        import trustme
    except ImportError:
        return None
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    client = ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def talk(host, port, chance, **options) -> None:
    """One client of the mixture: some messages, each of which must come back unchanged."""
    reader, writer = await asyncio.open_connection(host, port, **options)
    try:
        for _ in range(chance.randrange(1, 6)):
            data = chance.randbytes(chance.choice((1, 100, 5_000, 200_000)))
            writer.write(data)
            if chance.random() < 0.01:
                writer.transport.abort()
                return
            digest = hashlib.sha256(await reader.readexactly(len(data))).digest()
            assert digest == hashlib.sha256(data).digest(), "a wrong byte"
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def spawn() -> None:
    process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    out, _ = await process.communicate(b"z" * 10_000)
    assert out == b"z" * 10_000 and process.returncode == 0


async def mixture() -> bool:
    """L5: streams, TLS, names, timers and processes at the same time; 1 % of it breaks off."""
    loop = asyncio.get_running_loop()
    chance = random.Random(5)
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    servers, secure = [server], contexts()
    if secure:
        servers.append(await loop.create_server(Echo, "127.0.0.1", 0, ssl=secure[0]))
    end = loop.time() + 60 * MINUTES
    done = 0

    async def worker():
        nonlocal done
        while loop.time() < end:
            kind = chance.random()
            if kind < 0.6:
                await talk("127.0.0.1", port, chance)
            elif kind < 0.9 and secure:
                tls_port = servers[1].sockets[0].getsockname()[1]
                await talk("localhost", tls_port, chance, ssl=secure[1], family=socket.AF_INET)
            elif kind < 0.95:
                await loop.getaddrinfo("localhost", port)
            elif kind < 0.97:
                await spawn()
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.sleep(1), 0.01)
            done += 1

    # What a busy hour leaves in malloc's pools is not a leak: 1 KiB a minute and a little.
    watch = Watch("L5", GROWTH + 1024 * MINUTES if FULL else 4 << 20)
    watch.look("0")
    workers = [asyncio.create_task(worker()) for _ in range(20)]
    for tenth in range(1, 11):
        await asyncio.wait(workers, timeout=max(0, end - 6 * MINUTES * (10 - tenth) - loop.time()))
        if tenth < 10:
            watch.look(f"{done:,}")
    await asyncio.gather(*workers)
    for other in servers:
        other.close()
    watch.look(f"{done:,}")
    return watch.judge()


def main() -> int:
    chosen = [name for name in sys.argv[1:] if name in LOADS] or list(LOADS)
    results = []
    for name in chosen:
        results.append(hotloop.run(LOADS[name]()))
    return 0 if all(results) else 1


LOADS = {"L1": connections, "L2": messages, "L4": waits, "L5": mixture}

if __name__ == "__main__":
    sys.exit(main())
