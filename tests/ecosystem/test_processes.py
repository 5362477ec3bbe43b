# SPDX-License-Identifier: MIT
"""multiprocessing with a loop in each child, however the child is started."""

from __future__ import annotations

import pytest

from tests.ecosystem import kit

PROGRAM = """
import asyncio, multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor

KIND, METHOD = sys.argv[1:]

def make():
    if KIND == "asyncio":
        return asyncio.SelectorEventLoop()
    import hotloop
    return hotloop.new_event_loop()

async def serve(number, conn):
    async def answer(reader, writer):
        writer.write(b"%d:" % number + await reader.readline())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    conn.send(server.sockets[0].getsockname()[1])
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, conn.recv)
    server.close()
    await server.wait_closed()
    return type(loop).__module__.split(".")[0]

def child(number, conn):
    with asyncio.Runner(loop_factory=make) as runner:
        conn.send(runner.run(serve(number, conn)))

def square(number):
    async def main():
        await asyncio.sleep(0)
        return number * number
    with asyncio.Runner(loop_factory=make) as runner:
        return runner.run(main())

async def main():
    # Children while the parent's loop runs, which they must not touch.
    context = multiprocessing.get_context(METHOD)
    loop = asyncio.get_running_loop()
    near, children = [], []
    for number in range(3):
        mine, theirs = context.Pipe()
        process = context.Process(target=child, args=(number, theirs))
        process.start()
        theirs.close()
        near.append(mine)
        children.append(process)
    ports = [await loop.run_in_executor(None, mine.recv) for mine in near]

    async def ask(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    print(await asyncio.gather(*map(ask, ports)))
    for mine in near:
        mine.send("stop")
    print([await loop.run_in_executor(None, mine.recv) for mine in near])
    for process in children:
        await loop.run_in_executor(None, process.join)
    print([process.exitcode for process in children])
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        print(await asyncio.gather(*(loop.run_in_executor(pool, square, n) for n in range(8))))

if __name__ == "__main__":
    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(main())
    print("end")
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_loop_in_each_child(tmp_path, loop_kind, method):
    (tmp_path / "program.py").write_text(PROGRAM)
    with kit.started(tmp_path, "program.py", loop_kind, method) as program:
        program.process.wait(kit.LIMIT)
    assert program.said.splitlines() == [
        r"[b'0:hello\n', b'1:hello\n', b'2:hello\n']",
        str([loop_kind] * 3),
        "[0, 0, 0]",
        "[0, 1, 4, 9, 16, 25, 36, 49]",
        "end",
    ]
