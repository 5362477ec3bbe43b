# SPDX-License-Identifier: MIT
"""A TaskGroup whose child fails cancels the rest."""

import asyncio


async def fails():
    await asyncio.sleep(0.02)
    raise ValueError("broken")


async def waits(name, cancelled):
    try:
        await asyncio.sleep(20)
    except asyncio.CancelledError:
        cancelled.append(name)
        raise


async def main():
    cancelled = []
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(waits("a", cancelled))
            group.create_task(fails())
            group.create_task(waits("b", cancelled))
    except* ValueError as group_error:
        print(type(group_error).__name__, [str(error) for error in group_error.exceptions])
    print("cancelled", sorted(cancelled))
    async with asyncio.TaskGroup() as group:
        one = group.create_task(asyncio.sleep(0.01, 1))
        two = group.create_task(asyncio.sleep(0.01, 2))
    print(one.result() + two.result())


if __name__ == "__main__":
    asyncio.run(main())
