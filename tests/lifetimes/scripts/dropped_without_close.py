# SPDX-License-Identifier: MIT
"""G2: loops, transports and servers dropped open: a ResourceWarning each, nothing left."""

import warnings
import weakref

from tests.lifetimes.kit import (
    asyncio,
    collect,
    gc,
    loop_of_the_kind,
    open_descriptors,
    pair,
    pipe,
    settle,
    socket,
    turns,
)

loop_of_the_kind().close()
before = open_descriptors()


def a_loop_with_things_pending():
    loop = loop_of_the_kind()
    loop.set_exception_handler(lambda loop, context: None)

    async def waits():
        await asyncio.sleep(60)

    loop.create_task(waits())
    loop.call_soon(int)
    loop.call_later(60, int)
    near, far = socket.socketpair()
    loop.add_reader(near, int)
    loop.sockets = near, far
    turns(loop)


def a_loop_that_never_ran():
    loop_of_the_kind().call_soon(int)


def a_loop_with_a_connection():
    loop = loop_of_the_kind()
    transport, _, far = pair(loop)
    transport.write(b"x" * 3_000_000)
    turns(loop)
    far.close()


def a_loop_with_a_server():
    loop = loop_of_the_kind()
    server = loop.run_until_complete(loop.create_server(asyncio.Protocol, "127.0.0.1", 0))
    client = socket.create_connection(server.sockets[0].getsockname())
    turns(loop, 2)
    client.close()


def a_loop_with_pipes():
    loop = loop_of_the_kind()
    _, _, feeding = pipe(loop, "read")
    writer, _, draining = pipe(loop, "write")
    feeding.write(b"x" * 1000)
    writer.write(b"x" * 1_000_000)
    turns(loop)
    draining.close()
    feeding.close()


def a_closed_loop_with_pipes():
    loop = loop_of_the_kind()
    _, _, feeding = pipe(loop, "read")
    writer, _, draining = pipe(loop, "write")
    writer.write(b"x" * 1_000_000)
    loop.close()
    draining.close()
    feeding.close()


def a_closed_loop_with_a_connection():
    loop = loop_of_the_kind()
    kept = pair(loop)
    loop.close()
    kept[2].close()


def a_closed_loop_with_a_server():
    loop = loop_of_the_kind()
    loop.run_until_complete(loop.create_server(asyncio.Protocol, "127.0.0.1", 0))
    loop.close()


for make in (
    a_loop_with_things_pending,
    a_loop_that_never_ran,
    a_loop_with_a_connection,
    a_loop_with_a_server,
    a_loop_with_pipes,
    a_closed_loop_with_pipes,
    a_closed_loop_with_a_connection,
    a_closed_loop_with_a_server,
):
    for _ in range(5):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            make()
            collect()
        kinds = {warning.category for warning in caught}
        assert ResourceWarning in kinds, (make.__name__, [str(w.message) for w in caught])
    left = {fd: link for fd, link in open_descriptors().items() if fd not in before}
    assert not left, (make.__name__, left)

# A paused transport that nobody holds: asyncio forgets it, and its socket closes with a warning.
loop = loop_of_the_kind()
transport, protocol, far = pair(loop, asyncio.Protocol())
transport.pause_reading()
gone = weakref.ref(transport)
turns(loop)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transport = protocol = None
    settle(loop)
    gc.collect()
    settle(loop)
far.close()
loop.close()
print("fine")
