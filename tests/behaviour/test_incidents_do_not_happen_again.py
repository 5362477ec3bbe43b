# SPDX-License-Identifier: MIT
"""What went wrong in other loops and is tested nowhere else; all are in docs/internals."""

from __future__ import annotations

import asyncio
import asyncio.tasks
import contextlib
import gc
import signal
import socket
import subprocess
import sys
import weakref

import pytest

from tests.loops import open_descriptors
from tests.tools import PY, Recorder, assert_usable, child_output, run, run_until, settle, steady


def test_hundreds_of_sock_connect_at_once_come_to_an_end(loop):
    """uvloop#378: an endless loop, where a task and a callback took turns for ever."""
    before = steady(loop)
    socks = [socket.socket() for _ in range(400)]

    async def main():
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0, backlog=1024)
        address = server.sockets[0].getsockname()
        for sock in socks:
            sock.setblocking(False)
        tasks = [asyncio.ensure_future(loop.sock_connect(sock, address)) for sock in socks]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        # One that was through before its cancellation came says so.
        assert {type(r) for r in results} <= {type(None), asyncio.CancelledError}
        assert results[1::2] == [None] * (len(socks) // 2)
        for sock in socks:
            sock.close()
        server.close()

    run(loop, main())
    run_until(loop, lambda: open_descriptors() == before)


@pytest.mark.parametrize("end", ["close", "abort"])
def test_a_number_that_a_transport_had_can_be_watched_at_once(loop, end):
    """uvloop#506, #653: "File descriptor N is used by transport", which was closed by then."""

    async def main():
        for _ in range(20):
            near, far = socket.socketpair()
            protocol = Recorder()
            transport, _ = await loop.create_unix_connection(lambda p=protocol: p, sock=near)
            used = transport.get_extra_info("socket").fileno()
            getattr(transport, end)()
            while not protocol.lost or used in open_descriptors():
                await asyncio.sleep(0)
            far.close()
            socks = [sock for _ in range(4) for sock in socket.socketpair()]
            (again,) = [sock for sock in socks if sock.fileno() == used]
            loop.add_reader(again, int)
            loop.add_writer(again, int)
            assert loop.remove_reader(again) and loop.remove_writer(again)
            for sock in socks:
                sock.close()

    run(loop, main())


def test_when_of_a_timer_that_is_over(loop):
    """uvloop#197 and its kin: a timer's fields were freed with what fired."""
    handle = loop.call_later(0, loop.stop)
    when = handle.when()
    loop.run_forever()
    assert handle.when() == when and "stop" not in repr(handle._args)
    cancelled = loop.call_later(1000, int)
    when = cancelled.when()
    cancelled.cancel()
    loop.close()
    assert cancelled.when() == when and cancelled.cancelled()
    repr(handle), repr(cancelled), handle.cancel(), cancelled.cancel()


@pytest.mark.skipif(PY < (3, 12), reason="_swap_current_task came with 3.12")
def test_swapping_the_current_task_counts_its_references(loop):
    """cpython#105987: one reference too few, and the task was gone under its loop."""
    swap = asyncio.tasks._swap_current_task

    async def main():
        me = asyncio.current_task()
        other = loop.create_task(asyncio.sleep(0))
        before = sys.getrefcount(other)
        for _ in range(100):
            assert swap(loop, other) is me
            assert asyncio.current_task() is other
            assert swap(loop, None) is other
            assert asyncio.current_task() is None
            assert swap(loop, me) is None
        assert sys.getrefcount(other) == before
        assert asyncio.current_task() is me
        with pytest.raises((TypeError, AttributeError)):
            swap()
        await other

    run(loop, main())


@pytest.mark.parametrize(
    "host",
    [b"a\xc3", b"\xf0\x9f\x98", b"\xed\xa0\x80.com", b"x" * 62 + b"\xc3", b"xn--\xff", b"\xe3\x80"],
    ids=ascii,
)
def test_names_that_end_inside_a_character(loop, host):
    """CVE-2021-22918: libuv read past their end."""

    async def main():
        with pytest.raises((socket.gaierror, UnicodeError)):
            await loop.getaddrinfo(host, 80)

    run(loop, main())
    assert_usable(loop)


def test_tls5_tls_connections_give_their_sessions_back(loop, certificates):
    """cpython#109534: two gigabytes after some thousand of them."""

    async def main():
        made: list = []

        class Server(asyncio.Protocol):
            def connection_made(self, transport):
                made.append(weakref.ref(transport.get_extra_info("ssl_object")))

        server = await loop.create_server(Server, "127.0.0.1", 0, ssl=certificates.server())
        address = server.sockets[0].getsockname()
        context = certificates.client()
        for number in range(30):
            protocol = Recorder()
            transport, _ = await loop.create_connection(
                lambda p=protocol: p, *address, ssl=context, server_hostname="localhost"
            )
            made.append(weakref.ref(transport.get_extra_info("ssl_object")))
            transport.write(b"x" * 1000)
            (transport.close if number % 2 else transport.abort)()
            while not protocol.lost:
                await asyncio.sleep(0.001)
        server.close()
        await server.wait_closed()
        return made

    made = run(loop, main())
    assert len(made) >= 30  # a server may not see who aborts
    settle(loop)
    gc.collect()
    run_until(loop, lambda: gc.collect() is not None and not any(ref() for ref in made))


def test_p4_starting_a_child_runs_no_hook_of_ours_or_anybodys(loop_kind):
    """dd-trace-py#15798: hooks of os.fork() ran between fork and exec, and started threads."""
    source = """
    import asyncio, os, sys

    ran = []
    os.register_at_fork(
        before=lambda: ran.append("before"),
        after_in_parent=lambda: ran.append("after"),
        after_in_child=lambda: os.write(2, b"in the child"),
    )

    async def main():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-S", "-c", "print('hello')", stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        print(out, process.returncode, ran)

    loop = make_loop()
    loop.run_until_complete(main())
    loop.close()
    """
    assert child_output(source, kind=loop_kind) == "b'hello\\n' 0 []\n"


def test_a_full_pipe_to_a_child_waits_and_then_breaks(loop):
    """uvloop#317: an assertion of libuv ended the process."""

    async def main():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-S", "-c", "input(); print(1, flush=True); input()",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        process.stdin.write(b"go\n" + b"x" * 1_000_000)
        drained = asyncio.ensure_future(process.stdin.drain())
        assert await process.stdout.readline() == b"1\n"
        assert not drained.done()
        process.kill()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            await drained
        assert await process.wait() == -signal.SIGKILL
        process.stdin.close()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            await process.stdin.wait_closed()  # 3.11.2 reports it if nobody asks

    run(loop, main())
    assert_usable(loop)


def test_children_of_others_are_left_to_them(loop):
    """libuv#4179, uvloop#409, #582: their handler of SIGCHLD was gone, or their child."""
    seen = []
    before = signal.signal(signal.SIGCHLD, lambda *_: seen.append("signal"))

    async def main():
        theirs = subprocess.Popen([sys.executable, "-S", "-c", "raise SystemExit(7)"])
        ours = await asyncio.create_subprocess_exec(
            sys.executable, "-S", "-c", "raise SystemExit(5)"
        )
        assert await ours.wait() == 5
        return await loop.run_in_executor(None, theirs.wait)

    try:
        assert run(loop, main()) == 7
        assert seen
        assert signal.getsignal(signal.SIGCHLD) is not before
    finally:
        signal.signal(signal.SIGCHLD, before)


PROCESS_1 = """
import asyncio, ctypes, os, sys
if ctypes.CDLL(None).unshare(0x20000000):  # CLONE_NEWPID
    print("not allowed")
    sys.exit()
pid = os.fork()
if pid:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
assert os.getpid() == 1
loop = make_loop()

async def main():
    process = await asyncio.create_subprocess_shell(
        "(while kill -0 $$; do :; done 2>/dev/null; exit 4) & echo $!; exit 3",
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode, os.waitstatus_to_exitcode(os.waitpid(int(out), 0)[1])

print(*loop.run_until_complete(main()), flush=True)
loop.close()
os._exit(0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a namespace of process numbers")
def test_p6_process_number_1_reaps_its_own_children_only(loop_kind):
    """The orphan that a child leaves becomes ours, as in a container, but nobody asked for it."""
    said = child_output(PROCESS_1, kind=loop_kind)
    if said == "not allowed\n":
        pytest.skip("only root may make one")
    assert said.split() == ["3", "4"]
