# SPDX-License-Identifier: MIT
"""Child processes: ask one a question, stream through another, stop a third.

python examples/subprocess_pipe.py
"""

import asyncio
import os
import sys

import hotloop

PIPE = asyncio.subprocess.PIPE


async def ask() -> None:
    code = "print(6 * 7)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=PIPE)
    answer, _ = await process.communicate()
    print("the child says", answer.decode().strip(), "and ends with", process.returncode)


async def stream() -> None:
    process = await asyncio.create_subprocess_shell("tr a-z A-Z", stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None and process.stdout is not None
    for word in ("pipes", "are", "real", "pipes"):
        process.stdin.write(word.encode() + b"\n")
        await process.stdin.drain()
    process.stdin.close()
    async for line in process.stdout:
        print(line.decode().strip())
    await process.wait()


async def stop() -> None:
    process = await asyncio.create_subprocess_exec("sleep", "100")
    process.terminate()
    print("stopped by signal", -await process.wait())


async def own_pipe() -> None:
    read_end, write_end = os.pipe()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb")
    )
    with os.fdopen(write_end, "wb") as file:
        file.write(b"written by blocking code\n")
    print((await reader.readline()).decode().strip())
    transport.close()


async def main() -> None:
    for step in (ask, stream, stop, own_pipe):
        await step()


if __name__ == "__main__":
    hotloop.run(main())
