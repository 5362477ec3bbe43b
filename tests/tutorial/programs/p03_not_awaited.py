# SPDX-License-Identifier: MIT
"""A coroutine function that is called and not awaited does nothing but warn."""

import asyncio
import gc
import re
import warnings


async def greet():
    print("never printed")


async def main():
    coroutine = greet()
    print(re.sub("0x[0-9a-f]+", "ADDRESS", repr(coroutine)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del coroutine
        gc.collect()
    for warning in caught:
        print(warning.category.__name__, warning.message)


if __name__ == "__main__":
    asyncio.run(main())
