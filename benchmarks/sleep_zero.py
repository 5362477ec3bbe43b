"""What does one `await asyncio.sleep(0)` cost with 1, 100 and 10,000 tasks taking turns?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Work, main


async def sleeper(n):
    for _ in range(n):
        await asyncio.sleep(0)


def with_tasks(count):
    """A work function for so many tasks."""

    async def work(n):
        tasks = [asyncio.create_task(sleeper(n // count)) for _ in range(count)]
        for task in tasks:
            await task

    return work


def limit_with_tasks(count):
    """The same coroutines, sent into by a loop in C."""

    def limit(drive, n):
        drive.round_robin([sleeper(n // count) for _ in range(count)])

    return limit


def row(key, title, count, uvloop, zuvloop):
    return Work(
        key,
        title,
        {"uvloop": uvloop, "zuvloop": zuvloop, "c-instructions": 1.15},
        work=with_tasks(count),
        limit=limit_with_tasks(count),
        # enough switches per task that creating it does not count
        step=max(1000, count * 20),
    )


ROWS = [
    row("1", "sleep(0), 1 task", 1, 4.0, 1.3),
    row("100", "sleep(0), 100 tasks", 100, 2.0, 1.6),
    row("10k", "sleep(0), 10k tasks", 10_000, 1.9, 1.5),
]

if __name__ == "__main__":
    main(__file__)
