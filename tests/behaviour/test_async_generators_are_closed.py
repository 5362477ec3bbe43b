# SPDX-License-Identifier: MIT
"""asyncgen hooks: installed while running, finalised by the loop, closed by shutdown_asyncgens."""

import asyncio
import gc
import sys

import pytest

from tests.tools import turns


async def numbers(closed):
    try:
        yield 1
        yield 2
    finally:
        await asyncio.sleep(0)
        closed.append(1)


def test_hooks_are_installed_only_while_it_runs(loop):
    before = sys.get_asyncgen_hooks()
    seen = []
    loop.call_soon(lambda: seen.append(sys.get_asyncgen_hooks()))
    turns(loop)
    assert seen[0].firstiter is not None and seen[0].finalizer is not None
    assert sys.get_asyncgen_hooks() == before


def test_foreign_hooks_are_restored(loop):
    def firstiter(generator):
        pass

    old = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=firstiter, finalizer=None)
    try:
        turns(loop)
        assert sys.get_asyncgen_hooks().firstiter is firstiter
    finally:
        sys.set_asyncgen_hooks(*old)


def test_a_dropped_generator_is_closed_by_the_loop(loop):
    closed = []

    async def main():
        generator = numbers(closed)
        await anext(generator)
        del generator
        gc.collect()
        await asyncio.sleep(0.001)

    loop.run_until_complete(main())
    assert closed == [1]


def test_shutdown_closes_what_is_still_held(loop):
    closed, held = [], []

    async def main():
        for _ in range(3):
            generator = numbers(closed)
            await anext(generator)
            held.append(generator)

    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert closed == [1, 1, 1]


def test_shutdown_reports_a_generator_that_fails_to_close(loop, reports):
    async def stubborn():
        try:
            yield 1
        finally:
            raise ZeroDivisionError

    held = stubborn()

    async def main():
        await anext(held)

    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_asyncgens())
    (report,) = reports
    assert report["message"].startswith(
        "an error occurred during closing of asynchronous generator"
    )
    assert report["asyncgen"] is held


def test_a_generator_started_after_shutdown_warns(loop):
    async def main():
        await loop.shutdown_asyncgens()
        generator = numbers([])
        with pytest.warns(ResourceWarning, match="was scheduled after loop.shutdown_asyncgens"):
            await anext(generator)
        await generator.aclose()

    loop.run_until_complete(main())


def test_an_iteration_left_by_break(loop):
    closed = []

    async def main():
        async for _ in numbers(closed):
            break
        gc.collect()
        await asyncio.sleep(0.001)

    loop.run_until_complete(main())
    assert closed == [1]
