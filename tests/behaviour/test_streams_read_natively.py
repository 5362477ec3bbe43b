# SPDX-License-Identifier: MIT
"""A server's handler reads from its stream as on asyncio, though the reads are written in C.

What a read returns is driven by hand here, as tasks, `wait_for` and the garbage collector do it.
The kinds of reader: asyncio's own, and the one that a handler gets (on asyncio the same one).
"""

import asyncio
import gc
import inspect
import sys
import warnings
import weakref

import pytest

import hotloop
from hotloop import _stdreader
from tests.tools import assert_usable, child_output, run, until

OWN = _stdreader.StreamReader


@pytest.fixture(params=["stock", "own"])
def reader(request, loop, loop_kind):
    is_own = request.param == "own" and loop_kind == "hotloop"
    return (OWN if is_own else asyncio.StreamReader)(100, loop=loop)


@pytest.fixture
def own(loop):
    return OWN(100, loop=loop)


READS = {
    "read": lambda reader: reader.read(5),
    "readexactly": lambda reader: reader.readexactly(5),
    "readuntil": lambda reader: reader.readuntil(b"\r\n"),
    "readuntil by default": lambda reader: reader.readuntil(),
    "readline": lambda reader: reader.readline(),
}


@pytest.fixture(params=READS)
def read(request):
    return READS[request.param]


def outcome(function, *args):
    """What a call returns or raises, in words that can be compared."""
    try:
        return function(*args)
    except BaseException as error:
        context = type(error.__context__).__name__
        return type(error), str(error), getattr(error, "partial", None), context


def both(loop, script):
    """The script's outcome with asyncio's reader and with ours; they must be equal."""
    found = [outcome(script, kind(100, loop=loop)) for kind in (asyncio.StreamReader, OWN)]
    assert found[0] == found[1]
    return found[1]


async def served(handle, data=b"", **options):
    """Let `handle` be the handler of one connection that sends `data`."""
    done = asyncio.get_running_loop().create_future()

    async def handler(reader, writer):
        try:
            done.set_result(await handle(reader, writer))
        except BaseException as error:
            done.set_exception(error)
        finally:
            writer.close()

    server = await asyncio.start_server(handler, "127.0.0.1", 0, **options)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(data)
    writer.write_eof()
    try:
        return await done
    finally:
        writer.close()
        server.close()
        await writer.wait_closed()


# Who gets one


def test_a_handler_gets_a_reader_of_ours(loop, loop_kind):
    async def handle(reader, writer):
        assert isinstance(reader, asyncio.StreamReader)
        assert reader is writer._reader and reader._loop is asyncio.get_running_loop()
        assert repr(reader).startswith("<StreamReader limit=77 ")
        assert reader._limit == 77 and reader._transport is writer.transport
        return type(reader), await reader.read()

    kind, data = run(loop, served(handle, b"all of it", limit=77))
    assert data == b"all of it"
    assert kind is (OWN if loop_kind == "hotloop" else asyncio.StreamReader)


def test_nobody_else_does(loop):
    async def main():
        async def handler(_, writer):
            writer.close()

        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*address)
        assert type(reader) is asyncio.StreamReader
        writer.close()
        kept = asyncio.StreamReader(loop=loop)
        seen = []
        protocol = asyncio.StreamReaderProtocol(kept, lambda r, w: seen.append((r, w)), loop=loop)
        transport, _ = await loop.create_connection(lambda: protocol, *address)
        assert seen[0][0] is kept
        transport.close()
        server.close()
        await writer.wait_closed()
        await until(lambda: protocol._connection_lost)

    run(loop, main())


def test_a_reader_that_somebody_watches_is_left_alone(loop):
    refs = []

    def factory():
        reader = asyncio.StreamReader(loop=loop)
        refs.append(weakref.ref(reader))
        return asyncio.StreamReaderProtocol(reader, lambda r, w: refs.append(r), loop=loop)

    async def main():
        server = await loop.create_server(factory, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await until(lambda: len(refs) == 2)
        assert refs[0]() is refs[1]
        refs[1]._transport.close()
        writer.close()
        server.close()
        await writer.wait_closed()

    run(loop, main())


MARKS = {
    "data": lambda reader: reader.feed_data(b"before "),
    "the end": lambda reader: reader.feed_eof(),
    "an exception": lambda reader: reader.set_exception(OSError("early")),
    "an attribute": lambda reader: setattr(reader, "mark", 1),
    "a method": lambda reader: setattr(reader, "at_eof", lambda: "mine"),
    "a dict": lambda reader: vars(reader).update(mark=1),
    "the buffer": lambda reader: MARKED.append(reader._buffer),
}
MARKED = []


@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
def test_a_reader_that_is_not_as_it_was_made_is_left_alone(loop, mark):
    async def main():
        done = loop.create_future()

        async def handler(reader, writer):
            found = [getattr(reader, "mark", None), reader.at_eof()]
            found += [outcome_of_read(await asyncio.gather(reader.read(), return_exceptions=True))]
            found += [type(reader)]
            writer.close()
            done.set_result(found)

        def outcome_of_read(found):
            return found[0] if isinstance(found[0], bytes) else repr(found[0])

        def factory():
            reader = asyncio.StreamReader(loop=loop)
            mark(reader)
            return asyncio.StreamReaderProtocol(reader, handler, loop=loop)

        server = await loop.create_server(factory, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        if mark is not MARKS["the end"]:
            writer.write(b"data")
        writer.write_eof()
        try:
            return await done
        finally:
            server.close()
            writer.close()
            await writer.wait_closed()
            MARKED.clear()

    found = run(loop, main())
    assert found[-1] is asyncio.StreamReader
    assert (
        found[:-1]
        == {
            "data": [None, False, b"before data"],
            "the end": [None, True, b""],
            "an exception": [None, False, "OSError('early')"],
            "an attribute": [1, False, b"data"],
            "a method": [None, "mine", b"data"],
            "a dict": [1, False, b"data"],
            "the buffer": [None, False, b"data"],
        }[next(name for name, value in MARKS.items() if value is mark)]
    )


@pytest.mark.parametrize("name", ["__init__", "__del__"])
def test_readers_are_counted(loop, monkeypatch, name):
    """Nobody sees that a second reader is made and the first one dies."""
    calls = []
    original = getattr(asyncio.StreamReader, name, lambda self: None)

    def counted(self, *args, **kwargs):
        calls.append(name)
        original(self, *args, **kwargs)

    async def handle(reader, writer):
        return len(calls)

    monkeypatch.setattr(asyncio.StreamReader, name, counted, raising=False)
    assert run(loop, served(handle)) == (2 if name == "__init__" else 0)


def test_debug_mode_shows_who_made_the_reader(loop):
    loop.set_debug(True)
    loop.slow_callback_duration = 60

    async def handle(reader, writer):
        return type(reader), reader._source_traceback is not None, await reader.read()

    assert run(loop, served(handle, b"x")) == (asyncio.StreamReader, True, b"x")


def test_a_patched_class_is_left_alone(loop, monkeypatch):
    calls = []
    original = asyncio.StreamReader.readline

    async def readline(self):
        calls.append(self)
        return await original(self)

    async def handle(reader, writer):
        return await reader.readline()

    monkeypatch.setattr(asyncio.StreamReader, "readline", readline)
    assert run(loop, served(handle, b"line\n")) == b"line\n"
    assert [type(reader) for reader in calls] == [asyncio.StreamReader]


@pytest.mark.parametrize("trick", ["native_reads", "native_streams", "none"])
def test_it_can_be_turned_off(trick):
    source = """
import asyncio, hotloop
async def main():
    kinds = []
    async def handle(reader, writer):
        kinds.append(type(reader))
        writer.close()
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    assert await reader.read() == b""
    writer.close()
    print(kinds == [asyncio.StreamReader])
hotloop.run(main())
"""
    assert child_output(source, env={"HOTLOOP_TRICKS": trick}).strip() == "True"


# What is read


def first(coroutine):
    """The result of a coroutine that does not have to wait."""
    try:
        waits = coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    return "waits", type(waits).__name__


@pytest.mark.parametrize(
    "data", [b"", b"1234", b"12345", b"12\r\n56", b"12\n56", b"\r\n", b"x" * 300]
)
@pytest.mark.parametrize("eof", [False, True])
def test_what_is_in_the_buffer(loop, read, data, eof):
    def script(reader):
        reader.feed_data(data)
        if eof:
            reader.feed_eof()
        found = outcome(first, read(reader))
        return found, bytes(reader._buffer), reader.at_eof(), reader._paused

    both(loop, script)


@pytest.mark.parametrize("limit", [1, 3, 1 << 100, True])
@pytest.mark.parametrize("data", [b"123\nx", b"1234\nx", b"12345", b"12345\r\n", b"123456\r"])
def test_limits(loop, read, limit, data):
    def script(reader):
        reader._limit = limit
        reader.feed_data(data)
        return outcome(first, read(reader)), bytes(reader._buffer)

    both(loop, script)


CALLS = {
    "read, nothing": lambda reader: reader.read(0),
    "read, below zero": lambda reader: reader.read(-5),
    "read, a keyword": lambda reader: reader.read(n=2),
    "read, too large": lambda reader: reader.read(1 << 70),
    "read, the largest": lambda reader: reader.read(sys.maxsize),
    "read, no number": lambda reader: reader.read("2"),
    "read, a truth": lambda reader: reader.read(True),
    "read, None": lambda reader: reader.read(None),
    "read, two": lambda reader: reader.read(1, 2),
    "exactly, nothing": lambda reader: reader.readexactly(0),
    "exactly, below zero": lambda reader: reader.readexactly(-1),
    "exactly, no argument": lambda reader: reader.readexactly(),
    "exactly, a keyword": lambda reader: reader.readexactly(n=3),
    "exactly, a wrong one": lambda reader: reader.readexactly(m=3),
    "exactly, a float": lambda reader: reader.readexactly(2.0),
    "until, nothing": lambda reader: reader.readuntil(b""),
    "until, a bytearray": lambda reader: reader.readuntil(bytearray(b"b")),
    "until, a string": lambda reader: reader.readuntil("b"),
    "until, a keyword": lambda reader: reader.readuntil(separator=b"b"),
    "until, several": lambda reader: reader.readuntil((b"c", b"b")),
    "until, None": lambda reader: reader.readuntil(None),
    "line, an argument": lambda reader: reader.readline(3),
    "line, a keyword": lambda reader: reader.readline(n=3),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_calls_of_every_kind(loop, call):
    def script(reader):
        reader.feed_data(b"abcdef\n")
        reader.feed_eof()
        # A class with another name would be in the words, but these say "StreamReader".
        return outcome(lambda: first(call(reader))), bytes(reader._buffer)

    both(loop, script)


def test_a_handler_reads_in_all_ways(loop):
    async def handle(reader, _):
        parts = [await reader.readline(), await reader.readexactly(3)]
        parts.append(await reader.readuntil(b"xy"))
        parts.append(await reader.read(2))
        parts += [line async for line in reader]
        parts.append(await reader.read())
        return parts

    parts = run(loop, served(handle, b"line\nabc123xyzzlast\nrest"))
    assert parts == [b"line\n", b"abc", b"123xy", b"zz", b"last\n", b"rest", b""]


def test_a_large_message_pauses_and_resumes(loop):
    async def handle(reader, writer):
        await until(lambda: not writer.transport.is_reading())
        assert reader._paused
        data = await reader.readexactly(1_000_000)
        assert await reader.read(1) == b"x"
        return data

    data = bytes(range(250)) * 4000
    assert run(loop, served(handle, data + b"x", limit=1000)) == data


# Waiting


def drive(read, reader, *events):
    """Begin a read that waits, do the events, go on.  What came of it."""
    coroutine = read(reader)
    waiter = coroutine.send(None)
    assert waiter is reader._waiter and waiter._asyncio_future_blocking
    waiter._asyncio_future_blocking = False
    for event in events:
        event(reader)
    return outcome(coroutine.send, None), bytes(reader._buffer), reader._waiter is None


@pytest.mark.parametrize("data", [b"1", b"12345", b"12\r\n56", b"x" * 300])
@pytest.mark.parametrize("eof", [False, True])
def test_data_and_the_end_come_while_it_waits(loop, read, data, eof):
    def script(reader):
        events = [lambda reader: reader.feed_data(data)]
        if eof:
            events.append(lambda reader: reader.feed_eof())
        found = list(drive(read, reader, *events))
        if isinstance(found[0], asyncio.Future):
            found[0] = "waits again"
        return found

    both(loop, script)


class _NoWords(Exception):
    pass


EVENTS = {
    "an exception": lambda reader: reader.set_exception(OSError("lost")),
    "data, then an exception": lambda reader: (
        reader.feed_data(b"12\r\n5"),
        reader.set_exception(OSError("lost")),
    ),
    "an end in the midst": lambda reader: reader.set_exception(
        asyncio.IncompleteReadError(b"part", 9)
    ),
    "a limit": lambda reader: reader.set_exception(asyncio.LimitOverrunError("too long", 1)),
    "an end without words": lambda reader: reader.set_exception(_NoWords()),
    "the waiter is cancelled": lambda reader: reader._waiter.cancel("by hand"),
    "the waiter fails": lambda reader: reader._waiter.set_exception(KeyError("odd")),
    "the waiter is woken for nothing": lambda reader: reader._waiter.set_result(42),
    "the buffer is another one": lambda reader: (
        setattr(reader, "_buffer", bytearray(b"12\r\n5")),
        reader.feed_eof(),
    ),
    "the buffer is of another type": lambda reader: (
        setattr(reader, "_buffer", type("Buffer", (bytearray,), {})(b"12\r\n5")),
        reader.feed_eof(),
    ),
    "the end is a number": lambda reader: (setattr(reader, "_eof", 1), reader._wakeup_waiter()),
}


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_odd_ends_of_a_wait(loop, read, event):
    def script(reader):
        found = list(drive(read, reader, event))
        if isinstance(found[0], asyncio.Future):
            found[0] = "waits again"
        return found

    both(loop, script)


def test_a_read_is_sent_to_before_its_time(loop, read):
    def script(reader):
        coroutine = read(reader)
        waiter = coroutine.send(None)
        waiter._asyncio_future_blocking = False
        again = coroutine.send(None) is waiter, waiter._asyncio_future_blocking
        failed = outcome(coroutine.send, None)
        return again, failed, reader._waiter, outcome(coroutine.send, None)

    both(loop, script)


def test_it_is_thrown_into(loop, read):
    def script(reader):
        unborn = read(reader)
        found = [outcome(unborn.throw, KeyError("early")), outcome(unborn.send, None)]
        coroutine = read(reader)
        found.append(outcome(coroutine.throw, 42)[0])
        coroutine.close()
        coroutine = read(reader)
        coroutine.send(None)
        found += [outcome(coroutine.throw, ValueError("in")), reader._waiter]
        found += [outcome(coroutine.throw, ValueError("late")), outcome(coroutine.send, None)]
        return found

    both(loop, script)


def test_it_is_closed(loop, read):
    def script(reader):
        unborn = read(reader)
        found = [unborn.close(), outcome(unborn.send, None)]
        coroutine = read(reader)
        coroutine.send(None)
        found += [coroutine.close(), reader._waiter, coroutine.close()]
        unborn = read(reader)
        found += [outcome(coroutine.send, None), outcome(unborn.send, 3)]
        unborn.close()
        return found

    both(loop, script)


def test_it_is_dropped_while_it_waits(loop, read):
    def script(reader):
        coroutine = read(reader)
        coroutine.send(None)
        del coroutine
        gc.collect()
        return reader._waiter

    assert both(loop, script) is None


def test_a_read_that_nobody_awaits(reader, read):
    with pytest.warns(RuntimeWarning, match=r"coroutine 'StreamReader\.\w+' was never awaited"):
        read(reader)
        gc.collect()


def test_that_warning_is_an_error(reader, read, unraisable):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(reader)
        gc.collect()
    assert [type(error) for error in unraisable] == [RuntimeWarning]


def test_two_reads_at_once(loop, read):
    def script(reader):
        waiting = reader.read(1)
        waiting.send(None)
        failed = outcome(first, read(reader))
        waiting.close()
        return failed

    assert "called while another coroutine is already waiting" in both(loop, script)[1]


@pytest.mark.hotloop_only("asyncio's are the coroutines of async functions")
def test_what_a_read_is(own, read):
    coroutine = read(own)
    assert asyncio.iscoroutine(coroutine) and inspect.isawaitable(coroutine)
    assert not coroutine.cr_running
    coroutine.send(None)
    assert coroutine.__qualname__ == f"StreamReader.{coroutine.__name__}"
    assert f"<coroutine object {coroutine.__qualname__} at 0x" in repr(coroutine)
    coroutine.close()
    with pytest.raises(TypeError):
        type(coroutine)()
    with pytest.raises(TypeError):
        hotloop._core.StreamReads()


def test_tasks_timeouts_and_cancelling(loop, read):
    async def handle(reader, writer):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(read(reader), 0)
        task = asyncio.ensure_future(read(reader))
        await asyncio.sleep(0)
        assert "StreamReader.read" in repr(task)
        assert reader._waiter is not None
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert reader._waiter is None
        one, two = await asyncio.gather(read(reader), asyncio.sleep(0, 2), return_exceptions=True)
        return two, type(one)

    async def main():
        server = await asyncio.start_server(lambda r, w: results.append((r, w)), "127.0.0.1", 0)
        results = []
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await until(lambda: results)
        reader, theirs = results[0]
        loop.call_later(0.001, writer.write, b"12345\r\n")
        assert await handle(reader, theirs) == (2, bytes)
        theirs.close()
        writer.close()
        server.close()
        await theirs.wait_closed()
        await writer.wait_closed()

    run(loop, main())


def test_what_tools_show_of_a_waiting_read(loop, read):
    """The stack of a task ends where Python's frames end."""

    async def handle(reader, writer):
        async def wait():
            await read(reader)

        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        assert [frame.f_code.co_name for frame in task.get_stack()] == ["wait"]
        if sys.version_info >= (3, 14):
            graph = asyncio.capture_call_graph(task)
            assert graph.call_stack[-1].frame.f_code.co_name == "wait"
            assert "wait()" in asyncio.format_call_graph(task)
        task.cancel()
        await asyncio.wait([task])

    run(loop, served(handle))


def test_a_cycle_of_a_waiting_read_is_collected(loop, read):
    def script(reader):
        coroutine = read(reader)
        coroutine.send(None)
        reader._waiter.add_done_callback(coroutine.send)
        reader.kept = reader
        ref = weakref.ref(reader)
        del coroutine, reader
        gc.collect()
        return ref

    refs = [script(kind(loop=loop)) for kind in (asyncio.StreamReader, OWN)]
    gc.collect()
    assert [ref() for ref in refs] == [None, None]


# Somebody changes something


@pytest.mark.parametrize(
    "name",
    ["_wait_for_data", "_maybe_resume_transport", "readuntil", "readline", "read", "readexactly"],
)
@pytest.mark.parametrize("where", ["class", "object"])
def test_what_is_replaced_is_called(loop, read, monkeypatch, name, where):
    """Before a read begins, or while it waits."""

    def script(reader):
        calls = []
        original = getattr(asyncio.StreamReader, name)

        def replaced(self, *args):
            calls.append(name)
            return original(self, *args)

        with monkeypatch.context() as patch:
            if where == "class":
                patch.setattr(asyncio.StreamReader, name, replaced)
            else:
                setattr(reader, name, lambda *args: replaced(reader, *args))
            reader.feed_data(b"12\r\n5")
            found = outcome(first, read(reader))
        return found, calls

    both(loop, script)


@pytest.mark.parametrize("where", ["before", "while it waits"])
def test_a_method_is_replaced_after_its_call(loop, read, monkeypatch, where):
    def script(reader):
        calls = []
        with monkeypatch.context() as patch:
            coroutine = read(reader)
            if where == "while it waits":
                coroutine.send(None)
            for name in ("read", "readline", "readexactly"):
                patch.setattr(asyncio.StreamReader, name, calls.append)
            reader.feed_data(b"12345\r\n")
            return outcome(coroutine.send, None), calls

    both(loop, script)


@pytest.mark.hotloop_only("asyncio's reader has no class of its own")
@pytest.mark.parametrize(
    "name",
    ["_wait_for_data", "_maybe_resume_transport", "readuntil", "_wakeup_waiter", "feed_data"],
)
def test_a_method_of_our_class_is_replaced(loop, monkeypatch, name):
    calls = []
    original = getattr(OWN, name)

    def replaced(self, *args):
        calls.append(name)
        return original(self, *args)

    async def handle(reader, writer):
        monkeypatch.setattr(type(reader), name, replaced)
        return await reader.readline()

    assert run(loop, served(handle, b"line\n")) == b"line\n"
    assert calls or name == "feed_data" or name == "_wakeup_waiter"


@pytest.mark.parametrize("where", ["class", "instance's class"])
def test_a_property_in_the_class_of_a_reader(loop, read, monkeypatch, where):
    def script(reader):
        kind = asyncio.StreamReader if where == "class" else type(reader)
        reader.feed_data(b"12")
        with monkeypatch.context() as patch:
            get = property(lambda self: bytearray(b"67890\r\n"))
            patch.setattr(kind, "_buffer", get, raising=False)
            return outcome(first, read(reader))

    both(loop, script)


@pytest.mark.parametrize("name", ["_buffer", "_eof", "_exception", "_limit", "_paused", "_waiter"])
def test_an_attribute_is_gone(loop, read, name):
    def script(reader):
        reader.feed_data(b"12")
        delattr(reader, name)
        found = outcome(first, read(reader))
        return found[:2] if found[0] is not AttributeError else AttributeError

    both(loop, script)


@pytest.mark.parametrize(
    "name", ["_buffer", "_eof", "_limit", "_paused", "_exception", "_transport"]
)
def test_an_attribute_becomes_a_property(loop, read, monkeypatch, name):
    def script(reader):
        reader.feed_data(b"12\r\n5")
        value = vars(reader)[name]
        with monkeypatch.context() as patch:
            get = property(lambda self: (gc.collect(), value)[1], lambda self, value: None)
            patch.setattr(asyncio.StreamReader, name, get, raising=False)
            return outcome(first, read(reader)), bytes(reader._buffer)

    both(loop, script)


LOST = {
    "an error": lambda: OSError("lost"),
    "a class": lambda: KeyboardInterrupt,
    "a number": lambda: 42,
    "a part": lambda: asyncio.IncompleteReadError(b"part", 9),
    "a limit": lambda: asyncio.LimitOverrunError("too long", 2),
    "a StopIteration": lambda: StopIteration("value"),
}


@pytest.mark.parametrize("make", LOST.values(), ids=LOST)
def test_the_exception_of_a_lost_connection(loop, read, make):
    def script(reader):
        reader.feed_data(b"12345")
        reader._exception = make()
        return outcome(first, read(reader))

    both(loop, script)


def test_a_lent_buffer_cannot_be_cut(loop, read):
    def script(reader):
        reader.feed_data(b"12\r\n56")
        with memoryview(reader._buffer):
            found = outcome(first, read(reader))[0]
        return found, bytes(reader._buffer)

    both(loop, script)


class _Transport:
    """Says when it is resumed, and does something then."""

    def __init__(self, act):
        self.calls = 0
        self.act = act

    def resume_reading(self):
        self.calls += 1
        self.act()


ACTS = {
    "nothing": lambda reader: None,
    "fails": lambda reader: 1 / 0,
    "feeds": lambda reader: reader.feed_data(b"12\r\n5"),
    "replaces the buffer": lambda reader: setattr(reader, "_buffer", bytearray(b"new")),
    "asks for the dict": lambda reader: vars(reader),
    "drops the attributes": lambda reader: reader.__dict__.clear(),
    "changes the class": lambda reader: setattr(
        reader, "__class__", type("Other", (asyncio.StreamReader,), {})
    ),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
@pytest.mark.parametrize("data", [b"", b"12\r\n56"])
def test_the_transport_is_resumed(loop, read, act, data):
    def script(reader):
        transport = _Transport(lambda: act(reader))
        reader._transport = transport
        reader.feed_data(data)
        reader._paused = True
        found = outcome(first, read(reader))
        if found[0] is AttributeError:
            found = AttributeError
        return found, transport.calls, reader.__dict__.get("_paused")

    both(loop, script)


@pytest.mark.parametrize("data", [b"", b"12\r\n567", b"x" * 300])
def test_the_attributes_move_while_garbage_is_collected(loop, read, data):
    """3.11 collects in the midst of an allocation: the array of the attributes is gone then."""
    run(loop, served(lambda reader, writer: reader.read()))  # the places are learnt

    futures = [loop.create_future() for _ in range(1000)]  # so that none is at hand

    def moved(reader, collection):
        reader.feed_data(data)
        reader._limit = 500
        left = iter(range(collection))

        def act(*_):
            if next(left, None) is None:
                space = vars(reader)
                space.update({f"more{i}": i for i in range(50)})

        threshold = gc.get_threshold()
        coroutine = read(reader)
        send = coroutine.send
        gc.callbacks.append(act)
        try:
            gc.set_threshold(1, 1, 1)
            found = outcome(send, None)
        finally:
            gc.set_threshold(*threshold)
            gc.callbacks.remove(act)
        if asyncio.isfuture(found):
            futures.append(found)
            found = found is reader._waiter
        found = found, bytes(reader._buffer)
        coroutine.close()
        return found, reader._waiter

    def script(reader):
        return [moved(type(reader)(100, loop=loop), collection) for collection in range(6)]

    both(loop, script)


def test_the_loop_traces_its_futures(loop, read):
    """Debug mode runs Python code while a future is made."""
    loop.set_debug(True)
    loop.slow_callback_duration = 60

    def script(reader):
        coroutine = read(reader)
        waiter = coroutine.send(None)
        found = waiter is reader._waiter, bool(waiter._source_traceback)
        coroutine.close()
        return found

    assert both(loop, script) == (True, True)


def test_a_reader_keeps_a_read_that_nobody_awaits(loop, read):
    def script(reader):
        reader.kept = read(reader)
        return weakref.ref(reader)

    with pytest.warns(RuntimeWarning, match="was never awaited"):
        refs = [script(kind(loop=loop)) for kind in (asyncio.StreamReader, OWN)]
        gc.collect()
    gc.collect()  # the warnings, too, which know where they come from
    assert [ref() for ref in refs] == [None, None]


def test_what_was_handled_is_the_context(loop, read):
    def script(reader):
        reader.feed_data(b"x" * 300)
        reader.feed_eof()
        try:
            raise KeyError("handled")
        except KeyError:
            try:
                first(read(reader))
            except Exception as error:
                chain = []
                while error is not None:
                    chain.append(type(error))
                    error = error.__context__
                return chain

    both(loop, script)


class _Loop(hotloop.Loop):
    def create_future(self):
        self.made = super().create_future()
        return self.made


def test_the_loop_makes_other_futures(read):
    loop = _Loop()
    try:
        for kind in (asyncio.StreamReader, OWN):
            coroutine = read(kind(loop=loop))
            assert coroutine.send(None) is loop.made
            coroutine.close()
    finally:
        loop.close()


def test_a_reader_of_ours_on_asyncios_loop(read):
    loop = asyncio.SelectorEventLoop()
    try:
        reader = OWN(loop=loop)
        reader.feed_data(b"12345\r\n")
        assert loop.run_until_complete(read(reader)) in (b"12345", b"12345\r\n")
    finally:
        loop.close()


def test_a_reader_without_init(loop, read):
    def script(reader):
        return outcome(first, read(type(reader).__new__(type(reader))))[0]

    assert both(loop, script) is AttributeError


def test_a_subclass_of_ours(loop, read):
    class Upper(OWN):
        async def readuntil(self, separator=b"\n"):
            return (await super().readuntil(separator)).upper()

    reader = Upper(loop=loop)
    reader.feed_data(b"abcde\r\n\n")
    assert first(read(reader)) in (b"abcde", b"ABCDE\r\n")


def test_the_methods_of_the_mixin_alone():
    class Alone(hotloop._core.StreamReads):
        __new__ = object.__new__

    with pytest.raises((TypeError, AttributeError)):
        first(Alone().readline())


def test_a_read_outlives_its_loop(new_loop):
    loop = new_loop()
    reader = OWN(loop=loop)
    coroutine = reader.readline()
    coroutine.send(None)
    loop.close()
    reader.feed_data(b"x\n")
    assert outcome(coroutine.send, None)[:2] == (StopIteration, r"b'x\n'")


def test_a_handler_that_keeps_nothing(loop):
    """The exchanged reader has no owner but the protocol's handler and writer."""
    refs = []

    async def main():
        def handler(reader, writer):
            refs.append(weakref.ref(reader))
            writer.close()

        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        server.close()
        await until(lambda: (gc.collect() and refs[0]() is None) or refs[0]() is None)

    run(loop, main())
    assert_usable(loop)
