# SPDX-License-Identifier: MIT
"""A worker that ends in good order when it is told to by SIGTERM or Ctrl-C.

python examples/signals.py [seconds]         stops by itself after so long, or by a signal
"""

import asyncio
import os
import signal
import sys

import hotloop


async def work(stop: asyncio.Event) -> int:
    """Do a piece of work at a time until told to stop; -> how many were done."""
    done = 0
    while not stop.is_set():
        await asyncio.sleep(0.05)
        done += 1
    return done


async def main(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def on_signal(number: signal.Signals) -> None:
        print("got", number.name, "- finishing the piece of work in hand", flush=True)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    # What a service manager would do; here, so that the example ends.
    loop.call_later(seconds, os.kill, os.getpid(), signal.SIGTERM)
    print("working as process", os.getpid(), flush=True)
    done = await work(stop)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
    print("stopped in good order:", done > 0)


if __name__ == "__main__":
    hotloop.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.5))
