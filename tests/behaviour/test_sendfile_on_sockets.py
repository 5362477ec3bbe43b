# SPDX-License-Identifier: MIT
"""sock_sendfile: what arrives, where the file stands, what is refused and with which words."""

import asyncio
import io
import os
import socket
import tempfile
import threading

import pytest

from tests.tools import (
    assert_usable,
    child_output,
    receive_exactly,
    reset,
    run,
    shrink_buffers,
    socket_pair,
    turns,
    until,
)

DATA = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def pair(stream_kind):
    near, far = socket_pair(stream_kind)
    shrink_buffers(near, far)
    near.setblocking(False)
    far.settimeout(20)
    with near, far:
        yield near, far


@pytest.fixture
def file():
    with tempfile.TemporaryFile() as file:
        file.write(DATA)
        file.seek(0)
        yield file


class _Reader:
    """A thread that reads what the other end sends, until its end."""

    def __init__(self, sock, *, start=True):
        self.data = b""
        self._sock = sock
        self._thread = threading.Thread(target=self._read)
        if start:
            self.start()

    def start(self):
        self._thread.start()

    def _read(self):
        self.data = receive_exactly(self._sock, 1 << 30)

    def finish(self, sender):
        sender.shutdown(socket.SHUT_WR)
        self._thread.join()
        return self.data


def send(loop, pair, *args, **options):
    """(result of sock_sendfile, what arrived)"""
    near, far = pair
    reader = _Reader(far)
    try:
        sent = run(loop, loop.sock_sendfile(near, *args, **options))
    finally:
        data = reader.finish(near)
    return sent, data


@pytest.mark.parametrize("buffering", [-1, 0])
def test_a_whole_file(loop, pair, tmp_path, buffering):
    path = tmp_path / "data"
    path.write_bytes(DATA)
    with open(path, "rb", buffering=buffering) as file:
        assert send(loop, pair, file) == (len(DATA), DATA)
        assert file.tell() == len(DATA)


@pytest.mark.parametrize("fallback", [False, True])
@pytest.mark.parametrize(
    ("offset", "count"),
    [(0, 1), (0, len(DATA)), (1000, 2000), (len(DATA) - 3, None), (77, None), (5, True)],
)
def test_a_part_of_it(loop, pair, file, offset, count, fallback):
    expected = DATA[offset:] if count is None else DATA[offset : offset + count]
    assert send(loop, pair, file, offset, count, fallback=fallback) == (len(expected), expected)
    assert file.tell() == offset + len(expected)


def test_more_is_asked_than_there_is(loop, pair, file):
    assert send(loop, pair, file, 10, 10 * len(DATA)) == (len(DATA) - 10, DATA[10:])
    assert file.tell() == len(DATA)


@pytest.mark.parametrize("offset", [len(DATA), len(DATA) + 100])
def test_from_behind_the_end(loop, pair, file, offset):
    assert send(loop, pair, file, offset) == (0, b"")


def test_an_empty_file(loop, pair):
    with tempfile.TemporaryFile() as empty:
        assert send(loop, pair, empty, fallback=False) == (0, b"")
        assert send(loop, pair, empty, 0, None, fallback=False) == (0, b"")


def test_a_file_of_no_size_that_has_content(loop, pair):
    """What /proc shows has size 0, so it counts as empty."""
    with open("/proc/self/status", "rb") as file:
        assert send(loop, pair, file) == (0, b"")


def test_where_the_file_stands_does_not_matter(loop, pair, file):
    file.seek(1000)
    assert send(loop, pair, file, 5, 10) == (10, DATA[5:15])


@pytest.mark.parametrize("offset", [0, 3])
def test_what_the_kernel_cannot_send_is_read_and_sent(loop, pair, offset):
    source = io.BytesIO(DATA)
    assert send(loop, pair, source, offset) == (len(DATA) - offset, DATA[offset:])
    assert source.tell() == len(DATA)
    run(loop, loop.shutdown_default_executor())


def test_the_fallback_counts(loop, pair):
    source = io.BytesIO(DATA)
    assert send(loop, pair, source, 7, 300_000) == (300_000, DATA[7:300_007])
    assert source.tell() == 300_007
    run(loop, loop.shutdown_default_executor())


def test_a_source_that_cannot_seek(loop, pair):
    class Source:
        left = 3

        def readinto(self, view):
            self.left -= 1
            view[:5] = b"hello"
            return 5 if self.left >= 0 else 0

    assert send(loop, pair, Source()) == (15, b"hello" * 3)
    run(loop, loop.shutdown_default_executor())


@pytest.mark.hotloop_only("asyncio's stumbles over the file's position since 3.14")
def test_a_pipe_is_not_for_the_kernel(loop, pair):
    read_end, write_end = os.pipe()
    with open(read_end, "rb", buffering=0) as source:
        os.write(write_end, b"through a pipe")
        os.close(write_end)
        with pytest.raises(asyncio.SendfileNotAvailableError, match=r"os\.sendfile call failed"):
            run(loop, loop.sock_sendfile(pair[0], source, 0, 100, fallback=False))


@pytest.mark.parametrize("source", [io.BytesIO(b"abc"), object()])
def test_without_fallback_it_is_refused(loop, pair, source):
    with pytest.raises(asyncio.SendfileNotAvailableError, match="not a regular file"):
        run(loop, loop.sock_sendfile(pair[0], source, fallback=False))


def test_a_descriptor_that_is_none(loop, pair):
    class Source:
        def fileno(self):
            return -1

    with pytest.raises(asyncio.SendfileNotAvailableError, match="not a regular file"):
        run(loop, loop.sock_sendfile(pair[0], Source(), fallback=False))


@pytest.mark.parametrize(
    ("offset", "count", "error", "text"),
    [
        (0, 0, ValueError, r"count must be a positive integer \(got 0\)"),
        (0, -1, ValueError, r"count must be a positive integer \(got -1\)"),
        (0, 1.5, TypeError, r"count must be a positive integer \(got 1.5\)"),
        (-1, None, ValueError, r"offset must be a non-negative integer \(got -1\)"),
        ("1", None, TypeError, r"offset must be a non-negative integer \(got '1'\)"),
        (None, None, TypeError, r"offset must be a non-negative integer \(got None\)"),
    ],
)
def test_a31_wrong_numbers(loop, pair, file, offset, count, error, text):
    with pytest.raises(error, match=text):
        run(loop, loop.sock_sendfile(pair[0], file, offset, count))
    assert file.tell() == 0


def test_a31_wrong_files_and_sockets(loop, pair, file, tmp_path):
    with open(tmp_path / "text", "w+") as text, pytest.raises(ValueError, match="binary mode"):
        run(loop, loop.sock_sendfile(pair[0], text))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.setblocking(False)
        with pytest.raises(ValueError, match="only SOCK_STREAM type sockets are supported"):
            run(loop, loop.sock_sendfile(datagrams, file))
    loop.set_debug(True)
    pair[0].setblocking(True)
    with pytest.raises(ValueError, match="the socket must be non-blocking"):
        run(loop, loop.sock_sendfile(pair[0], file))


def test_numbers_beyond_the_kernels(loop, pair, file):
    with pytest.raises(OverflowError):
        run(loop, loop.sock_sendfile(pair[0], file, 1 << 70))
    assert_usable(loop)


async def half_way(loop, sock, file):
    """A sock_sendfile() that has filled the socket, as a task."""
    sending = asyncio.ensure_future(loop.sock_sendfile(sock, file))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return sending


def test_the_file_shrinks_meanwhile(loop, pair, file):
    near, far = pair

    async def main():
        sending = await half_way(loop, near, file)
        assert not sending.done()
        os.ftruncate(file.fileno(), 1)
        reader = _Reader(far)
        sent = await sending
        assert sent < len(DATA)
        assert len(reader.finish(near)) == sent  # the kernel zeroes what it still holds
        assert file.tell() == sent

    run(loop, main())


def test_the_file_grows_meanwhile(loop, pair, file):
    near, far = pair

    async def main():
        sending = await half_way(loop, near, file)
        os.pwrite(file.fileno(), b"more", len(DATA))
        reader = _Reader(far)
        assert await sending == len(DATA) + 4
        assert reader.finish(near) == DATA + b"more"

    run(loop, main())


def test_cancelled(loop, pair, file):
    near, far = pair

    async def main():
        sending = await half_way(loop, near, file)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        near.shutdown(socket.SHUT_WR)
        arrived = receive_exactly(far, len(DATA))
        assert 0 < len(arrived) < len(DATA)
        assert DATA.startswith(arrived)
        return len(arrived)

    arrived = run(loop, main())
    assert not loop.remove_writer(near)
    if type(loop).__module__.startswith("hotloop"):
        assert file.tell() == arrived  # asyncio moves it only if the socket is just ready
    assert_usable(loop)


def test_the_peer_goes_away(loop, pair, file):
    near, far = pair

    async def main():
        sending = await half_way(loop, near, file)
        assert not sending.done()
        if near.family == socket.AF_UNIX:
            far.close()
        else:
            reset(far)
        with pytest.raises(ConnectionError):
            await sending

    run(loop, main())
    assert 0 < file.tell() < len(DATA)


def test_nobody_is_connected(loop, file):
    with socket.socket() as sock:
        sock.setblocking(False)
        with pytest.raises(asyncio.SendfileNotAvailableError):
            run(loop, loop.sock_sendfile(sock, file, fallback=False))
        with pytest.raises(BrokenPipeError):
            run(loop, loop.sock_sendfile(sock, file))
    run(loop, loop.shutdown_default_executor())


@pytest.mark.hotloop_only("asyncio reads on from whichever file has the number by then")
def test_the_file_is_closed_meanwhile(loop, pair, tmp_path):
    near, far = pair
    (tmp_path / "secret").write_bytes(b"s" * len(DATA))
    (tmp_path / "data").write_bytes(DATA)
    file = open(tmp_path / "data", "rb")

    async def main():
        sending = asyncio.ensure_future(loop.sock_sendfile(near, file))
        await asyncio.sleep(0)
        number = file.fileno()
        file.close()
        with open(tmp_path / "secret", "rb") as secret:
            assert secret.fileno() == number
            reader = _Reader(far)
            with pytest.raises(OSError, match="Bad file descriptor"):
                await sending
            assert secret.tell() == 0
        assert DATA.startswith(reader.finish(near))

    run(loop, main())


def test_the_socket_is_closed_meanwhile(loop, pair, file):
    near, _far = pair

    async def main():
        sending = await half_way(loop, near, file)
        near.close()
        await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises((asyncio.CancelledError, OSError)):
            await sending

    run(loop, main())
    assert_usable(loop)


def test_after_and_before_other_data(loop, pair, file):
    near, far = pair

    async def main():
        reader = _Reader(far)
        await loop.sock_sendall(near, b"before" * 1000)
        await loop.sock_sendfile(near, file)
        await loop.sock_sendall(near, b"after" * 1000)
        assert reader.finish(near) == b"before" * 1000 + DATA + b"after" * 1000

    run(loop, main())


def test_others_run_meanwhile(loop, pair, file):
    near, far = pair
    ticks = []

    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0)

    async def main():
        ticking = asyncio.ensure_future(tick())
        sending = asyncio.ensure_future(loop.sock_sendfile(near, file))
        await until(lambda: len(ticks) > 10)
        assert not sending.done()  # nobody has read yet
        reader = _Reader(far)
        await sending
        reader.finish(near)
        ticking.cancel()

    run(loop, main())


def test_the_loop_closes_meanwhile(loop, pair, file, unraisable):
    task = loop.create_task(loop.sock_sendfile(pair[0], file))
    turns(loop, 2)
    assert not task.done()
    task.cancel()
    turns(loop, 2)
    assert task.cancelled()
    assert not unraisable


@pytest.mark.hotloop_only("asyncio gives up in other ways")
def test_a_thread_may_drive_it_by_hand(loop_kind):
    """No use to anybody, but it must not crash: the loop runs meanwhile."""
    output = child_output(
        """
        import socket, tempfile, threading, time
        loop = make_loop()
        near, far = socket.socketpair()
        near.setblocking(False)
        file = tempfile.TemporaryFile()
        file.write(b"x" * 100)
        file.flush()
        done = []
        def drive():
            try:
                loop.sock_sendfile(near, file).send(None)
            except StopIteration as stop:
                done.append(stop.value)
            except BaseException as error:
                done.append(type(error))
            loop.call_soon_threadsafe(loop.stop)
        loop.call_soon(threading.Thread(target=drive).start)
        loop.run_forever()
        print(len(done))
        near.close(), far.close(), file.close()
        loop.close()
        """,
        kind=loop_kind,
    )
    assert output.split() == ["1"]


# A program's own os.sendfile


def test_a_replaced_os_sendfile_is_used(loop, pair, file, monkeypatch):
    near, far = pair
    original, sizes = os.sendfile, []

    def little(out, from_, offset, size):
        sizes.append(size)
        return original(out, from_, offset, min(size, 10_000))

    monkeypatch.setattr(os, "sendfile", little)
    reader = _Reader(far)
    assert run(loop, loop.sock_sendfile(near, file, 1000, 500_000)) == 500_000
    assert file.tell() == 501_000 and len(sizes) >= 50
    assert run(loop, loop.sock_sendfile(near, file, 501_000)) == len(DATA) - 501_000
    reader.finish(near)
    assert reader.data == DATA[1000:] and file.tell() == len(DATA)


def test_what_it_raises_at_first_means_the_fallback(loop, pair, file, monkeypatch):
    near, far = pair

    def fail(*args):
        raise OSError(22, "not today")

    monkeypatch.setattr(os, "sendfile", fail)
    with pytest.raises(asyncio.SendfileNotAvailableError, match=r"os\.sendfile call failed"):
        run(loop, loop.sock_sendfile(near, file, fallback=False))
    reader = _Reader(far)
    assert run(loop, loop.sock_sendfile(near, file)) == len(DATA)
    reader.finish(near)
    assert reader.data == DATA


@pytest.mark.parametrize("kind", [OSError, ZeroDivisionError])
def test_what_it_raises_later_comes_out(loop, pair, file, monkeypatch, kind):
    near, _ = pair
    error = kind(5, "io")
    original = os.sendfile

    def twice(*args):
        monkeypatch.setattr(os, "sendfile", fail)
        return original(*args[:3], 1000)

    def fail(*args):
        raise error

    monkeypatch.setattr(os, "sendfile", twice)
    with pytest.raises(kind) as caught:
        run(loop, loop.sock_sendfile(near, file, 50))
    assert caught.value is error and file.tell() == 1050
    assert_usable(loop)


@pytest.mark.hotloop_only("asyncio leaves the file where it was, mostly")
def test_cancelled_with_a_replaced_os_sendfile(loop, pair, file, monkeypatch):
    near, _far = pair
    original, sent = os.sendfile, []

    def counted(*args):
        sent.append(original(*args))
        return sent[-1]

    monkeypatch.setattr(os, "sendfile", counted)

    async def main():
        task = asyncio.ensure_future(loop.sock_sendfile(near, file))
        await until(lambda: near.fileno() in loop._watchers() and sent)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(loop, main())
    assert near.fileno() not in loop._watchers()
    assert file.tell() == sum(sent) > 0
    assert_usable(loop)


@pytest.mark.hotloop_only("asyncio sends of the file that has the number by then")
def test_a_file_closed_meanwhile_with_a_replaced_os_sendfile(loop, pair, monkeypatch):
    near, far = pair
    original = os.sendfile
    monkeypatch.setattr(os, "sendfile", lambda *args: original(*args[:3], 1000))
    reader = _Reader(far, start=False)
    file = tempfile.TemporaryFile()
    file.write(DATA)
    with tempfile.TemporaryFile() as another:
        another.write(b"secret" * 100_000)
        another.flush()

        async def main():
            task = asyncio.ensure_future(loop.sock_sendfile(near, file))
            await until(lambda: near.fileno() in loop._watchers())
            number = file.fileno()
            file.close()
            os.dup2(another.fileno(), number)
            reader.start()
            try:
                with pytest.raises((OSError, ValueError)):
                    await task
            finally:
                os.close(number)

        run(loop, main())
    reader.finish(near)
    assert reader.data and b"secret" not in reader.data
