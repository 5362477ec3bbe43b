"""What does each child of a gather of 10,000 coroutines cost?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Work, main

CHILDREN = 10_000


async def child():
    return 1


async def gather(n):
    for _ in range(n // CHILDREN):
        await asyncio.gather(*[child() for _ in range(CHILDREN)])


ROWS = [
    Work(
        "10k",
        "gather of 10k, per child",
        {"uvloop": 1.8, "zuvloop": 1.3},
        work=gather,
        limit=lambda drive, n: drive.create_and_run(child, n),
        step=CHILDREN,
    )
]

if __name__ == "__main__":
    main(__file__)
