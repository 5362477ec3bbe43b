# SPDX-License-Identifier: MIT
"""Executors, DNS."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import socket
import threading

from .rows import Trial, raises, row
from .scheduling import place


@row("run_in_executor, to_thread", (3, 4))
def _(t: Trial) -> None:
    async def main():
        threads = set()
        for _ in range(3):
            threads.add(await t.loop.run_in_executor(None, threading.get_ident))
        assert threading.get_ident() not in threads
        place.set("in main")
        assert await asyncio.to_thread(place.get) == "in main"
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            assert await t.loop.run_in_executor(executor, lambda: 42) == 42

    contextvars.copy_context().run(t.run, main())


@row("set_default_executor takes only a ThreadPoolExecutor", (3, 11))
def _(t: Trial) -> None:
    with raises(TypeError, "executor must be ThreadPoolExecutor instance"):
        t.loop.set_default_executor(object())


@row("getaddrinfo")
def _(t: Trial) -> None:
    async def main():
        for host, port, hints in [
            ("127.0.0.1", 80, {"type": socket.SOCK_STREAM}),
            ("localhost", "http", {}),
            (None, 0, {"flags": socket.AI_PASSIVE}),
            (b"::1", 80, {"family": socket.AF_INET6}),
        ]:
            found = await t.loop.getaddrinfo(host, port, **hints)
            assert found == socket.getaddrinfo(host, port, **hints), f"{host} differs"
        with t.part("an error is another one than socket.getaddrinfo's"):
            with raises(socket.gaierror):
                await t.loop.getaddrinfo("127.0.0.1", 80, family=socket.AF_INET6)
        with t.part("host '' differs"):
            try:
                expected = socket.getaddrinfo("", 80)
            except socket.gaierror:
                with raises(socket.gaierror):
                    await t.loop.getaddrinfo("", 80)
            else:
                assert await t.loop.getaddrinfo("", 80) == expected
        with t.part("the scope of an IPv6 address is lost"):
            found = await t.loop.getaddrinfo("fe80::1%1", 80)
            assert found == socket.getaddrinfo("fe80::1%1", 80)

    t.run(main())


@row("getnameinfo")
def _(t: Trial) -> None:
    flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV

    async def main():
        assert await t.loop.getnameinfo(("127.0.0.1", 80), flags) == ("127.0.0.1", "80")
        assert await t.loop.getnameinfo(("127.0.0.1", 80)) == socket.getnameinfo(
            ("127.0.0.1", 80), 0
        )

    t.run(main())
