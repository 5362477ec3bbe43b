# SPDX-License-Identifier: MIT
"""blockbuster forbids what blocks inside a loop; little that the loop does for others is such."""

from __future__ import annotations

import asyncio
import os
import re
import socket

import pytest

from tests.ecosystem import kit
from tests.tools import run

pytestmark = pytest.mark.hotloop_only("it knows asyncio's calls by the names of asyncio's files")


async def ask(opening, server) -> bytes:
    """What a server sends to one client, until its end."""
    reader, writer = await opening
    try:
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()


async def hello(reader, writer):
    writer.write(b"hello")
    writer.close()
    await writer.wait_closed()


def test_nothing_blocks(loop, certificates, tmp_path):
    blockbuster = kit.needs("blockbuster")
    path = str(tmp_path / "socket")
    server, client = certificates.server(), certificates.client()

    async def main():
        for theirs, ours in (
            ({}, {}),
            ({"ssl": server}, {"ssl": client, "server_hostname": "localhost"}),
        ):
            tcp = await asyncio.start_server(hello, "127.0.0.1", 0, **theirs)
            address = tcp.sockets[0].getsockname()
            assert await ask(asyncio.open_connection(*address, **ours), tcp) == b"hello"
            unix = await asyncio.start_unix_server(hello, path, **theirs)
            assert await ask(asyncio.open_unix_connection(path, **ours), unix) == b"hello"
        assert await loop.getaddrinfo("127.0.0.1", 80)
        near, far = socket.socketpair()
        with near, far:
            near.setblocking(False)
            far.setblocking(False)
            await loop.sock_sendall(near, b"x")
            assert await loop.sock_recv(far, 1) == b"x"
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )
        transport.close()
        read_end, write_end = os.pipe()
        with open(write_end, "wb"):
            file = open(read_end, "rb", buffering=0)
            (await loop.connect_read_pipe(asyncio.Protocol, file))[0].close()
            await asyncio.sleep(0)
        await asyncio.to_thread(int)

    with blockbuster.blockbuster_ctx():
        run(loop, main())


def test_what_the_page_permits(loop, tmp_path):
    """A child and sendfile() run with the permissions of docs/usage.md."""
    blockbuster = kit.needs("blockbuster")
    lines = re.findall(r"^ +(bb\.functions.*)$", kit.snippet("blockbuster_ctx"), re.M)
    assert len(lines) == 2
    (tmp_path / "file").write_bytes(b"from a file")

    async def main():
        process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
        assert await process.communicate(b"through") == (b"through", None)
        near, far = socket.socketpair()
        with near, far, await asyncio.to_thread(open, tmp_path / "file", "rb") as file:
            near.setblocking(False)
            far.setblocking(False)
            assert await loop.sock_sendfile(near, file) == 11
            assert await loop.sock_recv(far, 100) == b"from a file"

    with blockbuster.blockbuster_ctx() as bb:
        for line in lines:
            exec(line, {"bb": bb})
        run(loop, main())
