# SPDX-License-Identifier: MIT
"""G6, G7: the interpreter ends at a given point, with transports, tasks and threads alive."""

import random
import threading
import warnings

from tests.lifetimes.kit import asyncio, loop_of_the_kind, pair, pipe, socket, sys, turns

warnings.simplefilter("ignore")
point = int(sys.argv[2])
chance = random.Random(point)
loop = loop_of_the_kind()
loop.set_exception_handler(lambda loop, context: None)
kept = []


async def waits():
    await asyncio.sleep(60)


def a_task():
    kept.append(loop.create_task(waits()))


def a_timer():
    loop.call_later(60, print)


def a_future():
    future = loop.create_future()
    future.add_done_callback(print)
    kept.append(future)


def a_failed_future():
    future = loop.create_future()
    future.set_exception(ValueError())
    kept.append(future)


def a_transport():
    transport, _, far = pair(loop)
    transport.write(b"x" * chance.choice((0, 10, 3_000_000)))
    kept.append((transport, far))


def a_pipe():
    transport, _, far = pipe(loop, chance.choice(("read", "write")))
    kept.append((transport, far))


def a_server():
    server = loop.run_until_complete(loop.create_server(asyncio.Protocol, "127.0.0.1", 0))
    client = socket.create_connection(server.sockets[0].getsockname())
    kept.append((server, client))


def a_reader():
    near, far = socket.socketpair()
    loop.add_reader(near, int)
    kept.append((near, far))


def a_thread():
    def hammer():
        while True:
            try:
                loop.call_soon_threadsafe(int)
            except RuntimeError:
                return

    threading.Thread(target=hammer, daemon=True).start()


def an_executor():
    loop.run_in_executor(None, int)


def a_generator():
    async def numbers():
        yield 1

    generator = numbers()
    loop.run_until_complete(anext(generator))
    kept.append(generator)


def a_turn():
    turns(loop)


def another_loop():
    other = loop_of_the_kind()
    other.call_later(60, print)
    kept.append(other)


# From this point on a daemon thread calls in until the end, and leaks cannot be told.
WITH_THREADS = 18
STEPS = [
    a_task,
    a_timer,
    a_future,
    a_failed_future,
    a_transport,
    a_pipe,
    a_server,
    a_reader,
    an_executor,
    a_generator,
    a_turn,
    another_loop,
]
if point >= WITH_THREADS:
    a_thread()
for _ in range(chance.randrange(1, 12)):
    chance.choice(STEPS)()
end = point % 4
if end == 0:
    loop.close()
elif end == 1:
    kept.clear()
elif end == 2:
    loop.cycle = [loop, kept]
print("fine", flush=True)
if end == 3:
    loop.call_soon(sys.exit, 0)
    loop.run_forever()
