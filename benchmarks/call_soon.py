"""What does one call_soon cost: in batches, with arguments, and as a chain of one?"""

# SPDX-License-Identifier: MIT

from harness import Work, main

BATCH = 1000


def noop():
    pass


def take_two(a, b):
    pass


def batches(loop, n):
    """n calls, scheduled a thousand at a time."""
    left = n // BATCH

    def refill():
        nonlocal left
        call_soon = loop.call_soon
        if left == 0:
            loop.stop()
            return
        left -= 1
        for _ in range(BATCH):
            call_soon(noop)
        call_soon(refill)

    loop.call_soon(refill)
    loop.run_forever()


def batches_with_arguments(loop, n):
    """As batches, with two arguments."""
    left = n // BATCH

    def refill():
        nonlocal left
        call_soon = loop.call_soon
        if left == 0:
            loop.stop()
            return
        left -= 1
        for _ in range(BATCH):
            call_soon(take_two, 1, "two")
        call_soon(refill)

    loop.call_soon(refill)
    loop.run_forever()


def chain(loop, n):
    """A callback that schedules itself: one call per turn of the loop."""
    left = n

    def again():
        nonlocal left
        left -= 1
        if left:
            loop.call_soon(again)
        else:
            loop.stop()

    loop.call_soon(again)
    loop.run_forever()


ROWS = [
    Work(
        "batch",
        "call_soon, batches of 1000",
        {"uvloop": 2.2, "zuvloop": 1.1},
        work=batches,
        limit=lambda drive, n: drive.call(noop, n),
    ),
    Work(
        "arguments",
        "call_soon with two arguments",
        {"uvloop": 2.2, "zuvloop": 1.1},
        work=batches_with_arguments,
        limit=lambda drive, n: drive.call(take_two, n, (1, "two")),
    ),
    Work("chain", "call_soon, chain of one", {"uvloop": 6.0, "zuvloop": 1.1}, work=chain),
]

if __name__ == "__main__":
    main(__file__)
