# SPDX-License-Identifier: MIT
"""S7: the ends of a connection, its server, its loop, in every order: no crash, nothing left."""

import contextlib
import itertools
import warnings

from tests.lifetimes.kit import (
    Recorder,
    collect,
    loop_of_the_kind,
    open_descriptors,
    settle,
    socket,
    turns,
)

warnings.simplefilter("ignore")
loop_of_the_kind().close()
before = open_descriptors()


def play(order, pauses):
    made = []

    class Server(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            made.append(self)
            transport.write(b"x" * 300_000)

    loop = loop_of_the_kind()
    server = loop.run_until_complete(loop.create_server(Server, "127.0.0.1", 0))
    client = socket.create_connection(server.sockets[0].getsockname())
    while not made:
        turns(loop)
    ends = {
        "client": client.close,
        "transport": made[0].transport.close,
        "abort": made[0].transport.abort,
        "server": server.close,
        "loop": loop.close,
        "drop": made.clear,
    }
    for name in order:
        # asyncio's transports need their loop for closing.
        with contextlib.suppress(RuntimeError):
            ends[name]()
        if pauses and not loop.is_closed():
            turns(loop)
    if not loop.is_closed():
        settle(loop)
        loop.close()
    client.close()


for order in itertools.permutations(["client", "transport", "server", "loop", "drop"]):
    for pauses in (False, True):
        play(order, pauses)
for order in itertools.permutations(["abort", "transport", "loop"]):
    play(order, False)
collect()
after = open_descriptors()
assert after.keys() == before.keys(), {fd: after[fd] for fd in after.keys() - before.keys()}
print("fine")
