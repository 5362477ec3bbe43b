# SPDX-License-Identifier: MIT
"""The user's file object owns the descriptor; the transport closes the file, once (T2)."""

import asyncio
import gc
import os
import warnings

import pytest

from tests.loops import close_loop
from tests.tools import Recorder, assert_usable, run, run_until, settle, turns


class File:
    """A file object that counts; its descriptor goes to whoever opens the next one."""

    def __init__(self, fd):
        self.fd = fd
        self.closed = 0

    def fileno(self):
        return self.fd

    def close(self):
        self.closed += 1
        os.close(self.fd)


@pytest.fixture(params=["read", "write"])
def side(request):
    return request.param


def connect(loop, side, protocol=None):
    """(transport, protocol, file, the descriptor of the other end)"""
    protocol = protocol or Recorder()
    ends = os.pipe()
    ours, theirs = ends if side == "read" else ends[::-1]
    file = File(ours)
    how = loop.connect_read_pipe if side == "read" else loop.connect_write_pipe
    transport, _ = run(loop, how(lambda: protocol, file))
    return transport, protocol, file, theirs


def test_t2_after_close(loop, side):
    transport, protocol, file, far = connect(loop, side)
    transport.close()
    assert transport.is_closing() and file.closed == 0
    transport.close()
    run_until(loop, lambda: protocol.lost)
    turns(loop)
    assert file.closed == 1
    stranger = os.open(os.devnull, os.O_RDONLY)
    assert stranger == file.fd, "the test wants the same number again"
    transport.close()
    del transport
    gc.collect()
    settle(loop)
    os.fstat(stranger)
    os.close(stranger)
    os.close(far)
    assert file.closed == 1 and protocol.events == ["made", ("lost", None)]


def test_t2_after_the_other_end_has_gone(loop, side):
    transport, protocol, file, far = connect(loop, side)
    os.close(far)
    run_until(loop, lambda: protocol.lost)
    turns(loop)
    assert file.closed == 1 and transport.is_closing()
    transport.close()
    settle(loop)
    assert file.closed == 1


def test_t2_connection_lost_still_has_the_file(loop, side):
    class Looks(Recorder):
        def connection_lost(self, exc):
            super().connection_lost(exc)
            os.fstat(self.transport.get_extra_info("pipe").fileno())

    transport, protocol, file, far = connect(loop, side, Looks())
    transport.close()
    run_until(loop, lambda: protocol.lost)
    turns(loop)
    os.close(far)
    assert file.closed == 1 and transport.get_extra_info("pipe") is file


def test_t2_a_transport_that_nobody_knows_warns_and_closes(loop, side):
    transport, protocol, file, far = connect(loop, side)
    loop.close()
    with pytest.warns(ResourceWarning, match="unclosed transport"):
        del transport, protocol
        gc.collect()
    assert file.closed == 1
    os.close(far)


def test_t2_close_on_a_closed_loop_leaves_nothing_open(loop, side):
    transport, protocol, file, far = connect(loop, side)
    loop.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # asyncio's close() fails here
        try:
            transport.close()
        except RuntimeError as error:
            assert str(error) == "Event loop is closed"
        del transport, protocol
        gc.collect()
    assert file.closed == 1
    os.close(far)


def test_t2_a_refused_file_is_not_closed(loop, tmp_path, side):
    how = loop.connect_read_pipe if side == "read" else loop.connect_write_pipe
    words = "Pipe transport is for pipes/sockets only."
    if side == "write":
        words = "Pipe transport is only for pipes, sockets and character devices"
    path = tmp_path / "regular"
    path.touch()
    for name in (path, tmp_path):
        file = File(os.open(name, os.O_RDONLY))
        with pytest.raises(ValueError) as caught:
            run(loop, how(Recorder, file))
        assert str(caught.value) == words
        gc.collect()
        assert file.closed == 0
        os.fstat(file.fd)
        file.close()
    assert_usable(loop)


@pytest.mark.hotloop_only("the __del__ of asyncio's half-made transports fails")
def test_arguments_that_are_no_files(loop, side):
    how = loop.connect_read_pipe if side == "read" else loop.connect_write_pipe
    with pytest.raises(AttributeError):
        run(loop, how(Recorder, 3))
    with pytest.raises(AttributeError):
        run(loop, how(Recorder, None))
    ends = os.pipe()
    for fd in ends:
        os.close(fd)
    file = File(ends[0])
    file.close = lambda: None
    with pytest.raises(OSError), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        run(loop, how(Recorder, file))
    gc.collect()

    def factory():
        raise LookupError("no protocol")

    with pytest.raises(LookupError, match="no protocol"):
        run(loop, how(factory, file))
    assert_usable(loop)


def test_a_closed_loop_connects_nothing(new_loop, side):
    loop = new_loop()
    near, far = os.pipe()
    how = loop.connect_read_pipe if side == "read" else loop.connect_write_pipe
    coroutine = how(Recorder, File(near))
    close_loop(loop)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        coroutine.send(None)
    gc.collect()
    os.close(far)
    try:
        os.close(near)
    except OSError:
        pass  # asyncio's half-made transport has closed it


def test_cancelled_while_it_connects(loop, side):
    ends = os.pipe()
    ours, theirs = ends if side == "read" else ends[::-1]
    file, protocol = File(ours), Recorder()
    how = loop.connect_read_pipe if side == "read" else loop.connect_write_pipe

    async def main():
        task = asyncio.ensure_future(how(lambda: protocol, file))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(loop, main())
    settle(loop)
    assert protocol.events == ["made", ("lost", None)] and file.closed == 1
    os.close(theirs)


def test_the_file_learns_to_be_non_blocking(loop, side):
    transport, protocol, file, far = connect(loop, side)
    assert not os.get_blocking(file.fd)
    assert os.get_blocking(far)
    transport.close()
    run_until(loop, lambda: protocol.lost)
    settle(loop)
    os.close(far)
