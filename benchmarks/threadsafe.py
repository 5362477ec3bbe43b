"""What does one call_soon_threadsafe cost when four threads call it at once?"""

# SPDX-License-Identifier: MIT

import threading

from harness import Work, main

THREADS = 4


def four_threads(loop, n):
    """n calls from four threads; ends when the loop has run them all."""
    left = n

    def arrive():
        nonlocal left
        left -= 1
        if left == 0:
            loop.stop()

    def produce(count):
        call = loop.call_soon_threadsafe
        for _ in range(count):
            call(arrive)

    threads = [threading.Thread(target=produce, args=(n // THREADS,)) for _ in range(THREADS)]
    for thread in threads:
        loop.call_soon(thread.start)
    loop.run_forever()
    for thread in threads:
        thread.join()


ROWS = [
    Work(
        "four",
        "call_soon_threadsafe, four threads",
        {"uvloop": 1.3, "zuvloop": 1.1},
        work=four_threads,
        step=4000,
        pinned=False,
    )
]

if __name__ == "__main__":
    main(__file__)
