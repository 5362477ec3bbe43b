"""What does a short timer cost from call_later to its callback, and how late does it come?"""

# SPDX-License-Identifier: MIT

import time

from harness import Sample, Work, main

TIMERS = 20_000
SPAN = 0.02


def fire(loop, n):
    """Rounds of 20,000 timers, spread over 20 ms; each round ends when all have fired."""

    def arrive():
        nonlocal waiting
        waiting -= 1
        if waiting == 0:
            loop.stop()

    def start():
        nonlocal waiting
        waiting = TIMERS
        for i in range(TIMERS):
            loop.call_later(SPAN * i / TIMERS, arrive)

    waiting = 0
    for _ in range(n // TIMERS):
        loop.call_soon(start)
        loop.run_forever()


def lateness(loop, count=300):
    """One timer at a time on a loop that has nothing else to do.

    -> microseconds: the median, the 95th percentile and the worst; and how many came early.
    """
    late = []

    def start():
        delay = 0.0005 + 0.00001 * (len(late) % 100)
        due = time.monotonic() + delay
        loop.call_later(delay, arrive, due)

    def arrive(due):
        late.append(time.monotonic() - due)
        if len(late) == count:
            loop.stop()
        else:
            start()

    loop.call_soon(start)
    loop.run_forever()
    late.sort()
    return {
        "value": late[count // 2] * 1e6,
        "p95": late[count * 95 // 100] * 1e6,
        "worst": late[-1] * 1e6,
        "early": sum(x < 0 for x in late),
    }


ROWS = [
    Work("fire", "short timers firing", {"uvloop": 2.0}, work=fire, step=TIMERS),
    Sample("late", "a short timer comes late by (median)", {"most": 100.0}, sample=lateness),
]

if __name__ == "__main__":
    main(__file__)
