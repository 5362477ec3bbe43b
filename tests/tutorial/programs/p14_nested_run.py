# SPDX-License-Identifier: MIT
"""asyncio.run inside a running loop is refused, and the outer loop is unharmed."""

import asyncio
import gc
import warnings


async def inner():
    return "never"


async def main():
    coroutine = inner()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            asyncio.run(coroutine)
        except RuntimeError as error:
            print("RuntimeError:", error)
        del coroutine
        gc.collect()
    print([str(warning.message) for warning in caught])
    await asyncio.sleep(0.001)
    print("unharmed")


if __name__ == "__main__":
    asyncio.run(main())
