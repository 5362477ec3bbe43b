# SPDX-License-Identifier: MIT
"""loop.sendfile: order, flow, the end in the middle, what the protocol hears meanwhile."""

import asyncio
import io
import socket
import tempfile
import threading

import pytest

from tests.tls import secured, talk
from tests.tools import (
    Recorder,
    assert_usable,
    connected,
    receive_exactly,
    reset,
    run,
    run_until,
    settle,
    shrink_buffers,
    turns,
)

DATA = bytes(range(256)) * 8192  # 2 MiB


@pytest.fixture
def line(loop, stream_kind):
    """(transport, protocol, the socket at the other end)"""
    with connected(loop, stream_kind) as (transport, protocol, far):
        shrink_buffers(transport.get_extra_info("socket"), far)
        yield transport, protocol, far


@pytest.fixture
def file():
    with tempfile.TemporaryFile() as file:
        file.write(DATA)
        file.seek(0)
        yield file


class _Unnatural:
    """A file that has no descriptor, so that the fallback sends it."""

    def __init__(self, file):
        self.readinto = file.readinto
        self.seek = file.seek
        self.tell = file.tell


@pytest.fixture(params=["native", "fallback"])
def source(request, file, loop):
    if request.param == "native":
        yield file
    else:
        yield _Unnatural(file)
        if not loop.is_closed():
            run(loop, loop.shutdown_default_executor())


class _Reader:
    """A thread that reads `size` bytes."""

    def __init__(self, sock, size):
        self.data = b""
        self._thread = threading.Thread(target=self._read, args=(sock, size))
        self._thread.start()

    def _read(self, sock, size):
        self.data = receive_exactly(sock, size)

    def join(self):
        self._thread.join()
        return self.data


def test_between_other_data(loop, line, source):
    transport, protocol, far = line
    expected = b"before" * 1000 + DATA + b"after" * 1000

    async def main():
        reader = _Reader(far, len(expected))
        transport.write(b"before" * 1000)
        assert await loop.sendfile(transport, source) == len(DATA)
        transport.write(b"after" * 1000)
        while transport.get_write_buffer_size():
            await asyncio.sleep(0.001)
        assert await asyncio.to_thread(reader.join) == expected

    run(loop, main())
    assert source.tell() == len(DATA)
    assert transport.get_protocol() is protocol
    assert not transport.is_closing()


def test_behind_a_long_queue(loop, line, source):
    transport, _protocol, far = line
    before = b"q" * 3_000_000

    async def main():
        transport.write(before)
        reader = _Reader(far, len(before) + 100)
        assert await loop.sendfile(transport, source, 1000, 100) == 100
        while transport.get_write_buffer_size():
            await asyncio.sleep(0.001)
        assert await asyncio.to_thread(reader.join) == before + DATA[1000:1100]

    run(loop, main())
    assert source.tell() == 1100


def test_an_empty_source(loop, line, source):
    transport, _protocol, far = line
    assert run(loop, loop.sendfile(transport, source, len(DATA))) == 0
    transport.write(b"on it goes")
    turns(loop, 2)
    assert far.recv(100) == b"on it goes"


@pytest.mark.hotloop_only(
    "asyncio forgets who owns the descriptor when a second sendfile is refused"
)
def test_write_is_refused_meanwhile(loop, line, file):
    transport, _protocol, far = line

    async def main():
        sending = asyncio.ensure_future(loop.sendfile(transport, file))
        await asyncio.sleep(0)
        for data in (b"", b"x", bytearray(b"x"), memoryview(b"x")):
            with pytest.raises(RuntimeError, match="unable to write; sendfile is in progress"):
                transport.write(data)
        with pytest.raises(RuntimeError, match="unable to write; sendfile is in progress"):
            transport.writelines([b"x", b"y"])
        with pytest.raises(TypeError, match="bytes-like object"):
            transport.write("x")
        with pytest.raises(RuntimeError, match="Empty waiter is already set"):
            await loop.sendfile(transport, file)
        reader = _Reader(far, len(DATA) + 5)
        assert await sending == len(DATA)
        transport.write(b"again")
        assert await asyncio.to_thread(reader.join) == DATA + b"again"

    run(loop, main())


def test_nothing_is_received_meanwhile(loop, line, source):
    transport, protocol, far = line

    async def main():
        sending = asyncio.ensure_future(loop.sendfile(transport, source))
        await asyncio.sleep(0)
        assert not transport.is_reading()
        far.send(b"hello")
        await asyncio.sleep(0.01)
        assert not protocol.data
        reader = _Reader(far, len(DATA))
        await sending
        assert transport.is_reading()
        await asyncio.to_thread(reader.join)

    run(loop, main())
    run_until(loop, lambda: protocol.data == b"hello")


def test_paused_reading_stays_paused(loop, line, source):
    transport, _protocol, far = line
    transport.pause_reading()
    reader = _Reader(far, len(DATA))

    async def main():
        await loop.sendfile(transport, source)
        await asyncio.to_thread(reader.join)

    run(loop, main())
    assert not transport.is_reading()


def test_without_fallback(loop, line):
    transport, _protocol, far = line
    with pytest.raises(asyncio.SendfileNotAvailableError, match="not a regular file"):
        run(loop, loop.sendfile(transport, io.BytesIO(b"abc"), fallback=False))
    assert transport.is_reading()
    transport.write(b"still")
    turns(loop, 2)
    assert far.recv(10) == b"still"


def test_a31_a_closing_transport(loop, line, file):
    transport, _protocol, _far = line
    transport.close()
    with pytest.raises(RuntimeError, match="Transport is closing"):
        run(loop, loop.sendfile(transport, file))
    settle(loop)
    with pytest.raises(RuntimeError, match="Transport is closing"):
        run(loop, loop.sendfile(transport, file))


def test_a_transport_that_cannot(loop, file):
    class Odd(asyncio.Transport):
        def is_closing(self):
            return False

    odd = Odd()
    with pytest.raises(RuntimeError, match="sendfile is not supported for transport <"):
        run(loop, loop.sendfile(odd, file))
    odd._sendfile_compatible = asyncio.constants._SendfileMode.FALLBACK
    with pytest.raises(RuntimeError, match="fallback is disabled and native sendfile is not supp"):
        run(loop, loop.sendfile(odd, file, fallback=False))
    with pytest.raises(TypeError, match="transport should be _FlowControlMixin instance"):
        run(loop, loop.sendfile(odd, file))


def test_the_peer_vanishes(loop, line, source):
    transport, protocol, far = line

    async def main():
        sending = asyncio.ensure_future(loop.sendfile(transport, source))
        await asyncio.to_thread(receive_exactly, far, 1000)
        if far.family == socket.AF_UNIX:
            far.close()
        else:
            reset(far)
        with pytest.raises(ConnectionError):
            await sending

    run(loop, main())
    run_until(loop, lambda: protocol.lost)
    assert 1000 <= source.tell() < len(DATA)
    assert protocol.names.count("lost") == 1


@pytest.mark.hotloop_only("asyncio waits for ever")
@pytest.mark.parametrize("how", ["close", "abort"])
def test_it_is_closed_meanwhile(loop, line, source, how):
    transport, protocol, far = line

    async def main():
        sending = asyncio.ensure_future(loop.sendfile(transport, source))
        await asyncio.to_thread(receive_exactly, far, 1000)
        getattr(transport, how)()
        reader = _Reader(far, len(DATA))
        with pytest.raises(ConnectionError):
            await sending
        await asyncio.to_thread(reader.join)

    run(loop, main())
    run_until(loop, lambda: protocol.lost)
    assert protocol.error is None
    assert_usable(loop)


@pytest.mark.hotloop_only("asyncio waits for ever")
@pytest.mark.parametrize("how", ["close", "abort"])
def test_it_is_closed_while_older_data_is_on_its_way(loop, line, file, how):
    transport, _protocol, far = line

    async def main():
        transport.write(b"x" * 3_000_000)
        sending = asyncio.ensure_future(loop.sendfile(transport, file))
        await asyncio.sleep(0)
        getattr(transport, how)()
        reader = _Reader(far, 3_000_000)
        with pytest.raises(ConnectionError, match="Connection is closed by peer"):
            await sending
        data = await asyncio.to_thread(reader.join)
        assert how == "abort" or len(data) == 3_000_000

    run(loop, main())
    assert file.tell() == 0


def test_cancelled(loop, line, source):
    transport, protocol, far = line

    async def main():
        sending = asyncio.ensure_future(loop.sendfile(transport, source))
        await asyncio.to_thread(receive_exactly, far, 1000)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    run(loop, main())
    assert transport.get_protocol() is protocol
    assert transport.is_reading()
    reader = _Reader(far, 1 << 30)
    transport.write(b"the end")
    transport.close()
    run_until(loop, lambda: protocol.lost)
    data = reader.join()
    assert data.endswith(b"the end")
    assert DATA[1000:].startswith(data.removesuffix(b"the end"))
    assert_usable(loop)


@pytest.mark.hotloop_only("asyncio goes on refusing write()")
def test_cancelled_before_anything_was_sent(loop, line, file):
    transport, _protocol, far = line

    async def main():
        transport.write(b"x" * 3_000_000)
        sending = asyncio.ensure_future(loop.sendfile(transport, file))
        await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        reader = _Reader(far, 3_000_003)
        if transport.get_extra_info("peername") is not None:
            transport.write(b"end")
        assert await asyncio.to_thread(reader.join) == b"x" * 3_000_000 + b"end"

    run(loop, main())


@pytest.mark.hotloop_only("asyncio may forget or double a resume_writing()")
@pytest.mark.parametrize("paused_before", [False, True])
def test_the_protocol_knows_how_the_writing_stands(loop, line, file, paused_before):
    """A StreamWriter's drain() depends on it."""
    transport, protocol, far = line

    async def main():
        transport.set_write_buffer_limits(high=1000, low=0)
        if paused_before:
            transport.write(b"y" * 3_000_000)
            assert protocol.names.count("pause") == 1
        reader = _Reader(far, len(DATA) + 3_000_000 * paused_before)
        await loop.sendfile(transport, _Unnatural(file))
        while transport.get_write_buffer_size():
            await asyncio.sleep(0.001)
        await asyncio.to_thread(reader.join)

    run(loop, main())
    settle(loop)
    assert protocol.names.count("pause") == protocol.names.count("resume") == paused_before
    run(loop, loop.shutdown_default_executor())


@pytest.mark.hotloop_only("asyncio leaves the socket to the garbage collector")
def test_the_loop_is_closed_meanwhile(new_loop, file, stream_kind, unraisable):
    loop = new_loop()
    with connected(loop, stream_kind) as (transport, _protocol, far):
        shrink_buffers(transport.get_extra_info("socket"), far)
        sending = loop.create_task(loop.sendfile(transport, file))
        turns(loop, 3)
        assert not sending.done()
        with pytest.warns(ResourceWarning, match="unclosed transport"):
            loop.close()
        sending._log_destroy_pending = False
        del sending
    assert not unraisable


def test_a_server_sends_a_file_to_a_stream(loop, file):
    async def handle(reader, writer):
        await reader.readline()
        await loop.sendfile(writer.transport, file)
        writer.close()

    async def main():
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"GET\n")
        data = await reader.read()
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return data

    assert run(loop, main()) == DATA


def test_the_private_names(loop, line):
    transport, protocol, _far = line
    assert transport._sendfile_compatible is asyncio.constants._SendfileMode.TRY_NATIVE
    waiter = transport._make_empty_waiter()
    assert waiter.done() and waiter.result() is None
    with pytest.raises(RuntimeError, match="Empty waiter is already set"):
        transport._make_empty_waiter()
    transport._reset_empty_waiter()
    transport._reset_empty_waiter()
    assert isinstance(protocol, Recorder)


@pytest.mark.parametrize(("offset", "count"), [(0, None), (1000, 100_000)])
def test_over_tls(loop, certificates, stream_kind, side, file, offset, count):
    """The kernel knows no keys, so the fallback reads and the transport encrypts."""
    expected = DATA[offset:] if count is None else DATA[offset : offset + count]
    with secured(loop, certificates, stream_kind, side) as (transport, protocol, peer):
        with pytest.raises(RuntimeError, match="fallback is disabled and native sendfile is not"):
            run(loop, loop.sendfile(transport, file, fallback=False))
        transport.write(b"before")
        sending = loop.create_task(loop.sendfile(transport, file, offset, count))
        talk(loop, peer, sending.done)
        assert sending.result() == len(expected)
        transport.write(b"after")
        talk(loop, peer, lambda: len(peer.data) == len(expected) + 11)
        assert peer.data == b"before" + expected + b"after"
        assert file.tell() == offset + len(expected)
        assert transport.get_protocol() is protocol and transport.is_reading()
    run(loop, loop.shutdown_default_executor())


@pytest.mark.hotloop_only("asyncio reports an InvalidStateError of its own")
def test_the_peer_vanishes_while_older_data_waits(loop, line, file):
    transport, protocol, far = line

    async def main():
        transport.write(b"x" * (16 << 20))
        sending = asyncio.ensure_future(loop.sendfile(transport, file))
        await asyncio.to_thread(receive_exactly, far, 1000)
        if far.family == socket.AF_UNIX:
            far.close()
        else:
            reset(far)
        with pytest.raises((ConnectionError, RuntimeError)):
            await sending
        assert transport.get_write_buffer_size() == 0

    run(loop, main())
    run_until(loop, lambda: protocol.lost)
    assert_usable(loop)
