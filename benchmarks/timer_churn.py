"""What do call_later and cancel cost together while 100,000 other timers are waiting?"""

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


def churn(loop, n):
    """n timers made and cancelled, a thousand per turn of the loop, as request time-outs are."""
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
    )
]

if __name__ == "__main__":
    main(__file__)
