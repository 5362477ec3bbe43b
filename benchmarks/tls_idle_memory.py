"""How much memory does a TLS connection take on which nothing happens?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Idle, main
from idle_memory import Waiting
from tls_echo import context


async def serve(sock):
    return await asyncio.get_running_loop().create_server(Waiting, sock=sock, ssl=context())


ROWS = [
    Idle(
        "tcp",
        "memory per idle TLS connection",
        {"uvloop": 1.33, "c": 1.2},
        serve=serve,
        conns=1000,
        tls=True,
    )
]

if __name__ == "__main__":
    main(__file__)
