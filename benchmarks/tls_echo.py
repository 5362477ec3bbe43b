"""What does one echo cost a Protocol over TLS 1.3, by message size?"""

# SPDX-License-Identifier: MIT

import asyncio
import ssl

from echo_tcp import Echo
from harness import Serve, main
from native import certificate


def context():
    """A server's context with the benchmarks' own certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*certificate())
    return made


async def serve(sock):
    return await asyncio.get_running_loop().create_server(Echo, sock=sock, ssl=context())


GOALS = {1: {"uvloop": 1.08, "c": 1.08}, 64: {"uvloop": 1.0, "c": 1.03}}

ROWS = [
    Serve(
        f"{size}k-10",
        f"Protocol echo, TLS, {size} KiB, 10 connections",
        GOALS[size],
        serve=serve,
        size=size * 1024,
        conns=10,
        tls=True,
    )
    for size in (1, 64)
]

if __name__ == "__main__":
    main(__file__)
