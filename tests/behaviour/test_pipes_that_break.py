# SPDX-License-Identifier: MIT
"""The other end goes away, a callback fails, the pipe is full: what the protocol hears."""

import asyncio
import contextvars
import gc
import os
import socket
import tty
import warnings

import pytest

from tests.tools import Recorder, assert_usable, run, run_until, settle, turns


def reading(loop, protocol=None):
    protocol = protocol or Recorder()
    near, far = os.pipe()
    file = open(near, "rb", buffering=0)
    transport, _ = run(loop, loop.connect_read_pipe(lambda: protocol, file))
    return transport, protocol, far


def writing(loop, protocol=None):
    protocol = protocol or Recorder()
    near, far = os.pipe()
    file = open(far, "wb", buffering=0)
    transport, _ = run(loop, loop.connect_write_pipe(lambda: protocol, file))
    return transport, protocol, near


def test_an_idle_writer_hears_that_its_reader_has_gone(loop):
    transport, protocol, near = writing(loop)
    os.close(near)
    run_until(loop, lambda: protocol.lost)
    assert protocol.error is None and transport.is_closing()


def test_a_busy_writer_gets_broken_pipe(loop):
    transport, protocol, near = writing(loop)
    transport.write(b"x" * 1_000_000)
    assert transport.get_write_buffer_size() > 0
    os.close(near)
    run_until(loop, lambda: protocol.lost)
    assert isinstance(protocol.error, BrokenPipeError)
    assert transport.get_write_buffer_size() == 0


def test_a_closing_writer_gets_broken_pipe(loop):
    transport, protocol, near = writing(loop)
    transport.write(b"x" * 1_000_000)
    transport.write_eof()
    settle(loop)
    assert not protocol.lost
    os.close(near)
    run_until(loop, lambda: protocol.lost)
    assert isinstance(protocol.error, BrokenPipeError)


def test_a_write_that_fails_raises_nothing(loop, asyncio_log):
    transport, protocol, near = writing(loop)

    async def write_into_nothing():
        os.close(near)
        transport.write(b"x")
        assert transport.is_closing()
        transport.write(b"y")

    run(loop, write_into_nothing())
    run_until(loop, lambda: protocol.lost)
    assert isinstance(protocol.error, BrokenPipeError)
    assert asyncio_log.messages == []
    for _ in range(4):
        transport.write(b"z")
    assert asyncio_log.messages == ["pipe closed by peer or os.write(pipe, data) raised exception."]


def test_a_socket_whose_far_end_closes(loop):
    near, far = socket.socketpair()
    protocol = Recorder()
    run(loop, loop.connect_write_pipe(lambda: protocol, near))
    far.close()
    run_until(loop, lambda: protocol.lost)
    assert protocol.error is None


def test_a_terminal_that_hangs_up(loop, asyncio_log):
    master, slave = os.openpty()
    tty.setraw(slave)
    protocol = Recorder()
    file = open(master, "rb", buffering=0)
    run(loop, loop.connect_read_pipe(lambda: protocol, file))
    os.write(slave, b"bye")
    os.close(slave)
    run_until(loop, lambda: protocol.lost)
    assert protocol.data == b"bye"
    assert protocol.error is None or isinstance(protocol.error, OSError)
    assert asyncio_log.messages == []


def test_other_read_errors_are_reported(loop, reports):
    protocol = Recorder()
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    transport, _ = run(loop, loop.connect_read_pipe(lambda: protocol, near))
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    far.close()
    run_until(loop, lambda: protocol.lost)
    assert isinstance(protocol.error, ConnectionResetError)
    (report,) = reports
    assert report["message"] == "Fatal read error on pipe transport"
    assert report["exception"] is protocol.error
    assert report["transport"] is transport and report["protocol"] is protocol


def test_f11_pause_and_resume_come_once_each(loop):
    transport, protocol, near = writing(loop)
    transport.set_write_buffer_limits(high=50_000, low=10_000)
    assert transport.get_write_buffer_limits() == (10_000, 50_000)
    for _ in range(10):
        transport.write(b"x" * 30_000)
    assert protocol.names == ["made", "pause"]
    got = 0
    while "resume" not in protocol.names:
        got += len(os.read(near, 65_536))
        turns(loop)
    assert transport.get_write_buffer_size() <= 10_000
    while got < 300_000:
        got += len(os.read(near, 65_536))
        turns(loop)
    assert protocol.names == ["made", "pause", "resume"]
    with pytest.raises(ValueError, match=r"high \(1\) must be >= low \(2\) must be >= 0"):
        transport.set_write_buffer_limits(1, 2)
    transport.close()
    run_until(loop, lambda: protocol.lost)
    os.close(near)


def test_abort_drops_what_is_queued(loop):
    transport, protocol, near = writing(loop)
    transport.write(b"x" * 1_000_000)
    transport.abort()
    assert transport.get_write_buffer_size() == 0
    run_until(loop, lambda: protocol.lost)
    settle(loop)
    assert protocol.error is None
    os.close(near)


def test_close_writes_what_is_queued(loop):
    transport, protocol, near = writing(loop)
    transport.write(b"x" * 200_000)
    assert transport.can_write_eof()
    transport.close()
    got = 0
    os.set_blocking(near, False)
    while not protocol.lost:
        try:
            got += len(os.read(near, 65_536))
        except BlockingIOError:
            pass
        turns(loop)
    os.set_blocking(near, True)
    turns(loop)
    while chunk := os.read(near, 65_536):
        got += len(chunk)
    assert got == 200_000 and protocol.error is None
    os.close(near)


def test_nothing_comes_while_paused(loop):
    transport, protocol, far = reading(loop)
    transport.pause_reading()
    transport.pause_reading()
    os.write(far, b"held back")
    settle(loop)
    os.write(far, b", all of it")
    settle(loop)
    assert protocol.data == b""
    transport.resume_reading()
    transport.resume_reading()
    run_until(loop, lambda: protocol.data == b"held back, all of it")
    transport.pause_reading()
    transport.resume_reading()
    os.write(far, b"!")
    run_until(loop, lambda: protocol.data.endswith(b"!"))
    transport.pause_reading()
    os.close(far)
    settle(loop)
    assert not protocol.lost, "a paused transport does not see the end"
    transport.resume_reading()
    run_until(loop, lambda: protocol.lost)


@pytest.mark.hotloop_only("asyncio's pipes cannot be paused so early before 3.12")
def test_pausing_in_connection_made(loop):
    class Pauses(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.pause_reading()

    transport, protocol, far = reading(loop, Pauses())
    os.write(far, b"x")
    settle(loop)
    assert protocol.data == b"" and not transport.is_reading()
    transport.resume_reading()
    run_until(loop, lambda: protocol.data == b"x")
    transport.close()
    settle(loop)
    os.close(far)


@pytest.mark.hotloop_only("a pipe that asyncio closes in connection_made is watched all the same")
def test_closing_in_every_callback(loop):
    class Closes(Recorder):
        def __init__(self, where):
            super().__init__()
            self.where = where

        def connection_made(self, transport):
            super().connection_made(transport)
            if self.where == "made":
                transport.close()

        def data_received(self, data):
            super().data_received(data)
            if self.where == "data":
                self.transport.close()

        def eof_received(self):
            super().eof_received()
            self.transport.close()

        def connection_lost(self, exc):
            super().connection_lost(exc)
            self.transport.close()

    for where in ("made", "data", "eof"):
        _, protocol, far = reading(loop, Closes(where))
        os.write(far, b"x") if where != "made" else None
        os.close(far)
        run_until(loop, lambda protocol=protocol: protocol.lost)
        settle(loop)
        assert protocol.names.count("lost") == 1


def test_errors_of_the_protocol_are_reported_and_the_pipe_lives_on(loop, reports):
    class Fails(Recorder):
        def data_received(self, data):
            super().data_received(data)
            if data == b"bad":
                raise LookupError("in data_received")

        def eof_received(self):
            super().eof_received()
            raise LookupError("in eof_received")

        def connection_lost(self, exc):
            super().connection_lost(exc)
            raise LookupError("in connection_lost")

    _, protocol, far = reading(loop, Fails())
    os.write(far, b"bad")
    run_until(loop, lambda: reports)
    os.write(far, b"good")
    run_until(loop, lambda: protocol.data == b"badgood")
    os.close(far)
    run_until(loop, lambda: protocol.lost)
    turns(loop)
    texts = [str(report["exception"]) for report in reports]
    assert texts == ["in data_received", "in eof_received", "in connection_lost"]
    assert_usable(loop)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_exit_leaves_the_loop(loop, kind):
    class Leaves(Recorder):
        def data_received(self, data):
            super().data_received(data)
            raise kind("leaving")

    transport, protocol, far = reading(loop, Leaves())
    os.write(far, b"x")
    with pytest.raises(kind):
        run_until(loop, lambda: False)
    assert protocol.data == b"x"
    transport.close()
    settle(loop)
    os.close(far)


def test_the_protocol_is_called_in_the_context_of_the_connect(loop):
    variable = contextvars.ContextVar("variable", default="outside")
    seen = []

    class Looks(Recorder):
        def connection_made(self, transport):
            seen.append(variable.get())

        def data_received(self, data):
            seen.append(variable.get())

        def connection_lost(self, exc):
            super().connection_lost(exc)
            seen.append(variable.get())

    async def main():
        variable.set("inside")
        near, far = os.pipe()
        protocol = Looks()
        await loop.connect_read_pipe(lambda: protocol, open(near, "rb", buffering=0))
        os.write(far, b"x")
        os.close(far)
        return protocol

    protocol = run(loop, main())
    run_until(loop, lambda: protocol.lost)
    assert seen == ["inside"] * 3


def test_another_protocol_takes_over(loop):
    transport, first, far = reading(loop)
    second = Recorder()
    transport.set_protocol(second)
    assert transport.get_protocol() is second
    os.write(far, b"for the second")
    os.close(far)
    run_until(loop, lambda: second.lost)
    assert first.names == ["made"] and second.data == b"for the second"


def test_what_cannot_be_written(loop):
    transport, protocol, near = writing(loop)
    for wrong in ("text", None, 3, [b"x"]):
        with pytest.raises((AssertionError, TypeError)):
            transport.write(wrong)
    with pytest.raises(TypeError):
        transport.writelines([b"x", "y"])
    for name in ("pause_reading", "resume_reading"):
        with pytest.raises(NotImplementedError):
            getattr(transport, name)()
    assert not protocol.lost
    transport.close()
    run_until(loop, lambda: protocol.lost)
    os.close(near)


def test_their_looks(loop):
    transport, protocol, near = writing(loop)
    assert "fd=" in repr(transport) and "idle" in repr(transport)
    assert repr(transport).endswith("bufsize=0>")
    transport.write(b"x" * 200_000)
    assert "polling" in repr(transport)
    transport.close()
    assert "closing" in repr(transport)
    transport.abort()
    run_until(loop, lambda: protocol.lost)
    turns(loop)
    assert "closed" in repr(transport)
    os.close(near)
    reader, protocol, far = reading(loop)
    assert "polling" in repr(reader)
    reader.pause_reading()
    assert "idle" in repr(reader)
    assert reader._fileno >= 0 and reader._pipe is reader.get_extra_info("pipe")
    reader.close()
    run_until(loop, lambda: protocol.lost)
    turns(loop)
    assert reader._pipe is None and "closed" in repr(reader)
    os.close(far)


def test_tasks_may_read_while_others_write(loop):
    """Many pipes at once, each with its own bytes."""

    async def one(number):
        near, far = os.pipe()
        stream = asyncio.StreamReader()
        await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), open(near, "rb", buffering=0)
        )
        writer, _ = await loop.connect_write_pipe(Recorder, open(far, "wb", buffering=0))
        writer.write(bytes([number]) * 150_000)
        writer.close()
        return await stream.read()

    async def main():
        return await asyncio.gather(*map(one, range(20)))

    for number, data in enumerate(run(loop, main())):
        assert data == bytes([number]) * 150_000
    settle(loop)


def test_an_error_in_connection_made_is_reported_and_the_pipe_lives_on(loop, reports):
    class Raises(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            raise ValueError("in connection_made")

    transport, protocol, far = reading(loop, Raises())
    os.write(far, b"x")
    run_until(loop, lambda: protocol.data == b"x")
    assert [str(report["exception"]) for report in reports] == ["in connection_made"]
    transport.close()
    settle(loop)
    os.close(far)


def test_an_exit_in_connection_made_leaves_the_loop(loop):
    class Leaves(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            raise SystemExit("leaving")

    protocol = Leaves()
    near, far = os.pipe()
    opening = loop.create_task(
        loop.connect_read_pipe(lambda: protocol, open(near, "rb", buffering=0))
    )
    with pytest.raises(SystemExit):
        loop.run_until_complete(opening)
    run_until(loop, opening.done)
    os.write(far, b"x")
    run_until(loop, lambda: protocol.data == b"x")
    protocol.transport.close()
    settle(loop)
    os.close(far)


def test_a_number_that_is_none(loop):
    class Odd:
        def fileno(self):
            return "one"

        def close(self):
            pass

    with pytest.raises(TypeError):
        run(loop, loop.connect_read_pipe(Recorder, Odd()))
    assert_usable(loop)


@pytest.mark.hotloop_only(reason="asyncio leaves the file open when its warning is an error")
def test_g2_warnings_that_are_errors_are_told_and_all_is_closed(new_loop, unraisable):
    loop = new_loop()
    far = reading(loop)[2]
    near, other = socket.socketpair()
    run(loop, loop.create_unix_connection(Recorder, sock=near))
    run(
        loop,
        loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loop.close()
        del loop
        gc.collect()
    assert {type(told) for told in unraisable} == {ResourceWarning}
    assert len(unraisable) >= 3
    other.close()
    os.close(far)
