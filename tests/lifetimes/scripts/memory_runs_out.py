# SPDX-License-Identifier: MIT
"""E9, TLS16: the n-th allocation fails, for each n; alone, and with all that follow it.

`python -m ... memory_runs_out KIND WHOSE START STEP`. WHOSE is "ours": what our C code asks of
Python; "tls": the same, in the work of TLS; "openssl": what OpenSSL asks of libc, for which
tests/c/malloc.c is preloaded. Each fault strikes in a forked child.
Acceptable: the work is done, or its caller gets a MemoryError, or the exception handler or the
unraisable hook is told; afterwards the same work succeeds and no descriptor is left. Not
acceptable: a signal, a hang, a leak, a loop that no longer works.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import signal
import ssl
import tempfile
import warnings

from tests.c.build import compile_c, python_includes
from tests.certificates import Certificates
from tests.lifetimes.kit import asyncio, gc, loop_of_the_kind, open_descriptors, socket, sys
from tests.loops import leave
from tests.tools import assert_usable, steady

WHOSE, START, STEP = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if WHOSE == "openssl":
    memory = ctypes.PyDLL(None)
else:
    memory = ctypes.PyDLL(str(compile_c("memory.c", "-shared", "-fPIC", *python_includes())))
memory.memory_disarm.restype = ctypes.c_long
memory.memory_install.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
warnings.simplefilter("ignore")
told = []


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)
        self.transport.writelines([b"a", bytearray(b"b")])


async def generate():
    for number in range(3):
        yield number


async def schedule(loop):
    """Callbacks, timers, tasks and futures."""
    done = loop.create_future()
    loop.call_soon(int)
    loop.call_later(0.0005, done.set_result, 1)
    loop.call_at(loop.time() + 60, int).cancel()
    loop.call_soon_threadsafe(int)
    await done
    tasks = [loop.create_task(asyncio.sleep(0.0001, number)) for number in range(3)]
    assert await asyncio.gather(*tasks) == [0, 1, 2]
    waiting = asyncio.ensure_future(asyncio.sleep(60))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert [number async for number in generate()] == [0, 1, 2]
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(loop.create_future(), 0.0005)


async def exchange(loop):
    """A server and a client, a message each way; sockets and descriptors by hand."""
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    near, far = socket.socketpair()
    writer = None
    try:
        if not server.sockets:
            raise MemoryError
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"x" * 1000)
        assert len(await asyncio.wait_for(reader.readexactly(1002), 0.3)) == 1002
        near.setblocking(False)
        far.setblocking(False)
        seen = loop.create_future()
        loop.add_reader(far, lambda: seen.done() or seen.set_result(1))
        await loop.sock_sendall(near, b"hello")
        await asyncio.wait_for(seen, 0.3)
        loop.remove_reader(far)
        assert await asyncio.wait_for(loop.sock_recv(far, 10), 0.3) == b"hello"
        assert await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
    finally:
        loop.remove_reader(far)
        near.close()
        far.close()
        server.close()
        if writer is not None:
            writer.transport.abort()


async def unusual(loop):
    """What is made anew each time: loops, servers by path, handlers, errors."""
    loop_of_the_kind().close()
    name = f"\0hotloop-{os.getpid()}"
    server = await loop.create_unix_server(Echo, name)
    try:
        transport, _ = await loop.create_unix_connection(Echo, name)
        transport.get_extra_info("socket")
        transport.get_extra_info("peername")
        transport.set_write_buffer_limits(10)
        transport.close()
        loop.add_signal_handler(signal.SIGUSR1, int)
        loop.remove_signal_handler(signal.SIGUSR1)
        failing = loop.create_future()
        failing.set_exception(ValueError("x"))
        with contextlib.suppress(ValueError):
            await failing
        task = loop.create_task(exchange(loop), name="named")
        repr(task)
        await task
        loop.set_debug(True)
        await asyncio.sleep(0)
    finally:
        loop.set_debug(False)
        server.close()


async def secure(loop):
    """TLS: a server, a client, a small message and a large one; the goodbye of either side."""
    server = await loop.create_server(Echo, "127.0.0.1", 0, ssl=SERVER, ssl_handshake_timeout=0.1)
    writer = None
    try:
        if not server.sockets:
            raise MemoryError
        reader, writer = await asyncio.open_connection(
            *server.sockets[0].getsockname(),
            ssl=CLIENT,
            server_hostname="localhost",
            ssl_handshake_timeout=0.1,
            ssl_shutdown_timeout=0.1,
        )
        for size in (100, 300_000):
            writer.write(b"x" * size)
            await asyncio.wait_for(reader.readexactly(size + 2), 0.3)
        writer.close()
        await writer.wait_closed()
    except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError) as error:
        raise MemoryError from error
    finally:
        server.close()
        if writer is not None:
            writer.transport.abort()


async def work(loop):
    if WHOSE == "ours":
        await schedule(loop)
        await exchange(loop)
        await unusual(loop)
    else:
        await secure(loop)


def settle_down(loop):
    """Two turns of the event loop and what the failed work has left, cancelled."""
    for task in asyncio.all_tasks(loop):
        task.cancel()
    for _ in range(4):
        stop = loop.call_later(0.001, loop.stop)
        loop.run_forever()
        stop.cancel()  # something else may have ended the run


def child(nth, go_on):
    """One fault; 0: it was never reached, 1: all is well, else what is wrong."""
    signal.alarm(10)
    loop = loop_of_the_kind()
    loop.set_exception_handler(lambda loop, context: told.append(context))
    before = steady(loop)
    # Once nothing can be allocated any more nobody may be woken: this ends the run.
    guard = loop.call_later(1, loop.stop)
    memory.memory_arm(nth, go_on)
    try:
        task = loop.create_task(work(loop))
        task.add_done_callback(lambda task: loop.stop())
        loop.run_forever()
    except MemoryError as error:
        told.append(error)
    reached = memory.memory_disarm() >= nth
    hung = guard.when() <= loop.time()
    guard.cancel()
    settle_down(loop)
    del task
    told.clear()
    gc.collect()
    loop.run_until_complete(work(loop))
    assert_usable(loop)
    gc.collect()
    settle_down(loop)
    left = open_descriptors().keys() - before.keys()
    loop.close()
    if left:
        return 90
    if hung:
        return 92
    return int(reached)


def walk(go_on, nth, step):
    bad, number = [], 0
    while True:
        pid = os.fork()
        if not pid:
            code = 91
            try:
                code = child(nth, go_on)
            except BaseException as error:
                memory.memory_disarm()
                os.write(2, f"{nth}, going on {go_on}: {error!r}\n".encode())
            finally:
                leave(code)
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return bad, number
        if code != 1:
            bad.append((nth, go_on, code))
        nth, number = nth + step, number + 1


def code_of(name):
    """Where the code of the loaded library `name` lies; nowhere, if it is not loaded."""
    with open("/proc/self/maps") as lines:
        parts = [line.split()[0] for line in lines if name in line and "r-xp" in line]
    low, high = parts[0].split("-")
    return int(low, 16), int(high, 16)


sys.unraisablehook = lambda unraisable: told.append(unraisable.exc_type)
if WHOSE != "ours":
    with tempfile.TemporaryDirectory() as folder:
        certificates = Certificates(pathlib.Path(folder))
        SERVER, CLIENT = certificates.server(), certificates.client()
    warm = loop_of_the_kind()
    warm.run_until_complete(secure(warm))  # what OpenSSL keeps for ever is there now
    warm.close()
loop_of_the_kind().close()
for library in ("/libssl.", "/libcrypto.") if WHOSE == "openssl" else ("/_core.",):
    memory.memory_install(*code_of(library))
result = {}
for name, go_on in (("once", 0), ("from then on", 1)):
    bad, number = walk(go_on, START, STEP)
    result[name] = {"bad": bad, "faults": number}
print(json.dumps(result))
