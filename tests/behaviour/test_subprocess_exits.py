# SPDX-License-Identifier: MIT
"""How a child ended is always known, once, in the loop that started it (P1, P2, P3)."""

import asyncio
import contextlib
import errno
import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.loops import open_descriptors
from tests.tools import LIMIT, PY, assert_usable, run, run_until, settle, steady

PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL


class Watcher(asyncio.SubprocessProtocol):
    def __init__(self):
        self.events = []
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport
        self.events.append("made")

    def pipe_data_received(self, fd, data):
        self.events.append(("data", fd, data))

    def pipe_connection_lost(self, fd, exc):
        self.events.append(("pipe lost", fd, exc))

    def process_exited(self):
        self.events.append("exited")

    def connection_lost(self, exc):
        self.events.append("lost")


async def shell(script, **options):
    return await asyncio.create_subprocess_shell(script, **options)


async def waiting_shell(script):
    """A shell that runs `script` as soon as `end_now` tells it to."""
    return await shell(f"read line; {script}", stdin=PIPE)


def end_now(process):
    """Let it run, and block until it has ended; the loop stands still meanwhile."""
    process.stdin.write(b"go\n")
    deadline = time.monotonic() + LIMIT
    while not has_ended(process.pid):
        assert time.monotonic() < deadline, "it runs on"
        time.sleep(0.001)


def has_ended(pid):
    """A zombie, or reaped already: by the thread that asyncio has for that on 3.11."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_p1_exit_codes(loop, code):
    async def main():
        process = await shell(f"exit {code}")
        assert await process.wait() == process.returncode == code
        assert await process.wait() == code
        return process.pid

    pid = run(loop, main())
    assert not os.path.exists(f"/proc/{pid}")


def test_p1_deaths_by_signal(loop):
    async def main():
        process = await shell("exec sleep 100")
        process.kill()
        assert await process.wait() == -signal.SIGKILL
        process = await shell("kill -TERM $$")
        assert await process.wait() == -signal.SIGTERM
        process = await shell("exec sleep 100")
        process.send_signal(signal.SIGUSR1)
        assert await process.wait() == -signal.SIGUSR1
        process = await shell("exec sleep 100")
        process.terminate()
        assert await process.wait() == -signal.SIGTERM

    run(loop, main())


def test_p1_a_child_that_ends_before_anybody_looks(loop):
    async def main():
        process = await waiting_shell("exit 4")
        end_now(process)
        assert process.returncode is None
        return await process.wait()

    assert run(loop, main()) == 4


def test_p1_many_at_once(loop):
    async def main():
        processes = await asyncio.gather(*(shell(f"exit {n}") for n in range(40)))
        codes = await asyncio.gather(*(process.wait() for process in processes))
        return processes, codes

    processes, codes = run(loop, main())
    assert codes == list(range(40))
    assert not any(os.path.exists(f"/proc/{process.pid}") for process in processes)


@pytest.fixture
def many_descriptors():
    """As many as a thousand children need, or as the machine allows; their number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = 4000 if hard == resource.RLIM_INFINITY else min(hard, 4000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (room, hard))
    yield room
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
def test_p1_a_thousand_at_once(loop, many_descriptors):
    """All live at the same time, and end at the same time. Small machines have room for fewer."""
    before = steady(loop)
    room = many_descriptors - len(before) - 50
    processes = []

    async def start():
        with contextlib.suppress(BlockingIOError):  # no more processes than that
            while len(processes) < min(1000, room // 3):
                processes.append(await asyncio.create_subprocess_exec("cat", stdin=PIPE))

    async def end():
        for process in processes:
            process.stdin.close()
        return await asyncio.gather(*(process.wait() for process in processes))

    run(loop, start(), 100)
    assert len(processes) >= 300
    assert not any(has_ended(process.pid) for process in processes)
    assert run(loop, end(), 100) == [0] * len(processes)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    run_until(loop, lambda: open_descriptors().keys() == before.keys())


def test_the_order_of_calls(loop):
    async def main():
        protocol = Watcher()
        transport, _ = await loop.subprocess_shell(lambda: protocol, "echo x; exit 2", stdin=None)
        assert transport is protocol.transport
        assert isinstance(transport, asyncio.SubprocessTransport)
        while "lost" not in protocol.events:
            await asyncio.sleep(0.001)
        assert transport.get_returncode() == 2
        transport.close()
        return protocol.events

    events = run(loop, main())
    assert events[0] == "made" and events[-1] == "lost"
    assert ("data", 1, b"x\n") in events
    assert events.index(("data", 1, b"x\n")) < events.index(("pipe lost", 1, None))
    assert ("pipe lost", 2, None) in events
    assert events.count("exited") == 1 and len(events) == 6


def test_the_transport_tells(loop):
    async def main():
        protocol = Watcher()
        transport, _ = await loop.subprocess_exec(lambda: protocol, "sleep", "100")
        popen = transport.get_extra_info("subprocess")
        assert isinstance(popen, subprocess.Popen) and popen.args == ("sleep", "100")
        assert transport.get_pid() == popen.pid and transport.get_returncode() is None
        assert isinstance(transport.get_pipe_transport(0), asyncio.WriteTransport)
        assert isinstance(transport.get_pipe_transport(1), asyncio.ReadTransport)
        assert transport.get_pipe_transport(3) is None
        assert transport.get_protocol() is protocol and not transport.is_closing()
        assert f"pid={popen.pid} running" in repr(transport)
        transport.close()
        transport.close()
        assert transport.is_closing()
        while "lost" not in protocol.events:
            await asyncio.sleep(0.001)
        assert transport.get_returncode() == popen.returncode == -signal.SIGKILL
        return protocol.events

    events = run(loop, main())
    assert {event[1] for event in events if event[0] == "pipe lost"} == {0, 1, 2}


@pytest.mark.hotloop_only("asyncio's thread of 3.11 may be faster")
def test_p2_reaped_by_somebody_else(loop, asyncio_log):
    async def main():
        process = await waiting_shell("exit 9")
        end_now(process)
        os.waitpid(process.pid, 0)
        return await process.wait()

    assert run(loop, main()) == 255
    (text,) = asyncio_log.messages
    assert text.endswith("will report returncode 255")


@pytest.mark.hotloop_only("asyncio cannot watch a child that has gone without a trace")
def test_p2_sigchld_is_ignored(loop, asyncio_log):
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:

        async def main():
            process = await shell("exit 9")
            return await process.wait()

        assert run(loop, main()) == 255
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert len(asyncio_log.messages) == 1


@pytest.mark.hotloop_only("asyncio reports 255 for a status that its own close() took")
def test_p2_popen_has_taken_the_status(loop):
    async def main():
        process = await waiting_shell("exit 9")
        end_now(process)
        assert process._transport.get_extra_info("subprocess").poll() == 9
        return await process.wait()

    assert run(loop, main()) == 9


def test_p3_signals_after_the_end_reach_nobody(loop):
    async def main():
        process = await shell("true")
        await process.wait()
        while process._transport.get_protocol() is not None:  # connection_lost() comes last
            await asyncio.sleep(0)
        for send in (process.kill, process.terminate, lambda: process.send_signal(0)):
            with pytest.raises(ProcessLookupError):
                send()

    run(loop, main())


@pytest.mark.hotloop_only("asyncio's kill() before 3.14 may hit a stranger of the same number")
def test_p3_no_signal_between_the_end_and_the_last_pipe(loop, monkeypatch):
    async def main():
        # A grandchild keeps the pipe open: the process is reaped, the transport lives on.
        process = await shell("sleep 100 & echo $!; exit 3", stdout=PIPE)
        grandchild = int(await process.stdout.readline())
        while process.returncode is None:
            await asyncio.sleep(0.001)
        with monkeypatch.context() as patched:
            for module, name in ((os, "kill"), (signal, "pidfd_send_signal")):
                patched.setattr(module, name, lambda *args: pytest.fail(f"signalled {args}"))
            process.kill()
            process.terminate()
        os.kill(grandchild, signal.SIGKILL)
        assert await process.stdout.read() == b""
        return await process.wait()

    assert run(loop, main()) == 3


def test_wrong_signals(loop):
    async def main():
        process = await shell("exec sleep 100")
        with pytest.raises(OSError) as caught:
            process.send_signal(1000)
        assert caught.value.errno == errno.EINVAL
        process.kill()
        await process.wait()

    run(loop, main())


def test_cancelled_while_it_starts(loop):
    async def main():
        task = asyncio.ensure_future(asyncio.create_subprocess_exec("sleep", "100", stdin=PIPE))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)

    run(loop, main())
    settle(loop)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_cancelled_wait_leaves_the_child(loop):
    async def main():
        process = await shell("exec sleep 100")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), 0.01)
        assert process.returncode is None
        process.kill()
        return await process.wait()

    assert run(loop, main()) == -signal.SIGKILL


@pytest.mark.hotloop_only("asyncio before 3.14 fails here")
def test_the_loop_is_closed_before_the_child_has_ended(new_loop):
    loop = new_loop()

    async def main():
        return await shell("exec sleep 100", stdin=PIPE, stdout=PIPE)

    process = run(loop, main())
    transport = process._transport
    popen = transport.get_extra_info("subprocess")
    loop.close()
    transport.close()
    assert popen.wait() == -signal.SIGKILL
    for stream in (popen.stdin, popen.stdout):
        assert stream.closed


@pytest.mark.hotloop_only("the thread of asyncio's default watcher keeps the transport")
def test_nobody_keeps_the_transport(loop):
    """A child whose transport is forgotten is killed, as asyncio promises, and reaped."""

    async def main():
        return (await shell("exec sleep 100")).pid

    with pytest.warns(ResourceWarning):
        pid = run(loop, main())
        loop.close()
        gc.collect()
    deadline = time.monotonic() + LIMIT
    while os.path.exists(f"/proc/{pid}"):
        subprocess._cleanup()  # where Popen.__del__ leaves what it could not wait for
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_two_loops_in_two_threads(new_loop):
    """uvloop#508: "Racing with another loop to spawn a process"."""
    results = []

    async def many():
        for number in range(10):
            process = await shell(f"exit {number}", stdout=PIPE)
            await process.communicate()
            results.append(process.returncode)

    threads = [
        threading.Thread(target=lambda loop: run(loop, many()), args=(new_loop(),))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)
    assert sorted(results) == sorted(list(range(10)) * 3)


def test_beside_the_subprocess_module(loop):
    async def main():
        process = await shell("exit 5")
        strangers = [subprocess.Popen(["sh", "-c", f"exit {n}"]) for n in range(5)]
        theirs = await asyncio.gather(*(asyncio.to_thread(s.wait) for s in strangers))
        return theirs, await process.wait()

    assert run(loop, main()) == (list(range(5)), 5)


def test_p6_the_users_sigchld_handler_is_served(loop):
    seen = []
    before = signal.signal(signal.SIGCHLD, lambda *_: seen.append("python"))
    try:

        async def main():
            return await (await shell("exit 6")).wait()

        assert run(loop, main()) == 6
        run_until(loop, lambda: seen)
        loop.add_signal_handler(signal.SIGCHLD, seen.append, "loop")
        assert run(loop, main()) == 6
        run_until(loop, lambda: "loop" in seen)
        loop.remove_signal_handler(signal.SIGCHLD)
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.hotloop_only("how asyncio waits is another question")
def test_no_thread_and_no_signal_handler(loop):
    threads, handler = threading.active_count(), signal.getsignal(signal.SIGCHLD)

    async def main():
        process = await shell("read line", stdin=PIPE)
        assert threading.active_count() == threads
        assert signal.getsignal(signal.SIGCHLD) == handler
        process.stdin.close()
        await process.wait()

    run(loop, main())


def no_pidfd(*_):
    raise OSError(errno.ENOSYS, "no such call")


@pytest.mark.hotloop_only("there is no pidfd to take away from asyncio")
@pytest.mark.parametrize("where", ["main thread", "other thread"])
def test_where_there_is_no_pidfd(new_loop, monkeypatch, where):
    monkeypatch.setattr(os, "pidfd_open", no_pidfd)
    seen = []
    before = signal.signal(signal.SIGCHLD, lambda *_: seen.append(1))
    mine = signal.getsignal(signal.SIGCHLD)
    loops = [new_loop(), new_loop()]
    results = []

    async def main():
        processes = [await shell(f"exit {n}", stdout=PIPE) for n in range(5)]
        results.append([await process.wait() for process in processes])
        process = await shell("exec sleep 100")
        process.kill()
        results.append(await process.wait())
        process = await waiting_shell("exit 3")
        end_now(process)
        results.append(await process.wait())

    try:
        for loop in loops:
            if where == "main thread":
                run(loop, main())
            else:
                thread = threading.Thread(target=run, args=(loop, main()))
                thread.start()
                thread.join(50)
        assert results == [list(range(5)), -signal.SIGKILL, 3] * 2
        assert seen, "the handler that was there before is called too"
        assert signal.getsignal(signal.SIGCHLD) is mine, "and is back"
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.hotloop_only("there is no pidfd to take away from asyncio")
def test_a_handler_over_ours_that_calls_ours(loop, monkeypatch):
    monkeypatch.setattr(os, "pidfd_open", no_pidfd)
    before = signal.getsignal(signal.SIGCHLD)
    calls = []

    async def main():
        first = await waiting_shell("exit 1")
        below = signal.getsignal(signal.SIGCHLD)

        def over(*args):
            calls.append(1)
            below(*args)

        signal.signal(signal.SIGCHLD, over)
        second = await waiting_shell("exit 2")
        for process in (first, second):
            process.stdin.write(b"go\n")
        return await asyncio.gather(first.wait(), second.wait())

    try:
        assert run(loop, main()) == [1, 2]
        assert 0 < len(calls) < 10
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.skipif(sys.version_info < (3, 11, 4), reason="Popen itself leaks (gh-87474)")
def test_out_of_descriptors_in_the_middle(loop):
    """E4: the error comes out, nothing is left, the loop goes on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    run(loop, asyncio.sleep(0))

    async def start():
        process = await shell("cat", stdin=PIPE, stdout=PIPE, stderr=PIPE)
        return await process.communicate(b"x")

    assert run(loop, start()) == (b"x", b"")
    outcomes = set()
    for spare in range(14):
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
        taken = []
        try:
            with pytest.raises(OSError):
                while True:
                    taken.append(os.open(os.devnull, os.O_RDONLY))
            for fd in taken[:spare]:
                os.close(fd)
            outcomes.add(run(loop, start()))
        except OSError as error:
            assert error.errno == errno.EMFILE
            outcomes.add("EMFILE")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for fd in taken[spare:]:
                os.close(fd)
        settle(loop)
    assert outcomes == {"EMFILE", (b"x", b"")}
    assert_usable(loop)


@pytest.mark.skipif(PY >= (3, 14), reason="3.14 has no child watchers")
class TestChildWatchers:
    @pytest.fixture(autouse=True)
    def _policy(self):
        before = asyncio.get_event_loop_policy()
        asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
        yield
        asyncio.set_event_loop_policy(before)

    @pytest.mark.filterwarnings("ignore:.*child_watcher.*:DeprecationWarning")
    @pytest.mark.filterwarnings("ignore:.*ChildWatcher.*:DeprecationWarning")
    @pytest.mark.parametrize(
        "name",
        [
            "ThreadedChildWatcher",
            "PidfdChildWatcher",
            "SafeChildWatcher",
            "FastChildWatcher",
            "MultiLoopChildWatcher",
        ],
    )
    def test_each_may_be_set(self, loop, loop_kind, name, monkeypatch):
        """And is asked, but for the two that do no more than a loop of ours itself."""
        needless = loop_kind == "hotloop" and name in ("ThreadedChildWatcher", "PidfdChildWatcher")
        asyncio.get_child_watcher()
        watcher = getattr(asyncio, name)()
        asked, add = [], watcher.add_child_handler
        monkeypatch.setattr(
            watcher, "add_child_handler", lambda *args: asked.append(args[0]) or add(*args)
        )
        asyncio.set_child_watcher(watcher)
        asyncio.set_event_loop(loop)
        watcher.attach_loop(loop)
        try:

            async def main():
                process = await shell("exit 6", stdout=PIPE)
                await process.communicate()
                assert asked == ([] if needless else [process.pid])
                return process.returncode

            assert run(loop, main()) == 6
            assert asyncio.get_child_watcher() is watcher
        finally:
            # Last: MultiLoopChildWatcher installs its handler of SIGCHLD again when the policy
            # tells it of a loop, or of none, after its close().
            asyncio.set_event_loop(None)
            watcher.close()

    @pytest.mark.filterwarnings("ignore:.*child_watcher.*:DeprecationWarning")
    @pytest.mark.filterwarnings("ignore:.*ChildWatcher.*:DeprecationWarning")
    def test_one_that_does_not_watch_starts_nothing(self, loop):
        watcher = asyncio.SafeChildWatcher()
        asyncio.set_child_watcher(watcher)
        with pytest.raises(RuntimeError, match="get_child_watcher\\(\\) is not activated"):
            run(loop, shell("true"))
        watcher.close()

    def test_none_is_asked_for_without_need(self, loop, recwarn):
        async def main():
            return await (await shell("exit 1")).wait()

        assert run(loop, main()) == 1
        assert not [w for w in recwarn if issubclass(w.category, DeprecationWarning)]
