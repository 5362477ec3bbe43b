# SPDX-License-Identifier: MIT
"""Pieces of work, one per room of the C code, for the walks that make each step of them fail.

Each is `async def work(loop)`, takes a few milliseconds, waits for nothing longer than `SOON` and
gives back what it opened, also when it fails half way.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import itertools
import os
import pathlib
import signal
import socket
import ssl
import sys
import tempfile

from tests.certificates import OPENSSL, Certificates
from tests.lifetimes.kit import loop_of_the_kind

SOON = 0.3  # seconds after which an answer was lost with the fault
PY = sys.version_info[:2]
MESSAGE = b"x" * 1000
number = itertools.count()
variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)
        self.transport.writelines([b"a", bytearray(b"b")])

    def eof_received(self):
        return False


class Filled(asyncio.BufferedProtocol):
    """Brings its own buffer, and sends back what came."""

    def connection_made(self, transport):
        self.transport = transport
        self.buffer = bytearray(4096)

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, nbytes):
        self.transport.write(bytes(self.buffer[:nbytes]))


@contextlib.contextmanager
def pair():
    """Two connected sockets that do not block."""
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        yield near, far


@contextlib.asynccontextmanager
async def serving(loop, protocol=Echo, **options):
    """The address of a server of `loop`, on the loopback."""
    server = await loop.create_server(protocol, "127.0.0.1", 0, **options)
    try:
        if not server.sockets:  # create_server goes on when one address has no socket
            raise MemoryError
        yield server.sockets[0].getsockname()
    finally:
        server.close()


@contextlib.asynccontextmanager
async def aborting(ends):
    """Abort the transports of stream protocols and writers, if they have got any."""
    try:
        yield
    finally:
        for end in ends:
            if end._transport is not None:
                end._transport.abort()


def soon(awaitable):
    return asyncio.wait_for(awaitable, SOON)


# ------------------------------------------------------------------ callbacks, tasks and futures


async def scheduling(loop):
    """Callbacks and timers, also with many arguments, a context, by keyword and in debug mode."""
    done = loop.create_future()
    context = contextvars.copy_context()
    loop.call_soon(max, 1, 2, 3, 4, 5, 6)
    loop.call_soon(int, context=context)
    loop.call_soon_threadsafe(int, 1)
    loop.call_soon_threadsafe(max, 1, 2, 3, 4, 5, context=context)
    loop.call_later(delay=0.0005, callback=int)
    loop.call_later(0.0005, max, 1, 2, 3, 4, 5, 6, context=context)
    loop.call_at(when=loop.time(), callback=int)
    handle = loop.call_at(loop.time() + 60, int)
    repr(handle)
    hash(handle)
    assert handle == handle and not handle < handle
    handle.cancel()
    repr(handle)
    for number in range(20):
        loop.call_soon(int)
        loop.call_later(60 + number, int).cancel()
        loop.call_soon_threadsafe(int)
    loop.call_later(0.001, done.set_result, 1)
    assert await done == 1
    loop.set_debug(True)
    try:
        repr(loop.call_soon(int))
        repr(loop.call_later(0.0001, int))
        await asyncio.sleep(0.0005)
    finally:
        loop.set_debug(False)


async def number_of(value):
    await asyncio.sleep(0)
    variable.set(value)
    return value


async def generate():
    for number in range(3):
        yield number


class Plain(asyncio.Future):
    pass


class Awaitable:
    """Yields a future of asyncio's own kind of class, by hand."""

    def __init__(self, future):
        self.future = future

    def __await__(self):
        yield from self.future


async def tasks(loop):
    """Tasks in all ways: named, in a context, of a subclass, cancelled, failing, waiting."""
    context = contextvars.copy_context()
    kind = type(asyncio.current_task())
    odd = type("Odd", (kind,), {})
    made = [
        loop.create_task(number_of(0)),
        loop.create_task(number_of(1), name="named"),
        loop.create_task(number_of(2), context=context),
        kind(number_of(3), loop=loop),
        odd(number_of(4), loop=loop, name="odd"),
        asyncio.ensure_future(number_of(5)),
    ]
    waiting = asyncio.ensure_future(asyncio.sleep(60))
    try:
        made[0].set_name("other")
        made[0].get_name()
        made[0].get_coro()
        made[0].get_stack()
        asyncio.all_tasks()
        asyncio.current_task()
        assert await asyncio.gather(*made) == [0, 1, 2, 3, 4, 5]
        for task in made:
            repr(task)
        await asyncio.sleep(0)
        waiting.cancel("enough")
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        repr(waiting)
        assert [number async for number in generate()] == [0, 1, 2]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(loop.create_future(), 0.0005)
        with contextlib.suppress(ZeroDivisionError):
            await loop.create_task(failing())
        with contextlib.suppress(RuntimeError):
            await loop.create_task(yielding())
        assert await asyncio.shield(loop.create_task(number_of(6))) == 6
    finally:
        for task in [waiting, *made]:
            task.cancel()


async def failing():
    return 1 // 0


class Yields:
    def __await__(self):
        yield 17


async def yielding():
    await Yields()


async def eager(loop):
    """Tasks that begin at once (3.12), made by a factory, and by a factory of one's own."""
    kind = type(asyncio.current_task())
    factories = [lambda loop, coro, **options: kind(coro, loop=loop, **options)]
    if PY >= (3, 12):
        factories += [asyncio.eager_task_factory, asyncio.create_eager_task_factory(kind)]
    try:
        for factory in factories:
            loop.set_task_factory(factory)
            for coroutine in (number_of(1), at_once(), failing()):
                with contextlib.suppress(ZeroDivisionError):
                    await loop.create_task(coroutine, name="n")
                with contextlib.suppress(TypeError):
                    coroutine = at_once()
                    await loop.create_task(coroutine, context=contextvars.copy_context())
                coroutine.close()
    finally:
        loop.set_task_factory(None)


async def at_once():
    return 1


async def futures(loop):
    """Futures: callbacks of both kinds, results, errors, iteration by hand, subclasses."""
    seen = []
    context = contextvars.copy_context()
    for kind in (loop.create_future, lambda: asyncio.Future(loop=loop), lambda: Plain(loop=loop)):
        future = kind()
        for number in range(3):
            future.add_done_callback(seen.append)
            future.add_done_callback(lambda _, number=number: None, context=context)
        future.remove_done_callback(len)
        repr(future)
        str(future._callbacks)
        future.set_result(1)
        repr(future)
        await asyncio.sleep(0)
        assert await future == 1
        error = kind()
        error.add_done_callback(seen.append)
        error.remove_done_callback(seen.append)
        error.set_exception(ValueError("x"))
        repr(error)
        error.exception()
        with contextlib.suppress(ValueError):
            await error
        cancelled = kind()
        cancelled.cancel("words")
        with contextlib.suppress(asyncio.CancelledError):
            await cancelled
        by_hand = iter(kind())
        next(by_hand)
        with contextlib.suppress(ValueError):
            by_hand.throw(ValueError("y"))
    waited = loop.create_future()
    waiters = [loop.create_task(waits(Awaitable(waited))) for _ in range(3)]
    try:
        await asyncio.sleep(0)
        repr(waited)
        waited.set_result(2)
        assert await asyncio.gather(*waiters) == [None] * 3
        lost = loop.create_future()
        lost.set_exception(ValueError("nobody asks"))
        del lost
    finally:
        for waiter in waiters:
            waiter.cancel()


async def waits(awaitable):
    return await awaitable


async def looking(loop):
    """What is asked of a loop; errors that reach its handler; a callback in debug mode."""
    repr(loop)
    loop.get_debug(), loop.is_running(), loop.time(), loop.get_exception_handler()
    loop.get_task_factory(), loop.slow_callback_duration
    loop.call_exception_handler({"message": "by hand"})
    loop.call_soon(lambda: 1 // 0)
    loop.call_later(0, lambda: 1 // 0)
    loop.call_soon_threadsafe(lambda: 1 // 0)
    await asyncio.sleep(0.0005)
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0
    try:
        await loop.create_task(number_of(1))
        loop.call_soon(int)
        await asyncio.sleep(0)
        future = loop.create_future()
        repr(future)
        future.set_exception(ValueError("nobody asks"))
        del future
    finally:
        loop.slow_callback_duration = 0.1
        loop.set_debug(False)
    with contextlib.suppress(RuntimeError):
        loop.run_until_complete(loop.create_future())


async def loops(loop):
    """Whole loops."""
    other = loop_of_the_kind()
    try:
        other.call_soon(int)
        other.call_later(60, int)
        other.call_soon_threadsafe(int)
        with pair() as (near, far):
            try:
                other.add_reader(far, int)
                other.add_writer(near, int)
                other.add_signal_handler(signal.SIGUSR2, int)
                other.sock_recv(near, 1).send(None)
            finally:
                other.remove_reader(far)
                other.remove_writer(near)
                other.remove_signal_handler(signal.SIGUSR2)
    except RuntimeError as error:  # what add_signal_handler makes of an OSError
        raise OSError(str(error)) from error
    finally:
        other.close()


# ------------------------------------------------------------------------------------ descriptors


async def connections(loop):
    """A server and a client over TCP, a message each way, and all that can be asked of them."""
    writer = None
    async with serving(loop) as address:
        try:
            reader, writer = await soon(asyncio.open_connection(*address))
            transport = writer.transport
            writer.write(MESSAGE)
            assert len(await soon(reader.readexactly(1002))) == 1002
            writer.writelines([b"a\n", memoryview(b"b"), b""])
            assert await soon(reader.readline()) == b"a\n"
            await soon(reader.readuntil(b"b"))
            for name in ("socket", "peername", "sockname", "nothing"):
                transport.get_extra_info(name)
            transport.set_write_buffer_limits(high=10, low=5)
            transport.get_write_buffer_limits(), transport.get_write_buffer_size()
            transport.pause_reading(), transport.resume_reading()
            repr(transport), repr(reader), repr(writer)
            transport.get_protocol(), transport._extra
            writer.write(bytearray(1 << 20))
            writer.write(b"y" * (1 << 20))
            writer.write_eof()
            await soon(writer.drain())
            await soon(reader.read(100))
        finally:
            if writer is not None:
                writer.transport.abort()


async def streams(loop):
    """A handler that reads in all ways, at once and after a wait, up to the stream's end."""
    parts, done = [], loop.create_future()

    async def read(reader):
        parts.append(await reader.readline())
        parts.append(await reader.readexactly(3))
        parts.append(await reader.readuntil(b"::"))
        with contextlib.suppress(ValueError):
            await reader.readline()
        parts.append(await reader.read(2))
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readexactly(100)
        parts.append(await reader.readline())

    async def handle(reader, writer):
        try:
            repr(asyncio.current_task()), repr(reader)
            await read(reader)
        finally:
            if not done.done():
                done.set_result(None)
            writer.transport.abort()

    def protocol():  # as start_server() makes it
        reader = asyncio.StreamReader(20, loop=loop)
        protocols.append(asyncio.StreamReaderProtocol(reader, handle, loop=loop))
        return protocols[-1]

    protocols = []
    async with serving(loop, protocol) as address, aborting(protocols):
        _, writer = await soon(asyncio.open_connection(*address))
        protocols.append(writer)
        for data in (b"li", b"ne\n1", b"23", b"a:", b":", b"x" * 50 + b"\n", b"yzrest"):
            writer.write(data)
            await asyncio.sleep(0)
        writer.write_eof()
        await soon(done)
        assert parts == [b"line\n", b"123", b"a::", b"yz", b""][: len(parts)]


async def paths(loop):
    """A server by path, protocols with a buffer of their own, connections of given sockets."""
    name = f"\0hotloop-{os.getpid()}-{next(number)}"
    server = await loop.create_unix_server(Filled, name)
    transports = []
    try:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.create_unix_connection(lambda: protocol, name)
        transports.append(transport)
        transport.write(MESSAGE)
        assert await soon(reader.readexactly(1000)) == MESSAGE
        transport.get_extra_info("socket"), transport.get_extra_info("peername")
        transport.set_protocol(Echo())
        with socket.socket(socket.AF_UNIX) as sock:
            sock.setblocking(False)
            sock.connect(name)
            transport, _ = await loop.create_unix_connection(Filled, sock=sock)
            transports.append(transport)
    finally:
        for transport in transports:
            transport.abort()
        server.close()


async def accepted(loop):
    """connect_accepted_socket, write_eof and a peer that ends."""
    near, far = socket.socketpair()
    transport = None
    with far:
        far.setblocking(False)
        try:
            transport, _ = await loop.connect_accepted_socket(Echo, near)
            await loop.sock_sendall(far, b"hello")
            if not await soon(loop.sock_recv(far, 100)):
                raise ConnectionResetError
            transport.write_eof()
            while await soon(loop.sock_recv(far, 100)):
                pass
        finally:
            near.close()
            if transport is not None:
                transport.abort()


async def upgrades(loop):
    """TLS by a server, by a client, and on a connection that has begun without."""
    ours, theirs = contexts()
    writer = None
    async with serving(loop, ssl=ours) as address:
        try:
            opening = asyncio.open_connection(*address, ssl=theirs, server_hostname="localhost")
            reader, writer = await soon(opening)
            transport = writer.transport
            writer.write(MESSAGE)
            assert len(await soon(reader.readexactly(1002))) == 1002
            for name in ("ssl_object", "sslcontext", "peercert", "cipher", "socket", "peername"):
                transport.get_extra_info(name)
            repr(transport), transport._extra
            writer.writelines([b"a", bytearray(70_000)])
            transport.set_write_buffer_limits(10)
            transport.pause_reading(), transport.resume_reading()
            await soon(reader.readexactly(70_000))
            writer.close()
            with contextlib.suppress(OSError):
                await soon(writer.wait_closed())
        finally:
            if writer is not None:
                writer.transport.abort()


async def secure(loop):
    """A server, a client, a small message and a large one; the goodbye of either side."""
    ours, theirs = contexts()
    writer = None
    async with serving(loop, ssl=ours, ssl_handshake_timeout=0.1) as address:
        try:
            reader, writer = await asyncio.open_connection(
                *address,
                ssl=theirs,
                server_hostname="localhost",
                ssl_handshake_timeout=0.1,
                ssl_shutdown_timeout=0.1,
            )
            for size in (100, 300_000):
                writer.write(b"x" * size)
                await soon(reader.readexactly(size + 2))
            writer.close()
            await writer.wait_closed()
        except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError) as error:
            raise MemoryError from error
        finally:
            if writer is not None:
                writer.transport.abort()


async def halfway(loop):
    """start_tls on both ends of a connection."""
    ours, theirs = contexts()
    near, far = socket.socketpair()
    transports = []
    upgrading = []
    try:
        protocols = Filled(), Echo()
        for sock, protocol in zip((near, far), protocols, strict=True):
            sock.setblocking(False)
            transport, _ = await loop.create_unix_connection(lambda p=protocol: p, sock=sock)
            transports.append(transport)
        upgrading = [
            loop.create_task(loop.start_tls(transports[0], protocols[0], ours, server_side=True)),
            loop.create_task(
                loop.start_tls(transports[1], protocols[1], theirs, server_hostname="localhost")
            ),
        ]
        for task in upgrading:  # gather() is a future of asyncio's own, which memory may fail
            transports.append(await soon(task))
        transports[-1].write(b"hello")
        await asyncio.sleep(0.001)
    finally:
        for task in upgrading:
            task.cancel()
        for transport in transports:
            transport.abort()
        near.close()
        far.close()


@functools.cache
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's context; the walks ask for them before they begin."""
    with tempfile.TemporaryDirectory() as folder:
        certificates = Certificates(pathlib.Path(folder))
        return certificates.server(), certificates.client()


class Answer(asyncio.DatagramProtocol):
    """Sends what comes back, once; `done` is the first datagram or error."""

    def __init__(self, answers):
        self.answers = answers
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        if self.answers:
            self.transport.sendto(data, addr)
        elif not self.done.done():
            self.done.set_result(data)

    def error_received(self, exc):
        if not self.done.done():
            self.done.set_exception(exc)


async def datagrams(loop):
    """A datagram and its answer."""
    near = None
    far, there = await loop.create_datagram_endpoint(
        lambda: Answer(True), local_addr=("127.0.0.1", 0)
    )
    try:
        if far.get_extra_info("sockname") is None:  # a fault, which asyncio takes so
            raise OSError("no name")
        near, here = await loop.create_datagram_endpoint(
            lambda: Answer(False), remote_addr=far.get_extra_info("sockname")
        )
        near.sendto(b"x")
        done = [here.done, there.done]
        finished, _ = await asyncio.wait(done, timeout=SOON, return_when="FIRST_COMPLETED")
        for future in finished:
            assert future.result() == b"x"
    finally:
        for transport in (near, far):
            if transport is not None:
                transport.close()


async def many_datagrams(loop):
    """Bursts, to several addresses, to names, and more than the kernel takes at once."""
    near = full = None
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with here, there:
        there.setblocking(False)
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
        try:
            near, protocol = await loop.create_datagram_endpoint(
                lambda: Answer(False), local_addr=("127.0.0.1", 0)
            )
            name = near.get_extra_info("sockname")
            for _ in range(5):
                near.sendto(b"x", name)
                near.sendto(bytearray(b"y"), name)
            near.sendto(b"z", ("localhost", name[1]))
            near.get_extra_info("socket"), repr(near), near._extra
            near.set_write_buffer_limits(10)
            await asyncio.wait([protocol.done], timeout=SOON)
            full, _ = await loop.create_datagram_endpoint(lambda: Answer(False), sock=here)
            for _ in range(8):
                full.sendto(bytearray(1000))
            repr(full)
            with contextlib.suppress(BlockingIOError):
                while there.recv(1000):
                    await asyncio.sleep(0)
        finally:
            for transport in (near, full):
                if transport is not None:
                    transport.abort()


async def pipes(loop):
    """A pipe whose both ends are transports, and more than it takes."""
    ends = os.pipe()
    files = [open(ends[0], "rb", 0), open(ends[1], "wb", 0)]
    transports = []
    try:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_read_pipe(lambda: protocol, files[0])
        transports.append(transport)
        writing, _ = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, files[1])
        transports.append(writing)
        writing.write(MESSAGE)
        writing.write(bytearray(MESSAGE))
        assert await soon(reader.readexactly(2000)) == MESSAGE * 2
        for transport in transports:
            transport.get_extra_info("pipe"), transport._extra, repr(transport)
        writing.set_write_buffer_limits(10)
        writing.writelines([b"a" * 100_000, bytearray(100_000)])
        writing.write(b"b")
        transports[0].pause_reading(), transports[0].resume_reading()
        await soon(reader.readexactly(200_001))
        writing.write_eof()
        await soon(reader.read())
    finally:
        for transport in transports:
            transport.close()
        for file in files:
            file.close()


async def watching(loop):
    """add_reader, add_writer, with arguments, replaced, removed; handlers of signals."""
    with pair() as (near, far):
        try:
            seen = loop.create_future()
            loop.add_reader(far, int)
            loop.add_reader(far, max, 1, 2, 3, 4, 5)
            loop.add_reader(far, lambda: seen.done() or seen.set_result(1))
            loop.add_writer(far.fileno(), int)
            near.send(b"x")
            await soon(seen)
            loop.add_reader(near, lambda: 1 // 0)
            far.send(b"x")
            await asyncio.sleep(0)
        finally:
            for sock in (near, far):
                loop.remove_reader(sock)
                loop.remove_writer(sock)
    try:
        struck = loop.create_future()
        loop.add_signal_handler(signal.SIGUSR1, int)
        loop.add_signal_handler(signal.SIGUSR1, lambda: struck.done() or struck.set_result(1))
        loop.add_signal_handler(signal.SIGUSR2, max, 1, 2)
        os.kill(os.getpid(), signal.SIGUSR1)
        await soon(struck)
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
        loop.remove_signal_handler(signal.SIGUSR2)


async def socket_calls(loop):
    """The sock_* calls of streams, at once and after a wait."""
    with pair() as (near, far):
        receiving = loop.create_task(loop.sock_recv(far, 10))
        repr(receiving)
        await asyncio.sleep(0)
        await loop.sock_sendall(near, bytearray(b"hello"))
        assert await soon(receiving) == b"hello"
        filling = loop.create_task(loop.sock_recv_into(far, bytearray(10)))
        await asyncio.sleep(0)
        await loop.sock_sendall(near, b"hello")
        assert await soon(filling) == 5
        sending = loop.create_task(loop.sock_sendall(near, b"x" * 400_000))
        got = 0
        try:
            while got < 400_000:
                got += len(await soon(loop.sock_recv(far, 1 << 20)))
            await soon(sending)
        finally:
            for task in (receiving, filling, sending):
                task.cancel()
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as sock:
        listener.setblocking(False)
        sock.setblocking(False)
        accepting = loop.create_task(loop.sock_accept(listener))
        await asyncio.sleep(0)
        try:
            await soon(loop.sock_connect(sock, ("localhost", listener.getsockname()[1])))
            (await soon(accepting))[0].close()
        finally:
            accepting.cancel()


async def socket_datagrams(loop):
    """The sock_* calls of datagrams, at once and after a wait."""
    with socket.socket(type=socket.SOCK_DGRAM) as near:
        near.setblocking(False)
        near.bind(("127.0.0.1", 0))
        here = near.getsockname()
        calls = [loop.sock_recvfrom(near, 10), loop.sock_recvfrom_into(near, bytearray(10))]
        for call in calls:
            receiving = loop.create_task(call)
            await asyncio.sleep(0)
            try:
                assert await soon(loop.sock_sendto(near, b"hello", here)) == 5
                assert (await soon(receiving))[1] == here
            finally:
                receiving.cancel()
        await soon(loop.sock_sendto(near, b"x", ("localhost", here[1])))
        assert (await soon(loop.sock_recvfrom(near, 10)))[0] == b"x"


async def files(loop):
    """sendfile on a socket and on a transport."""
    with tempfile.TemporaryFile() as file, pair() as (near, far):
        file.write(MESSAGE * 400)
        file.flush()
        sending = loop.create_task(loop.sock_sendfile(near, file, 0, 300_000))
        got = 0
        try:
            while got < 300_000:
                got += len(await soon(loop.sock_recv(far, 1 << 20)))
            assert await soon(sending) == 300_000
        finally:
            sending.cancel()
        transport, _ = await loop.create_unix_connection(Echo, sock=near.dup())
        sending = loop.create_task(loop.sendfile(transport, file, 0, 1000))
        try:
            while got < 301_000:
                got += len(await soon(loop.sock_recv(far, 1 << 20)))
            await soon(sending)
        finally:
            sending.cancel()
            transport.abort()


async def names(loop):
    """Look-ups: numbers, names, of addresses, and what cannot be found."""
    assert await soon(loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM))
    assert await soon(loop.getaddrinfo("localhost", "80", family=socket.AF_INET))
    assert await soon(loop.getaddrinfo(host=None, port=80, flags=socket.AI_PASSIVE))
    assert await soon(loop.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST))
    with contextlib.suppress(socket.gaierror):
        await soon(loop.getaddrinfo("127.0.0.1", "no such service", type=socket.SOCK_STREAM))


OF_TLS = (upgrades, secure, halfway)
ROOMS = {
    work.__name__: work
    for work in (
        scheduling,
        tasks,
        eager,
        futures,
        looking,
        loops,
        connections,
        streams,
        paths,
        accepted,
        *OF_TLS,
        datagrams,
        many_datagrams,
        pipes,
        watching,
        socket_calls,
        socket_datagrams,
        files,
        names,
    )
    if OPENSSL is not None or work not in OF_TLS
}
