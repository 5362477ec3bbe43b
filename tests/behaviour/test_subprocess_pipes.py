# SPDX-License-Identifier: MIT
"""Bytes to and from children (P11): floods, stdin that nobody reads, output that nobody wants."""

import asyncio
import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
import termios

import pytest

from tests.tools import assert_usable, child_output, run, settle

PIPE = subprocess.PIPE


async def shell(script, **options):
    return await asyncio.create_subprocess_shell(script, **options)


def test_communicate_both_ways_at_once(loop):
    sent = os.urandom(1 << 20) * 4

    async def main():
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        return await process.communicate(sent)

    out, err = run(loop, main())
    assert out == sent and err is None


class Sipping(asyncio.SubprocessProtocol):
    """Takes what waits in the pipe, and then no more until `read_on()`."""

    def connection_made(self, transport):
        self.transport = transport
        self.received = 0
        transport.get_pipe_transport(1).pause_reading()

    def pipe_data_received(self, fd, data):
        self.received += len(data)
        self.transport.get_pipe_transport(1).pause_reading()

    def read_on(self):
        self.transport.get_pipe_transport(1).resume_reading()

    def capacities(self):
        """What the pipes to and from the child hold, in bytes."""
        pipes = (self.transport.get_pipe_transport(fd).get_extra_info("pipe") for fd in (0, 1))
        return tuple(fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) for pipe in pipes)

    def waiting(self):
        pipe = self.transport.get_pipe_transport(1).get_extra_info("pipe")
        return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize(
    ("size", "options", "grown"),
    [(1 << 20, {}, True), (30_000, {}, False), (1 << 20, {"pipesize": 1 << 16}, False)],
    ids=["much", "little", "size chosen"],
)
def test_pipes_that_were_full_grow(loop, loop_kind, size, options, grown):
    async def main():
        transport, child = await loop.subprocess_exec(Sipping, "cat", stderr=None, **options)
        before = child.capacities()
        transport.get_pipe_transport(0).write(bytes(size))
        while (received := child.received) < min(size, 3 * before[1]):
            while child.waiting() < min(size - received, before[1]):
                await asyncio.sleep(0.001)
            child.read_on()
            while child.received == received:
                await asyncio.sleep(0)
        after = child.capacities()
        transport.close()  # kills the child
        await transport._wait()
        return before, after

    before, after = run(loop, main())
    assert after == ((1 << 18,) * 2 if grown and loop_kind == "hotloop" else before)


def test_a_pipe_of_the_users_keeps_its_size(loop):
    reader, writer = os.pipe()

    async def main():
        stream = asyncio.StreamReader(limit=1 << 20)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), reader)
        transport, _ = await loop.connect_write_pipe(asyncio.Protocol, writer)
        before = fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)
        transport.write(bytes(1 << 20))
        await stream.readexactly(1 << 20)
        assert fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ) == before
        transport.close()
        assert await stream.read() == b""

    reader, writer = os.fdopen(reader, "rb", 0), os.fdopen(writer, "wb", 0)
    run(loop, main())


@pytest.mark.slow
def test_a_hundred_megabytes(loop):
    sent = os.urandom(1 << 20) * 100

    async def main():
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        out, _ = await process.communicate(sent)
        assert process.returncode == 0
        return out == sent

    assert run(loop, main(), 100)


def test_p11_a_full_stdin_makes_drain_wait(loop):
    async def main():
        process = await shell("read line; cat >/dev/null", stdin=PIPE)
        process.send_signal(signal.SIGSTOP)
        process.stdin.write(b"x" * 500_000)
        draining = asyncio.ensure_future(process.stdin.drain())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not draining.done()
        assert process.stdin.transport.get_write_buffer_size() > 300_000
        process.send_signal(signal.SIGCONT)
        process.stdin.write(b"\n")
        await draining
        process.stdin.close()
        await process.stdin.wait_closed()
        return await process.wait()

    assert run(loop, main()) == 0


def test_p11_a_child_that_closes_its_stdin(loop):
    async def main():
        process = await shell("exec <&-; echo closed; exec sleep 100", stdin=PIPE, stdout=PIPE)
        assert await process.stdout.readline() == b"closed\n"
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(100):
                process.stdin.write(b"x" * 100_000)
                await process.stdin.drain()
                await asyncio.sleep(0)
        process.kill()
        assert await process.wait() == -signal.SIGKILL

    run(loop, main())


def test_p11_communicate_with_a_child_that_reads_nothing(loop, asyncio_log):
    async def main():
        process = await shell("exit 7", stdin=PIPE, stdout=PIPE)
        assert await process.communicate(b"x" * 1_000_000) == (b"", None)
        return process.returncode

    assert run(loop, main()) == 7
    settle(loop)
    # Early versions of 3.11 and 3.12 tell of StreamWriter.wait_closed(), which nobody called.
    assert all(text.startswith("Future exception was never") for text in asyncio_log.messages)


def test_p11_a_flood_that_nobody_reads_stays_bounded(loop):
    async def main():
        process = await shell("exec cat /dev/zero", stdout=PIPE)
        transport = process._transport.get_pipe_transport(1)
        while not process.stdout._paused:
            await asyncio.sleep(0)
        held = len(process.stdout._buffer)
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert len(process.stdout._buffer) == held < 1_000_000
        assert len(await process.stdout.readexactly(1_000_000)) == 1_000_000
        process.kill()
        await process.stdout.read()
        assert await process.wait() == -signal.SIGKILL
        assert transport.is_closing()

    run(loop, main())


def test_p11_both_outputs_at_once(loop):
    piece = "head -c 20000 /dev/zero"
    script = f"for n in 1 2 3 4 5 6 7 8; do {piece}; {piece} >&2; done"

    async def main():
        process = await shell(script, stdout=PIPE, stderr=PIPE)
        out, err = await process.communicate()
        return len(out), len(err)

    assert run(loop, main()) == (160_000, 160_000)


def test_a_conversation(loop):
    async def main():
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        for number in range(50):
            line = b"line %d\n" % number
            process.stdin.write(line)
            assert await process.stdout.readline() == line
        process.stdin.write_eof()
        assert await process.stdout.read() == b""
        return await process.wait()

    assert run(loop, main()) == 0


def test_output_that_outlives_the_child(loop):
    """A grandchild holds the pipe: the process has ended, its output has not."""

    async def main():
        process = await shell("(read line; echo late) & exit 0", stdin=PIPE, stdout=PIPE)
        while process.returncode is None:
            await asyncio.sleep(0.001)
        assert not process.stdout.at_eof()
        process._transport.get_pipe_transport(1).close()
        await process.wait()

    run(loop, main())
    settle(loop)


def test_who_starts_a_child_does_not_wait_for_it(loop):
    """They all live, and end when they are told to."""

    async def main():
        processes = [await shell("read line", stdin=PIPE) for _ in range(5)]
        assert [process.returncode for process in processes] == [None] * 5
        for process in processes:
            process.stdin.write(b"end\n")
            assert await process.wait() == 0

    run(loop, main())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_beside_multiprocessing(loop_kind, method):
    """Children of multiprocessing with a loop each, beside a loop with children of its own."""
    program = f"""
        import asyncio, multiprocessing, sys
        from tests.loops import make_loop
        from tests.behaviour.test_subprocess_pipes import in_a_child

        async def main():
            loop = asyncio.get_running_loop()
            context = multiprocessing.get_context({method!r})
            process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
            children = [context.Process(target=in_a_child, args=({loop_kind!r}, n))
                        for n in range(2)]
            for child in children:
                child.start()
            ends = [loop.run_in_executor(None, child.join, 40) for child in children]
            out, _ = await process.communicate(b"ours")
            await asyncio.gather(*ends)
            print(out, process.returncode, [child.exitcode for child in children])

        if __name__ == "__main__":
            loop = make_loop({loop_kind!r})
            loop.run_until_complete(main())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
    """
    assert child_output(program, kind=loop_kind) == "b'ours' 0 [20, 21]\n"


def in_a_child(kind, number):
    """A loop of its own, in a child of multiprocessing, with a subprocess in it."""
    from tests.loops import make_loop

    assert multiprocessing.parent_process() is not None
    asyncio.events._set_running_loop(None)  # what fork() copied; asyncio does so itself
    loop = make_loop(kind)

    async def main():
        process = await asyncio.create_subprocess_shell(f"exit {number}", stdout=PIPE)
        await process.communicate()
        return process.returncode

    code = run(loop, main())
    loop.close()
    os._exit(20 + code)


def test_a_closed_transport_takes_its_pipes_along(loop):
    async def main():
        transport, _ = await loop.subprocess_exec(asyncio.SubprocessProtocol, "sleep", "100")
        pipes = [transport.get_pipe_transport(fd) for fd in (0, 1, 2)]
        transport.close()
        assert all(pipe.is_closing() for pipe in pipes)
        while transport.get_returncode() is None:
            await asyncio.sleep(0.001)

    run(loop, main())
    settle(loop)
    assert_usable(loop)
