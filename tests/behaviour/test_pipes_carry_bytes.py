# SPDX-License-Identifier: MIT
"""connect_read_pipe and connect_write_pipe over pipes, FIFOs, sockets and terminals."""

import asyncio
import os
import socket
import tty

import pytest

from tests.tools import Recorder, run, run_until, settle

KINDS = ["pipe", "fifo", "socket", "terminal"]


def two_ends(kind, path):
    """A file to read from and a file to write to, unbuffered."""
    if kind == "pipe":
        near, far = os.pipe()
    elif kind == "fifo":
        os.mkfifo(path)
        near = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        far = os.open(path, os.O_WRONLY)
        os.set_blocking(near, True)
    elif kind == "terminal":
        near, far = os.openpty()
        tty.setraw(far)
    else:
        sockets = socket.socketpair()
        near, far = (sock.detach() for sock in sockets)
    return open(near, "rb", buffering=0), open(far, "wb", buffering=0)


@pytest.fixture(params=KINDS)
def ends(request, tmp_path):
    files = two_ends(request.param, tmp_path / "fifo")
    yield files
    for file in files:
        file.close()


def read_from(loop, file, protocol=None):
    protocol = protocol or Recorder()
    transport, _ = run(loop, loop.connect_read_pipe(lambda: protocol, file))
    return transport, protocol


def write_to(loop, file, protocol=None):
    protocol = protocol or Recorder()
    transport, _ = run(loop, loop.connect_write_pipe(lambda: protocol, file))
    return transport, protocol


def test_what_is_written_is_read(loop, ends):
    reader, received = read_from(loop, ends[0])
    writer, _ = write_to(loop, ends[1])
    for piece in (b"one ", bytearray(b"two "), memoryview(b"three "), b"", memoryview(b"")):
        writer.write(piece)
    writer.writelines([b"four ", bytearray(b"five"), b""])
    run_until(loop, lambda: received.data == b"one two three four five")
    assert writer.get_write_buffer_size() == 0
    writer.close()
    reader.close()
    settle(loop)
    assert received.names[-1] == "lost" and received.error is None


def test_much_arrives_whole_and_in_order(loop, ends):
    reader, received = read_from(loop, ends[0])
    writer, sending = write_to(loop, ends[1])
    expected = bytes(range(256)) * 4096  # a megabyte: more than any kernel buffer
    for start in range(0, len(expected), 100_000):
        writer.write(expected[start : start + 100_000])
    assert "pause" in sending.names
    writer.close()
    run_until(loop, lambda: sending.lost)
    run_until(loop, lambda: len(received.data) >= len(expected))
    assert received.data == expected
    assert sending.error is None
    reader.close()
    settle(loop)


def test_large_and_small_pieces_take_turns(loop):
    """What one read brought is the guess for the next, and here always a wrong one."""
    near, far = two_ends("pipe", None)
    reader, received = read_from(loop, near)
    wanted = bytearray()
    with far:
        for size in (65_536, 1, 40_000, 65_536, 33_000, 5, 60_000, 32_768, 65_536, 32_767, 2):
            piece = os.urandom(size)
            wanted.extend(piece)
            assert far.write(piece) == size
            run_until(loop, lambda: len(received.data) == len(wanted))
    run_until(loop, lambda: received.lost)
    assert received.data == wanted
    pieces = [event[1] for event in received.events if event[0] == "data"]
    assert len({id(piece) for piece in pieces}) == len(pieces)  # each one is the protocol's own
    reader.close()


def test_a_buffer_may_be_changed_once_it_is_written(loop, ends):
    reader, received = read_from(loop, ends[0])
    writer, _ = write_to(loop, ends[1])
    buffer = bytearray(b"a" * 300_000)
    writer.write(memoryview(buffer))
    writer.write(buffer)
    buffer[:] = b"b" * len(buffer)
    buffer.clear()  # BufferError if somebody still held it
    run_until(loop, lambda: len(received.data) >= 600_000)
    assert received.data == b"a" * 600_000
    writer.close()
    reader.close()
    settle(loop)


def test_the_kernel_has_it_when_write_returns(loop):
    near, far = os.pipe()
    writer, _ = write_to(loop, open(far, "wb", buffering=0))

    async def write_and_look():
        writer.write(b"now")
        return os.read(near, 100)

    assert run(loop, write_and_look()) == b"now"
    writer.close()
    settle(loop)
    os.close(near)


def test_the_end_of_a_pipe_is_eof_and_then_the_end(loop):
    near, far = os.pipe()
    reader, received = read_from(loop, open(near, "rb", buffering=0))
    os.write(far, b"last words")
    os.close(far)
    run_until(loop, lambda: received.lost)
    assert received.events == ["made", ("data", b"last words"), "eof", ("lost", None)]
    assert reader.is_closing() and reader.get_protocol() is None


def test_a_true_answer_to_eof_keeps_nothing_open(loop):
    class Stays(Recorder):
        def eof_received(self):
            super().eof_received()
            return True

    near, far = os.pipe()
    _, received = read_from(loop, open(near, "rb", buffering=0), Stays())
    os.close(far)
    run_until(loop, lambda: received.lost)


def test_one_terminal_both_ways(loop):
    master, slave = os.openpty()
    tty.setraw(slave)
    _, received = read_from(loop, open(os.dup(master), "rb", buffering=0))
    writer, _ = write_to(loop, open(master, "wb", buffering=0))
    writer.write(b"ping")
    assert os.read(slave, 10) == b"ping"
    os.write(slave, b"pong")
    run_until(loop, lambda: received.data == b"pong")
    os.close(slave)
    run_until(loop, lambda: received.lost)
    assert not writer.is_closing()  # a terminal may be opened again
    writer.close()
    settle(loop)


def test_standard_streams_work(loop):
    async def main():
        near, far = os.pipe()
        stream = asyncio.StreamReader()
        reader, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), open(near, "rb", buffering=0)
        )
        transport, protocol = await loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, open(far, "wb", buffering=0)
        )
        writer = asyncio.StreamWriter(transport, protocol, None, loop)
        writer.write(b"x" * 200_000 + b"\nrest")
        line, _ = await asyncio.gather(stream.readexactly(200_001), writer.drain())
        assert line.endswith(b"x\n")
        writer.close()
        assert await stream.read() == b"rest"
        reader.close()
        await asyncio.sleep(0)

    run(loop, main())
    settle(loop)


def test_a_device_that_takes_everything(loop):
    writer, sending = write_to(loop, open(os.devnull, "wb", buffering=0))
    for _ in range(10):
        writer.write(b"x" * 100_000)
    assert writer.get_write_buffer_size() == 0
    writer.close()
    run_until(loop, lambda: sending.lost)


def test_a_device_that_nobody_can_wait_for_is_reported(loop, reports):
    reader, received = read_from(loop, open(os.devnull, "rb", buffering=0))
    (report,) = reports
    assert isinstance(report["exception"], PermissionError)
    assert received.names == ["made"] and not reader.is_closing()
    reader.close()
    run_until(loop, lambda: received.lost)


def test_the_same_terminal_may_be_connected_twice(loop):
    """uvloop#262: FileExistsError."""
    near, far = os.pipe()
    first, _ = write_to(loop, open(os.dup(far), "wb", buffering=0))
    second, _ = write_to(loop, open(far, "wb", buffering=0))
    first.write(b"1")
    second.write(b"2")
    assert os.read(near, 10) == b"12"
    first.close()
    second.close()
    settle(loop)
    os.close(near)
