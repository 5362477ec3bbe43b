"""What does a time-out cost that is set and lifted again while 100,000 others are waiting?"""

# SPDX-License-Identifier: MIT

import random

from harness import Work, main

LIVE = 100_000
BATCH = 1000

DELAYS = [random.Random(1).uniform(1000, 2000) for _ in range(LIVE)]
live = []


def noop():
    pass


def fill(loop):
    live.extend(loop.call_later(delay, noop) for delay in DELAYS)


def replace(loop, n):
    """n times: cancel the oldest of the live timers and make a new one in its place."""
    left, at = n // BATCH, 0

    def refill():
        nonlocal left, at
        call_later = loop.call_later
        if left == 0:
            loop.stop()
            return
        left -= 1
        for i in range(at, at + BATCH):
            live[i].cancel()
            live[i] = call_later(DELAYS[i], noop)
        at = (at + BATCH) % LIVE
        loop.call_soon(refill)

    loop.call_soon(refill)
    loop.run_forever()


def churn(loop, n):
    """n timers made and cancelled at once, a thousand per turn of the loop."""
    left = n // BATCH

    def refill():
        nonlocal left
        call_later = loop.call_later
        if left == 0:
            loop.stop()
            return
        left -= 1
        for delay in DELAYS[:BATCH]:
            call_later(delay, noop).cancel()
        loop.call_soon(refill)

    loop.call_soon(refill)
    loop.run_forever()


ROWS = [
    Work(
        "100k",
        "call_later + cancel, 100k live timers",
        {"uvloop": 9.0, "zuvloop": 1.2},
        work=churn,
        setup=fill,
    ),
    Work("replace", "replace the oldest of 100k live timers", work=replace, setup=fill),
]

if __name__ == "__main__":
    main(__file__)
