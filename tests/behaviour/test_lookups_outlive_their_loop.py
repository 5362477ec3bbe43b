# SPDX-License-Identifier: MIT
"""A loop can be closed while a name is looked up for it; nothing is left behind (D3, T8)."""

import asyncio
import os
import time

import pytest


def descriptors():
    return len(os.listdir("/proc/self/fd"))


async def ask_and_leave():
    loop = asyncio.get_running_loop()
    question = asyncio.ensure_future(loop.getaddrinfo("no-such-host.invalid", 80))
    await asyncio.sleep(0)
    question.cancel()


@pytest.mark.hotloop_only(reason="asyncio asks in a thread of an executor")
def test_t8_the_descriptors_of_closed_loops_come_back(new_loop):
    before = descriptors()
    for _ in range(5):
        loop = new_loop()
        loop.run_until_complete(ask_and_leave())
        loop.close()
    # The threads end when the resolver gives up; whoever makes a loop after that tidies up.
    deadline = time.monotonic() + 60
    while descriptors() > before and time.monotonic() < deadline:
        new_loop().close()
        time.sleep(0.01)
    assert descriptors() <= before
