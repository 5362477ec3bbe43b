# SPDX-License-Identifier: MIT
"""The loop uses memory again that nobody holds; what somebody holds stays as it was."""

import asyncio
import contextlib
import random
import threading

import pytest

from tests.tools import connected, run_until


class Keeper(asyncio.Protocol):
    """Keeps some of what comes, in the ways that programs do, and echoes some."""

    def __init__(self):
        self.chance = random.Random(7)
        self.kept: list[tuple] = []
        self.total = 0

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        copy = bytes(bytearray(data))
        assert hash(data) == hash(copy)
        self.total += len(data)
        how = self.chance.randrange(5)
        if how == 0:
            self.kept.append((data, copy))
        elif how == 1:
            self.kept.append((memoryview(data)[len(data) // 2 :], copy[len(data) // 2 :]))
        elif how == 2:
            self.transport.write(data)
            self.transport.write(bytearray(data[:100]))
        elif how == 3:
            asyncio.get_running_loop().call_soon(lambda: self.kept.append((data, copy)))
        if len(self.kept) > 50:
            del self.kept[self.chance.randrange(50)]


@pytest.mark.parametrize("sizes", [(600, 1000), (1000, 30_000), (33_000, 90_000), (1, 200_000)])
def test_what_is_kept(loop, stream_kind, sizes):
    chance = random.Random(3)
    messages = [chance.randbytes(chance.randint(*sizes)) for _ in range(300)]
    with connected(loop, stream_kind, Keeper()) as (_, protocol, peer):

        def swallow():
            with contextlib.suppress(OSError):  # it is closed when the test is over
                while peer.recv(1 << 20):
                    pass

        def send():
            for message in messages:
                peer.sendall(message)

        threads = [threading.Thread(target=send), threading.Thread(target=swallow, daemon=True)]
        for thread in threads:
            thread.start()
        run_until(loop, lambda: protocol.total == sum(map(len, messages)))
        threads[0].join()
        assert protocol.kept
        for held, copy in protocol.kept:
            assert held == copy
