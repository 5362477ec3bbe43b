# SPDX-License-Identifier: MIT
"""In steady state neither a task switch nor a wakeup asks for memory."""

import asyncio
import gc
import sys

import pytest

from tests.tools import child_output, run

ROUNDS = 5_000


def grown(before):
    return sys.getallocatedblocks() - before


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_switches_leave_nothing_behind(loop, no_collector):
    async def main():
        for _ in range(ROUNDS):
            await asyncio.sleep(0)
        before = sys.getallocatedblocks()
        for _ in range(ROUNDS):
            await asyncio.sleep(0)
        return grown(before)

    assert run(loop, main()) < 20


def test_wakeups_leave_nothing_behind(loop, no_collector):
    async def main():
        async def once():
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future

        for _ in range(ROUNDS):
            await once()
        before = sys.getallocatedblocks()
        for _ in range(ROUNDS):
            await once()
        return grown(before)

    assert run(loop, main()) < 20


def test_timers_leave_nothing_behind(loop, no_collector):
    async def main():
        for _ in range(300):
            await asyncio.sleep(0.00001)
        before = sys.getallocatedblocks()
        for _ in range(300):
            await asyncio.sleep(0.00001)
        return grown(before)

    assert run(loop, main()) < 30


def test_tasks_leave_nothing_behind(loop, no_collector):
    async def nothing():
        pass

    async def main():
        for _ in range(2000):
            await asyncio.create_task(nothing())
        before = sys.getallocatedblocks()
        for _ in range(2000):
            await asyncio.create_task(nothing())
        return grown(before)

    assert run(loop, main()) < 60


SWITCHES = """
import asyncio, gc, types
from tests.c.build import allocations

count = allocations()
loop = make_loop()

@types.coroutine
def switch(rounds):
    for _ in rounds:
        yield

async def main():
    rounds = [None] * 1000
    await switch(rounds)
    gc.collect()
    gc.disable()
    count.start()
    await switch(rounds)
    return count.stop()

print(loop.run_until_complete(main()))
loop.close()
"""

WAKEUPS = """
import asyncio, gc, types
from tests.c.build import allocations

count = allocations()
loop = make_loop()

async def ping(mine, theirs):
    for my, their in zip(mine, theirs):
        their.set_result(None)
        await my

async def pong(mine, theirs):
    for my, their in zip(mine, theirs):
        await my
        their.set_result(None)

async def main():
    taken = None
    for _ in range(3):
        one = [loop.create_future() for _ in range(1000)]
        two = [loop.create_future() for _ in range(1000)]
        tasks = [loop.create_task(ping(one, two)), loop.create_task(pong(two, one))]
        gc.collect()
        gc.disable()
        count.start()
        await tasks[0]
        taken = count.stop()
        await tasks[1]
        gc.enable()
    return taken

print(loop.run_until_complete(main()))
loop.close()
"""


@pytest.mark.parametrize("source", [SWITCHES, WAKEUPS], ids=["switches", "wakeups"])
def test_the_allocators_are_not_asked(loop_kind, source):
    """Counted in C on all of Python's allocators, around 1,000 switches or 2,000 wakeups.

    What is awaited is made beforehand. asyncio asks for a Handle each time, which shows that
    the counter counts.
    """
    asked = int(child_output(source, kind=loop_kind))
    if loop_kind == "asyncio":
        assert asked >= 1000
    else:
        assert asked < 50, f"{asked} allocations"
