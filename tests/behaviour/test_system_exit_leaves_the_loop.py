# SPDX-License-Identifier: MIT
"""X7: KeyboardInterrupt and SystemExit leave run_forever from any callback; nothing is lost."""

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
import threading
import time

import pytest

from tests.tools import TESTS, Recorder, assert_usable, connected, run_until

LEAVING = pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])


def raiser(kind):
    """A callback that raises `kind` the first time."""
    left = [kind("leaving")]

    def leave(*args):
        if left:
            raise left.pop()

    return leave


@LEAVING
@pytest.mark.parametrize("call", ["call_soon", "call_later", "call_soon_threadsafe"])
def test_x7_from_a_callback(loop, kind, call):
    args = (0,) if call == "call_later" else ()
    getattr(loop, call)(*args, raiser(kind))
    with pytest.raises(kind, match="leaving"):
        loop.run_forever()
    assert not loop.is_running() and asyncio._get_running_loop() is None
    assert_usable(loop)


@LEAVING
def test_what_was_ready_behind_it_still_runs(loop, kind):
    seen = []
    loop.call_soon(seen.append, 1)
    loop.call_soon(raiser(kind))
    loop.call_soon(seen.append, 2)
    loop.call_later(0, seen.append, 3)
    with pytest.raises(kind):
        loop.run_forever()
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert seen == [1, 2, 3]


@LEAVING
def test_from_a_task_and_the_task_keeps_it(loop, kind):
    async def leave():
        raise kind("leaving")

    task = loop.create_task(leave())
    with pytest.raises(kind):
        loop.run_forever()
    assert task.done() and isinstance(task.exception(), kind)
    assert_usable(loop)


@LEAVING
def test_from_a_done_callback(loop, kind):
    future = loop.create_future()
    future.add_done_callback(raiser(kind))
    future.set_result(None)
    with pytest.raises(kind):
        loop.run_forever()
    assert_usable(loop)


@LEAVING
def test_from_a_descriptors_callback(loop, kind):
    near, far = socket.socketpair()
    with near, far:
        far.send(b"x")
        loop.add_reader(near, raiser(kind))
        with pytest.raises(kind):
            loop.run_forever()
        loop.remove_reader(near)
        assert_usable(loop)


@LEAVING
@pytest.mark.parametrize("where", ["data_received", "eof_received", "connection_lost"])
def test_x7_from_a_protocol(loop, kind, where, stream_kind):
    """A popular loop swallows it in data_received and eof_received."""
    protocol = Recorder()
    setattr(protocol, where, raiser(kind))
    with connected(loop, stream_kind, protocol) as (transport, _, peer):
        if where == "data_received":
            peer.send(b"x")
        elif where == "eof_received":
            peer.shutdown(socket.SHUT_WR)
        else:
            transport.abort()
        guard = loop.call_later(20, loop.stop)
        with pytest.raises(kind):
            loop.run_forever()
        guard.cancel()
        assert not loop.is_running()
        assert_usable(loop)


@LEAVING
def test_x7_from_connection_made(loop, kind):
    class Leaves(Recorder):
        def connection_made(self, transport):
            self.transport = transport
            raise kind("leaving")

    protocol = Leaves()
    near, far = socket.socketpair()
    near.setblocking(False)
    with far:
        with pytest.raises(kind):
            loop.run_until_complete(loop.create_unix_connection(protocol, sock=near))
        assert_usable(loop)
        protocol.transport.abort()
        run_until(loop, lambda: protocol.lost)


def drain(sock):
    """Read until nothing comes any more, however small the pieces."""
    with contextlib.suppress(OSError):
        while sock.recv(1 << 20):
            pass


@LEAVING
@pytest.mark.parametrize("where", ["pause_writing", "resume_writing"])
def test_x7_from_flow_control(loop, loop_kind, kind, where, stream_kind, asyncio_log):
    """asyncio keeps its writer registered when resume_writing leaves, and logs that until abort."""
    protocol = Recorder()
    setattr(protocol, where, raiser(kind))
    with connected(loop, stream_kind, protocol) as (transport, _, peer):
        transport.set_write_buffer_limits(high=1)

        def write():
            transport.write(b"x" * 8_000_000)

        guard = loop.call_later(20, loop.stop)
        loop.call_soon(write)
        reader = threading.Thread(target=drain, args=(peer,))
        if where == "resume_writing":
            # Not before: who reads fast enough takes all there is, and nothing has to wait.
            protocol.pause_writing = reader.start
        with pytest.raises(kind):
            loop.run_forever()
        guard.cancel()
        assert_usable(loop)
        transport.abort()
        run_until(loop, lambda: protocol.lost)
        if reader.ident:
            peer.shutdown(socket.SHUT_RDWR)
            reader.join()
    assert loop_kind == "asyncio" or asyncio_log.messages == []


def test_p8_ctrl_c_while_it_sleeps(loop):
    pid = os.getpid()
    thread = threading.Thread(target=lambda: (time.sleep(0.02), os.kill(pid, signal.SIGINT)))
    guard = loop.call_later(20, loop.stop)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    thread.join()
    guard.cancel()
    assert not loop.is_running()
    assert_usable(loop)


def test_p8_ctrl_c_in_a_tight_callback(loop):
    seen = []

    def spin():
        os.kill(os.getpid(), signal.SIGINT)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            pass
        seen.append("finished")

    loop.call_soon(spin)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    assert seen == []
    assert_usable(loop)


def test_p8_ctrl_c_in_a_busy_loop_of_tasks(loop):
    async def spin():
        while True:
            await asyncio.sleep(0)

    loop.call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(spin())
    assert_usable(loop)


def test_p8_the_runner_turns_ctrl_c_into_cancellation(new_loop):
    seen = []

    async def main():
        asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with asyncio.Runner(loop_factory=new_loop) as runner, pytest.raises(KeyboardInterrupt):
        runner.run(main())
    assert seen == ["cancelled"]


def test_p8_ctrl_c_twice_reaches_who_does_not_listen(new_loop):
    """The first one cancels the main task, which goes on; the second one raises where it is."""
    seen = []

    async def main():
        asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            seen.append("cancelled")
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(20)
        except KeyboardInterrupt:
            seen.append("interrupted")
            raise

    with asyncio.Runner(loop_factory=new_loop) as runner, pytest.raises(KeyboardInterrupt):
        runner.run(main())
    assert seen == ["cancelled", "interrupted"]


def test_p8_ctrl_c_while_it_closes(new_loop, unraisable):
    class Interrupts:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGINT)
            list(range(1000))

    loop = new_loop()
    loop.call_soon(print, Interrupts())
    loop.close()
    assert loop.is_closed()
    assert [type(error) for error in unraisable] == [KeyboardInterrupt]


AT_A_TERMINAL = """
import asyncio
async def main():
    print("ready", flush=True)
    try:
        await asyncio.sleep(50)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise
with asyncio.Runner(loop_factory=make_loop) as runner:
    try:
        runner.run(main())
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_p8_ctrl_c_typed_at_a_terminal(loop_kind):
    ours, theirs = pty.openpty()

    def be_at_it():
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    head = "from functools import partial\nfrom tests.loops import make_loop\n"
    head += f"make_loop = partial(make_loop, {loop_kind!r})\n"
    with subprocess.Popen(
        [sys.executable, "-c", head + AT_A_TERMINAL],
        stdin=theirs,
        stdout=subprocess.PIPE,
        preexec_fn=be_at_it,
        cwd=TESTS.parent,
    ) as process:
        os.close(theirs)
        assert process.stdout.readline() == b"ready\n"
        os.write(ours, b"\x03")
        assert process.stdout.read() == b"cancelled\ninterrupted\n"
        assert process.wait(20) == 0
    os.close(ours)
