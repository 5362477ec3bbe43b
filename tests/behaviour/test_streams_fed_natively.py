# SPDX-License-Identifier: MIT
"""asyncio's StreamReader behaves the same whether C feeds it or its own methods are called.

Each test runs on asyncio, and on hotloop with a reader that is recognised, with one whose reads are
written in C as well, and with a subclass, of which nothing is known.
"""

import asyncio
import asyncio.streams
import gc
import os
import random
import socket
import subprocess
import sys
import weakref

import pytest

from hotloop import _stdreader
from tests.tls import secured, talk
from tests.tools import (
    TESTS,
    Recorder,
    assert_usable,
    connected,
    run,
    run_until,
    settle,
    turns,
    until,
)


class Subclass(asyncio.StreamReader):
    """The same, but nobody can know that."""


class _Line:
    """One end of a connection: reader, transport, protocol, and the socket at the far end."""

    def __init__(self, loop, reader, protocol, transport, far):
        self.loop = loop
        self.reader = reader
        self.protocol = protocol
        self.transport = transport
        self.far = far

    def send(self, data):
        """Send, and let the loop read it."""
        self.far.sendall(data)
        run_until(self.loop, lambda: self.reader is None or len(self.reader._buffer) >= len(data))


class _Calls:
    """Counts calls of StreamReader.feed_data, of which the native path makes none."""

    def __init__(self):
        self.number = 0
        self._code = asyncio.StreamReader.feed_data.__code__

    def __enter__(self):
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)

    def _note(self, frame, event, arg):
        self.number += event == "call" and frame.f_code is self._code


@pytest.fixture
def stream_kind():
    """Of no importance here; the whole programs at the end use TCP."""
    return "unix"


@pytest.fixture(params=["stock", "own", "subclass"])
def reader_class(request, loop_kind):
    """asyncio's, what a server's handler gets, or one that nobody has seen before."""
    own = asyncio.StreamReader if loop_kind == "asyncio" else _stdreader.StreamReader
    return {"stock": asyncio.StreamReader, "own": own, "subclass": Subclass}[request.param]


@pytest.fixture
def is_native(loop_kind, reader_class):
    return loop_kind == "hotloop" and reader_class is not Subclass


def open_line(loop, stream_kind, reader_class, limit=100):
    reader = reader_class(limit, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    return reader, protocol, connected(loop, stream_kind, protocol)


@pytest.fixture
def line(loop, stream_kind, reader_class):
    reader, protocol, opened = open_line(loop, stream_kind, reader_class)
    with opened as (transport, _, far):
        yield _Line(loop, reader, protocol, transport, far)


def test_which_path_is_taken(line, is_native):
    with _Calls() as calls:
        line.send(b"hello")
    assert calls.number == (0 if is_native else 1)
    assert run(line.loop, line.reader.read(10)) == b"hello"
    assert line.reader._buffer == b""


def test_every_way_of_reading(loop, line):
    seed = random.Random(7)
    data = b"".join(
        seed.randbytes(seed.choice([0, 1, 50])).replace(b"\n", b"") + b"\n" for _ in range(300)
    )

    async def feed():
        rest = data
        while rest:
            size = seed.choice([1, 3, 10, 60])
            line.far.sendall(rest[:size])
            rest = rest[size:]
            if seed.random() < 0.5:
                await asyncio.sleep(0)
        line.far.shutdown(socket.SHUT_WR)

    async def main():
        feeding = asyncio.ensure_future(feed())
        reader, parts = line.reader, []
        while not reader.at_eof():
            how = seed.choice(["read", "readline", "readexactly", "readuntil"])
            try:
                if how == "read":
                    parts.append(await reader.read(seed.choice([1, 5, 1000])))
                elif how == "readline":
                    parts.append(await reader.readline())
                elif how == "readexactly":
                    parts.append(await reader.readexactly(seed.choice([1, 7, 150])))
                else:
                    parts.append(await reader.readuntil(b"\n"))
            except asyncio.IncompleteReadError as error:
                parts.append(error.partial)
        await feeding
        assert b"".join(parts) == data

    run(loop, main())


def test_a_full_reader_pauses_the_transport(loop, line):
    reader, transport = line.reader, line.transport
    line.send(b"a" * 200)
    assert not reader._paused and transport.is_reading()  # 2 * limit exactly
    line.send(b"b")
    run_until(loop, lambda: len(reader._buffer) == 201)
    assert reader._paused and not transport.is_reading()
    line.far.sendall(b"c" * 10)
    turns(loop, 3)
    assert len(reader._buffer) == 201
    assert run(loop, reader.read(100)) == b"a" * 100
    assert reader._paused
    assert run(loop, reader.read(1)) == b"a"
    assert not reader._paused and transport.is_reading()
    assert run(loop, reader.readexactly(110)) == b"a" * 99 + b"b" + b"c" * 10


@pytest.mark.parametrize("limit", [1, 2.5, 1 << 100, True])
def test_any_limit(loop, stream_kind, reader_class, limit):
    reader, protocol, opened = open_line(loop, stream_kind, reader_class, limit)
    with opened as (transport, _, far):
        line = _Line(loop, reader, protocol, transport, far)
        line.send(b"1234")
        assert reader._paused == (limit <= 1)
        assert run(loop, reader.readexactly(4)) == b"1234"
        assert run(loop, asyncio.sleep(0, "alive")) == "alive"


def test_an_odd_limit(loop, stream_kind, reader_class):
    """The sizes around twice the limit, one by one."""
    reader, protocol, opened = open_line(loop, stream_kind, reader_class, 3)
    with opened as (transport, _, far):
        line = _Line(loop, reader, protocol, transport, far)
        for size in range(1, 8):
            far.sendall(b"x")
            run_until(loop, lambda size=size: len(reader._buffer) == size)
            assert reader._paused == (size > 6)
        assert line.transport is transport


def test_more_than_the_limit_can_be_read(loop, line):
    async def main():
        reading = asyncio.ensure_future(line.reader.readexactly(5000))
        for _ in range(10):
            line.far.sendall(b"y" * 500)
            await asyncio.sleep(0)
        assert await reading == b"y" * 5000

    run(loop, main())


def test_a_line_over_the_limit(loop, line):
    line.send(b"z" * 150 + b"\nnext\n")
    with pytest.raises(ValueError, match="chunk is longer than limit"):
        run(loop, line.reader.readline())
    assert run(loop, line.reader.readline()) == b"next\n"


def test_the_end(loop, line):
    async def main():
        reading = asyncio.ensure_future(line.reader.readexactly(10))
        await asyncio.sleep(0)
        line.far.sendall(b"not ten")
        line.far.shutdown(socket.SHUT_WR)
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await reading
        assert caught.value.partial == b"not ten"
        assert line.reader.at_eof()
        assert await line.reader.read() == b""
        line.transport.write(b"half open")

    run(loop, main())
    turns(loop)
    assert line.far.recv(20) == b"half open"


def test_data_after_the_users_feed_eof(loop, line, reports):
    line.reader.feed_eof()
    line.far.sendall(b"late")
    run_until(loop, lambda: line.protocol._connection_lost)
    [report] = reports
    assert report["message"] == "Fatal error: protocol.data_received() call failed."
    assert isinstance(report["exception"], AssertionError)
    assert str(report["exception"]) == "feed_data after feed_eof"
    assert isinstance(line.reader.exception(), AssertionError)


def test_the_users_exception(loop, line):
    async def main():
        reading = asyncio.ensure_future(line.reader.read(10))
        await asyncio.sleep(0)
        line.reader.set_exception(OSError("the user's"))
        with pytest.raises(OSError, match="the user's"):
            await reading
        line.far.sendall(b"on it goes")
        await until(lambda: line.reader._buffer == b"on it goes")
        with pytest.raises(OSError, match="the user's"):
            await line.reader.read(10)

    run(loop, main())


def test_a_cancelled_read_loses_nothing(loop, line):
    async def main():
        reading = asyncio.ensure_future(line.reader.read(10))
        await asyncio.sleep(0)
        waiter = line.reader._waiter
        line.far.sendall(b"first")
        reading.cancel()
        await asyncio.sleep(0)
        assert reading.cancelled() and waiter.cancelled()
        await until(lambda: line.reader._buffer == b"first")
        assert line.reader._waiter is None
        assert await line.reader.read(10) == b"first"

    run(loop, main())


def test_the_waiter_is_cancelled_only(loop, line):
    """As a task does in its first step towards its end; the reader has not heard yet."""
    waiter = line.reader._waiter = loop.create_future()
    waiter.cancel()
    line.send(b"data")
    assert line.reader._waiter is None


def test_a_waiter_that_is_done(loop, line, reports):
    waiter = line.reader._waiter = loop.create_future()
    waiter.set_result(None)
    line.far.sendall(b"data")
    run_until(loop, lambda: line.protocol._connection_lost)
    assert [type(report["exception"]) for report in reports] == [asyncio.InvalidStateError]
    assert line.reader._buffer == b"data"


def test_a_foreign_waiter(loop, line):
    waiter = line.reader._waiter = asyncio.futures._PyFuture(loop=loop)
    line.send(b"data")
    assert waiter.done() and waiter.result() is None
    assert line.reader._waiter is None


def test_two_reads_at_once(loop, line):
    async def main():
        first = asyncio.ensure_future(line.reader.readline())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match=r"read\(\) called while another coroutine"):
            await line.reader.read(1)
        line.far.sendall(b"for the first\n")
        assert await first == b"for the first\n"

    run(loop, main())


def test_who_waits_runs_in_order(loop, stream_kind, reader_class):
    """A wake-up is a callback of the loop, between those queued before and after it."""
    order = []

    async def main():
        reader = reader_class(loop=loop)
        near, far = socket.socketpair()
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.create_unix_connection(lambda: protocol, sock=near)

        async def wait():
            order.append(await reader.read(100))

        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        reader._waiter.add_done_callback(lambda _: order.append("callback"))
        far.sendall(b"data")
        await waiting
        transport.abort()
        far.close()
        await until(lambda: protocol._connection_lost)

    run(loop, main())
    assert order == [b"data", "callback"]


def test_the_user_feeds_too(loop, line):
    line.reader.feed_data(b"user ")
    line.send(b"socket ")
    run_until(loop, lambda: line.reader._buffer == b"user socket ")
    line.reader.feed_data(b"user")
    assert run(loop, line.reader.read(100)) == b"user socket user"


def test_over_tls(loop, certificates, side, reader_class, is_native):
    reader = reader_class(100, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    with secured(loop, certificates, "unix", side, protocol) as (transport, _, peer):
        with _Calls() as calls:
            peer.send(b"hello")
            talk(loop, peer, lambda: reader._buffer == b"hello")
        assert (calls.number == 0) == is_native
        peer.send(b"x" * 1000)
        talk(loop, peer, lambda: len(reader._buffer) > 200)
        assert not transport.is_reading() and reader._paused
        assert run(loop, reader.readexactly(1005)) == b"hello" + b"x" * 1000
        peer.notify()
        talk(loop, peer, lambda: protocol._connection_lost)
        assert reader.at_eof()


# Somebody changes something


def test_the_class_is_patched_meanwhile(loop, line, monkeypatch, is_native):
    seen = []
    original = asyncio.StreamReader.feed_data

    def feed_data(self, data):
        seen.append(data)
        original(self, data)

    line.send(b"before ")
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.StreamReader, "feed_data", feed_data)
        line.send(b"before patched ")
        assert seen == [b"patched "] or line.reader._buffer != b"before patched "
        run_until(loop, lambda: len(line.reader._buffer) == 22)
        assert b"".join(seen) == b"before patched "
    with _Calls() as calls:
        line.far.sendall(b"after")
        run_until(loop, lambda: len(line.reader._buffer) == 27)
    assert calls.number == (0 if is_native else 1)
    assert len(seen) == len([part for part in seen if part != b"after"])


@pytest.mark.parametrize(
    "name",
    ["StreamReader._wakeup_waiter", "StreamReaderProtocol.data_received", "StreamReader.feed_data"],
)
def test_each_method_may_be_patched(loop, line, monkeypatch, name):
    owner = getattr(asyncio.streams, name.split(".")[0])
    attribute = name.split(".")[1]
    original = getattr(owner, attribute)
    calls = []

    def patched(self, *args):
        calls.append(attribute)
        return original(self, *args)

    line.send(b"1")
    monkeypatch.setattr(owner, attribute, patched)
    # A loop may keep the method that the protocol had when it got it.
    line.transport.set_protocol(line.protocol)
    line.far.sendall(b"2")
    run_until(loop, lambda: line.reader._buffer == b"12")
    assert calls == [attribute]


def test_the_property_is_patched(loop, line, monkeypatch):
    other = asyncio.StreamReader(loop=loop)
    line.send(b"1")
    monkeypatch.setattr(
        asyncio.StreamReaderProtocol, "_stream_reader", property(lambda self: other)
    )
    line.far.sendall(b"2")
    run_until(loop, lambda: other._buffer == b"2")
    assert line.reader._buffer == b"1"


@pytest.mark.parametrize("name", ["_buffer", "_eof", "_limit", "_waiter", "_paused", "_transport"])
def test_an_attribute_becomes_a_property(loop, line, monkeypatch, name):
    """So that reading it runs Python code, which may do anything."""
    values = {id(line.reader): getattr(line.reader, name)}
    seen = []

    def get(self):
        seen.append(name)
        line.transport.write(b"from within")  # overwrites the loop's buffer
        gc.collect()
        return values[id(self)]

    def put(self, value):
        values[id(self)] = value

    line.send(b"1")
    monkeypatch.setattr(asyncio.StreamReader, name, property(get, put), raising=False)
    line.far.sendall(b"2" * 150)
    run_until(loop, lambda: len(vars(line.reader).get("_buffer", ())) > 1 or len(
        values[id(line.reader)] if name == "_buffer" else ()) > 1)  # fmt: skip
    turns(loop, 2)
    monkeypatch.undo()
    assert seen or name in ("_paused", "_transport")
    buffer = values[id(line.reader)] if name == "_buffer" else line.reader._buffer
    assert bytes(buffer) in (b"1" + b"2" * 150, b"2" * 150)


def test_getattribute_is_patched(loop, line, monkeypatch):
    seen = []

    def spy(self, name):
        seen.append(name)
        return object.__getattribute__(self, name)

    line.send(b"1")
    monkeypatch.setattr(asyncio.StreamReader, "__getattribute__", spy, raising=False)
    line.far.sendall(b"2")
    run_until(loop, lambda: vars(line.reader)["_buffer"] == b"12")
    monkeypatch.undo()
    assert "feed_data" in seen


def test_one_reader_is_patched(loop, line):
    seen = []
    feed = line.reader.feed_data
    line.send(b"1")

    def feed_data(data):
        seen.append(data)
        feed(data)

    line.reader.feed_data = feed_data
    line.far.sendall(b"2")
    run_until(loop, lambda: line.reader._buffer == b"12")
    assert seen == [b"2"]
    del line.reader.feed_data
    line.far.sendall(b"3")
    run_until(loop, lambda: line.reader._buffer == b"123")
    assert seen == [b"2"]


@pytest.mark.parametrize("gone", [None, "_exception", "_loop"])
@pytest.mark.parametrize("name", ["feed_data", "_wakeup_waiter"])
def test_a_method_among_the_readers_attributes(loop, line, name, gone):
    """Also when it is one attribute more and another one less."""
    seen = []
    original = getattr(line.reader, name)
    line.send(b"1")
    if gone:
        delattr(line.reader, gone)

    def patched(*args):
        seen.append(args)
        return original(*args)

    setattr(line.reader, name, patched)
    line.far.sendall(b"2")
    run_until(loop, lambda: line.reader._buffer == b"12")
    assert len(seen) == 1


@pytest.mark.parametrize("whose", ["reader", "protocol"])
def test_the_attributes_are_asked_for_as_a_dict(loop, line, whose, is_native):
    """From then on the interpreter keeps them in another way."""
    line.send(b"1")
    attributes = vars(getattr(line, whose))
    with _Calls() as calls:
        line.send(b"2" * 9)
    assert calls.number == (0 if is_native else 1)
    other = asyncio.StreamReader(loop=loop)
    if whose == "protocol":
        attributes["_stream_reader_wr"] = weakref.ref(other)
    else:
        attributes["_buffer"] = other._buffer
    line.far.sendall(b"3")
    run_until(loop, lambda: other._buffer == b"3")
    reading = loop.create_task((other if whose == "protocol" else line.reader).read(9))
    run(loop, asyncio.sleep(0))
    assert run(loop, reading) == b"3"


def test_the_attributes_are_replaced_as_a_whole(loop, line):
    line.send(b"1")
    before = vars(line.reader)
    line.reader.__dict__ = {**before, "_buffer": bytearray(b"new ")}
    line.far.sendall(b"2")
    run_until(loop, lambda: line.reader._buffer == b"new 2")
    assert before["_buffer"] == b"1"


def test_a_read_that_waits_after_the_dict_was_asked_for(loop, line):
    """The waiter is forgotten in the dict, too."""
    reading = loop.create_task(line.reader.readline())
    run(loop, asyncio.sleep(0))
    attributes = vars(line.reader)
    assert attributes["_waiter"] is not None
    line.far.sendall(b"line\n")
    run_until(loop, lambda: line.reader._waiter is None)
    assert attributes["_waiter"] is None
    assert run(loop, reading) == b"line\n"


def test_one_protocol_is_patched(loop, stream_kind, reader_class):
    seen = []
    reader, protocol, opened = open_line(loop, stream_kind, reader_class)
    feed = protocol.data_received

    def data_received(data):
        seen.append(data)
        feed(data)

    protocol.data_received = data_received
    with opened as (_, _, far):
        far.sendall(b"1")
        run_until(loop, lambda: reader._buffer == b"1")
    assert seen == [b"1"]


def test_a_subclass_of_the_protocol(loop, stream_kind):
    class Protocol(asyncio.StreamReaderProtocol):
        def data_received(self, data):
            super().data_received(data.upper())

    reader = asyncio.StreamReader(loop=loop)
    with connected(loop, stream_kind, Protocol(reader, loop=loop)) as (_, _, far):
        far.sendall(b"loud")
        run_until(loop, lambda: reader._buffer == b"LOUD")


def test_the_class_of_one_protocol_is_changed(loop, line):
    class Protocol(asyncio.StreamReaderProtocol):
        def data_received(self, data):
            super().data_received(data.upper())

    line.send(b"1")
    line.protocol.__class__ = Protocol
    line.transport.set_protocol(line.protocol)
    line.far.sendall(b"loud")
    run_until(loop, lambda: line.reader._buffer == b"1LOUD")


def test_the_class_of_one_reader_is_changed(loop, line):
    class Reader(asyncio.StreamReader):
        def feed_data(self, data):
            super().feed_data(data.upper())

    line.send(b"1")
    line.reader.__class__ = Reader
    line.far.sendall(b"loud")
    run_until(loop, lambda: line.reader._buffer == b"1LOUD")


def test_another_protocol_takes_over_and_gives_back(loop, line, is_native):
    recorder = Recorder()
    line.send(b"1")
    line.transport.set_protocol(recorder)
    line.far.sendall(b"2")
    run_until(loop, lambda: recorder.data == b"2")
    line.transport.set_protocol(line.protocol)
    with _Calls() as calls:
        line.far.sendall(b"3")
        run_until(loop, lambda: line.reader._buffer == b"13")
    assert calls.number == (0 if is_native else 1)


def test_a_second_reader_for_the_protocol(loop, line):
    other = asyncio.StreamReader(loop=loop)
    line.send(b"1")
    line.protocol._stream_reader_wr = weakref.ref(other)
    line.far.sendall(b"2")
    run_until(loop, lambda: other._buffer == b"2")
    line.protocol._stream_reader_wr = None
    line.far.sendall(b"3")
    turns(loop, 3)
    line.protocol._stream_reader_wr = weakref.ref(line.reader)
    line.far.sendall(b"4")
    run_until(loop, lambda: line.reader._buffer == b"14")


def test_a_reader_that_nobody_keeps(loop, stream_kind, reader_class):
    reader, protocol, opened = open_line(loop, stream_kind, reader_class)
    with opened as (transport, _, far):
        ref = weakref.ref(reader)
        del reader
        gc.collect()
        assert ref() is None
        far.sendall(b"into the void")
        turns(loop, 3)
        assert not transport.is_closing() and not protocol._connection_lost
        transport.write(b"alive")
        turns(loop)
        assert far.recv(10) == b"alive"


@pytest.mark.parametrize("name", ["_eof", "_buffer", "_waiter", "_limit", "_transport"])
def test_an_attribute_is_gone(loop, line, name, reports):
    line.reader._limit = 1
    delattr(line.reader, name)
    line.far.sendall(b"three")
    run_until(loop, lambda: reports)
    assert type(reports[0]["exception"]) is AttributeError
    assert reports[0]["message"] == "Fatal error: protocol.data_received() call failed."
    run_until(loop, lambda: line.transport.get_protocol() is None)


class _Deaf:
    """A transport that cannot pause."""

    def __init__(self, error):
        self.error = error
        self.asked = 0

    def pause_reading(self):
        self.asked += 1
        raise self.error


def test_a_transport_that_cannot_pause(loop, line):
    deaf = line.reader._transport = _Deaf(NotImplementedError())
    line.send(b"x" * 300)
    assert deaf.asked == 1
    assert line.reader._transport is None and not line.reader._paused
    line.send(b"x" * 301)
    assert line.reader._transport is None
    line.reader._transport = line.transport


def test_a_transport_that_fails_to_pause(loop, line, reports):
    line.reader._transport = _Deaf(ZeroDivisionError("no"))
    line.far.sendall(b"x" * 300)
    run_until(loop, lambda: line.protocol._connection_lost)
    assert [type(report["exception"]) for report in reports] == [ZeroDivisionError]


def test_a_buffer_that_is_lent(loop, line, reports):
    """A bytearray with a view of it cannot grow."""
    line.send(b"some")
    with memoryview(line.reader._buffer) as view:
        line.far.sendall(b"x" * 1000)
        run_until(loop, lambda: line.protocol._connection_lost)
        assert bytes(view) == b"some"
    assert [type(report["exception"]) for report in reports] == [BufferError]


def test_a_buffer_of_another_kind(loop, line):
    class Buffer(bytearray):
        def extend(self, data):
            super().extend(bytes(data).upper())

    line.reader._buffer = Buffer()
    line.send(b"loud")
    assert line.reader._buffer == b"LOUD"


def test_system_exit_from_the_waiter(loop, line):
    """The waiter's callbacks run later, as callbacks of the loop."""
    waiter = line.reader._waiter = loop.create_future()

    def leave(_):
        raise SystemExit("leaving")

    waiter.add_done_callback(leave)
    line.far.sendall(b"data")
    with pytest.raises(SystemExit):
        loop.run_until_complete(asyncio.sleep(10))
    assert line.reader._buffer == b"data"
    for task in asyncio.all_tasks(loop):
        task.cancel()
    settle(loop)
    assert_usable(loop)


def test_debug_mode(loop, line, is_native):
    loop.set_debug(True)
    loop.slow_callback_duration = 60
    with _Calls() as calls:
        line.send(b"hello")
    assert calls.number == (0 if is_native else 1)
    assert run(loop, line.reader.read(10)) == b"hello"


# Whole programs


def test_servers_and_clients(loop):
    async def handle(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    async def ask(address, number):
        reader, writer = await asyncio.open_connection(*address)
        for i in range(20):
            writer.write(b"line %d of %d\n" % (i, number))
            assert await reader.readline() == b"LINE %d OF %d\n" % (i, number)
        writer.close()
        await writer.wait_closed()

    async def main():
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        with _Calls() as calls:
            await asyncio.gather(*(ask(address, number) for number in range(5)))
        server.close()
        await server.wait_closed()
        while len(asyncio.all_tasks()) > 2:
            await asyncio.sleep(0.001)
        return calls.number

    number = run(loop, main())
    assert (number == 0) == (type(loop).__module__.startswith("hotloop"))


_PROGRAM = """
import asyncio, sys
PATCH
import hotloop

calls = []

async def main():
    async def handle(reader, writer):
        writer.write(await reader.readline())
        writer.close()
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    code = getattr(asyncio.StreamReader.feed_data, "__wrapped__", asyncio.StreamReader.feed_data)
    code = code.__code__
    sys.setprofile(lambda frame, event, arg: calls.append(1) if frame.f_code is code else None)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"line\\n")
    assert await reader.readline() == b"line\\n"
    sys.setprofile(None)
    writer.close()
    server.close()

hotloop.run(main())
print("native" if not calls else "python")
"""
#: The first reader that the process has is not like the others.
_ODD_ONE = """
async def odd():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    ODD
    near, far = __import__("socket").socketpair()
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, sock=near)
    far.sendall(b"odd")
    assert await reader.read(10) == b"odd"
    transport.close()
    far.close()

import hotloop
hotloop.run(odd())
"""
_PATCH = """
import functools
original = asyncio.StreamReader.feed_data
@functools.wraps(original)
def feed_data(self, data):
    return original(self, data)
asyncio.StreamReader.feed_data = feed_data
"""


@pytest.mark.parametrize(
    ("off", "patch", "path"),
    [
        ("", "", "native"),
        ("native_streams", "", "python"),
        ("none", "", "python"),
        ("", _PATCH, "python"),
        ("", _ODD_ONE.replace("ODD", "reader.mine = 1"), "native"),
        ("", _ODD_ONE.replace("ODD", "reader.feed_data = reader.feed_data"), "native"),
        ("", _ODD_ONE.replace("ODD", "vars(reader)"), "native"),
        ("", _ODD_ONE.replace("ODD", "del reader._exception; reader._exception = None"), "native"),
        ("", _ODD_ONE.replace("ODD", "loop.set_debug(True)"), "native"),
    ],
)
def test_how_to_turn_it_off(off, patch, path):
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.replace("PATCH", patch)],
        env={**os.environ, "HOTLOOP_TRICKS": off},
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{path}\n", "")
