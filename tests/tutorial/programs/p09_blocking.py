# SPDX-License-Identifier: MIT
"""time.sleep in a coroutine stops everything; debug mode says who it was."""

import asyncio
import itertools
import logging
import re
import sys
import time

logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.WARNING)


async def ticker(ticks):
    while True:
        ticks.append(time.perf_counter())
        await asyncio.sleep(0.01)


async def blocks():
    time.sleep(0.2)


async def main():
    ticks = []
    task = asyncio.create_task(ticker(ticks))
    await asyncio.sleep(0.03)
    blocker = asyncio.create_task(blocks(), name="blocker")
    await blocker
    await asyncio.sleep(0.03)
    task.cancel()
    gaps = [after - before for before, after in itertools.pairwise(ticks)]
    print("everything stopped", max(gaps) > 0.19)


class Named(logging.Filter):
    """Keep the report about the blocker; times and paths differ from run to run."""

    def filter(self, record):
        found = re.match(
            r"Executing <Task finished name='blocker' coro=<blocks\(\) done.* took",
            record.getMessage(),
        )
        record.msg, record.args = "debug mode named blocks()", ()
        return bool(found)


if __name__ == "__main__":
    logging.getLogger("asyncio").addFilter(Named())
    asyncio.run(main(), debug=True)
