# SPDX-License-Identifier: MIT
"""Forking in and around a running loop (T6, P5; io C.15 and F 22)."""

import asyncio
import os
import signal
import socket

import pytest

from tests.c.build import preloaded
from tests.c.marks import PRELOADS
from tests.tools import PY, assert_usable, child_output, run, run_until


def in_child(function) -> int:
    """Run `function` in a forked child; its exit code, 99 when it raised or took 20 seconds."""
    pid = os.fork()
    if not pid:
        code = 99
        try:
            signal.alarm(20)
            code = function()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def test_p5_no_loop_runs_in_the_child(loop):
    def child():
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return 0
        return 1

    async def main():
        return in_child(child)

    assert run(loop, main()) == 0
    assert_usable(loop)


def test_p5_a_new_loop_works_in_the_child(loop, new_loop):
    async def work():
        await asyncio.sleep(0.001)
        return 42

    def child():
        mine = new_loop()
        answer = mine.run_until_complete(work())
        mine.close()
        return 0 if answer == 42 else 1

    async def main():
        await asyncio.sleep(0)
        code = in_child(child)
        await asyncio.sleep(0.001)
        return code

    assert run(loop, main()) == 0
    assert_usable(loop)


def watch_beside(loop, act):
    """A descriptor that the loop watches, and a child that calls `act`: the parent hears all."""
    near, far = socket.socketpair()
    seen = []
    with near, far:
        loop.add_reader(near, lambda: seen.append(near.recv(1)))
        run(loop, asyncio.sleep(0))
        assert in_child(lambda: act(near, far) or 0) == 0
        far.send(b"x")
        run_until(loop, lambda: seen)
        loop.remove_reader(near)


def test_p5_closing_the_parents_loop_in_the_child_leaves_the_parents_alone(loop):
    def child(near, far):
        loop.close()

    watch_beside(loop, child)
    assert_usable(loop)


def test_p5_descriptors_removed_in_the_child_are_still_watched_in_the_parent(loop):
    def child(near, far):
        near.close()
        far.close()

    watch_beside(loop, child)


def test_t6_connections_survive_a_child_that_exits(loop):
    async def main():
        near, far = socket.socketpair()
        near.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=near)
        assert in_child(lambda: 0) == 0
        far.send(b"line\n")
        assert await reader.readline() == b"line\n"
        writer.write(b"out")
        await writer.drain()
        await asyncio.sleep(0)  # hotloop sends when the step ends
        assert far.recv(10) == b"out"
        writer.close()
        await writer.wait_closed()
        far.close()

    run(loop, main())


def test_multiprocessing_with_fork_runs_a_loop_in_the_child(loop_kind):
    source = """
    import asyncio, multiprocessing, sys, warnings
    warnings.simplefilter("ignore")

    async def work():
        await asyncio.sleep(0.01)
        return 42

    def child(queue):
        loop = make_loop()
        queue.put(loop.run_until_complete(work()))
        loop.close()

    loop = make_loop()

    async def main():
        await asyncio.sleep(0)
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        process = context.Process(target=child, args=(queue,))
        process.start()
        answer = await asyncio.to_thread(queue.get)
        await asyncio.to_thread(process.join)
        return answer, process.exitcode

    print(loop.run_until_complete(main()))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    """
    assert child_output(source, kind=loop_kind).strip() == "(42, 0)"


def test_signals_of_the_child_do_not_reach_the_parents_loop(loop):
    seen = []
    loop.add_signal_handler(signal.SIGUSR1, seen.append, 1)

    def child():
        os.kill(os.getpid(), signal.SIGUSR1)
        return 0

    async def main():
        code = in_child(child)
        await asyncio.sleep(0.005)
        return code

    try:
        code = run(loop, main())
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
    if PY >= (3, 12):
        assert code == 0 and seen == []


REFUSED = """
import asyncio, ctypes, errno, os, socket, sys
faults = ctypes.CDLL(None)
idle = make_loop()
loop = make_loop()
near, far = socket.socketpair()
loop.add_reader(far, int)
loop.call_later(60, int)
loop.run_until_complete(asyncio.sleep(0.001))
told = []
sys.unraisablehook = lambda unraisable: told.append(unraisable.exc_value)
for name in b"socketpair", b"epoll_create1", b"timerfd_create", b"eventfd":
    faults.fault_arm(name, 1, errno.EMFILE)
    pid = os.fork()
    hits = faults.fault_hits()
    faults.fault_disarm()
    if not pid:
        errors = [error.errno for error in told]
        os._exit(0 if errors == [errno.EMFILE] * hits else 1)
    assert os.waitpid(pid, 0)[1] == 0, name
    loop.run_until_complete(asyncio.sleep(0.001))
assert not told, told
print("done")
"""


@pytest.mark.hotloop_only(reason="asyncio's loops have nothing to renew")
@PRELOADS
def test_p5_a_child_that_cannot_renew_a_loop_is_told_and_the_parent_goes_on():
    assert child_output(REFUSED, kind="hotloop", env=preloaded("faults.c")) == "done\n"
