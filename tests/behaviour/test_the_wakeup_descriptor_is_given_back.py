# SPDX-License-Identifier: MIT
"""When signal.set_wakeup_fd() is ours, and to whom it goes back.

After a run no signal may be written to a number that the loop is about to close.
"""

import os
import signal
import socket
import threading

import pytest

from tests.tools import LIMIT, assert_usable, run_until, settle, turns

USR1, USR2 = signal.SIGUSR1, signal.SIGUSR2


@pytest.fixture
def pair():
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        yield left
    signal.set_wakeup_fd(-1)


@pytest.mark.hotloop_only("asyncio takes the place only for add_signal_handler()")
def test_to_whom_it_was_taken_from(loop, pair):
    signal.set_wakeup_fd(pair.fileno())
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert signal.set_wakeup_fd(-1) == pair.fileno()


@pytest.mark.hotloop_only("asyncio takes the place only for add_signal_handler()")
def test_also_when_that_one_is_closed_by_now(loop, pair):
    signal.set_wakeup_fd(pair.fileno())
    loop.call_soon(pair.close)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.hotloop_only("with asyncio the signal is lost")
def test_a_handler_runs_though_somebody_took_the_place_in_mid_run(loop, pair):
    """The loop takes it again with the first signal, and tells the other one of the next."""
    seen = []

    def main():
        assert signal.set_wakeup_fd(pair.fileno()) != -1
        signal.raise_signal(signal.SIGUSR1)
        loop.call_soon(signal.raise_signal, signal.SIGUSR1)

    loop.add_signal_handler(signal.SIGUSR1, seen.append, 1)
    loop.call_soon(main)
    run_until(loop, lambda: len(seen) == 2)
    loop.remove_signal_handler(signal.SIGUSR1)
    assert signal.set_wakeup_fd(-1) == pair.fileno()


@pytest.mark.hotloop_only("asyncio leaves the place empty")
def test_p12_the_one_whose_place_we_took_hears_of_each_signal(loop):
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        signal.set_wakeup_fd(near.fileno())
        seen = []
        loop.add_signal_handler(signal.SIGUSR1, seen.append, 1)
        loop.call_soon(signal.raise_signal, signal.SIGUSR1)
        run_until(loop, lambda: seen)
        loop.remove_signal_handler(signal.SIGUSR1)
        assert signal.set_wakeup_fd(-1) == near.fileno()
        assert far.recv(10) == bytes([signal.SIGUSR1])


def wakeup():
    """The wake-up descriptor of now."""
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd)
    return fd


@pytest.fixture(autouse=True)
def nobody_has_the_place():
    yield
    assert signal.set_wakeup_fd(-1) == -1


def test_it_is_set_from_the_first_handler_to_the_last(loop):
    assert wakeup() == -1
    loop.add_signal_handler(USR1, int)
    ours = wakeup()
    assert ours != -1 and not os.get_blocking(ours)
    loop.add_signal_handler(USR2, int)
    turns(loop, 2)
    assert loop.remove_signal_handler(USR1)
    assert wakeup() == ours
    turns(loop)
    assert loop.remove_signal_handler(USR2)
    assert wakeup() == -1
    assert not loop.remove_signal_handler(USR2)


def test_handlers_that_come_and_go_in_a_run(loop):
    seen = []

    def main():
        loop.add_signal_handler(USR1, seen.append, 1)
        loop.add_signal_handler(USR2, seen.append, 2)
        loop.remove_signal_handler(USR1)

    loop.call_soon(main)
    turns(loop)
    assert wakeup() != -1
    signal.raise_signal(USR2)
    run_until(loop, lambda: seen)
    loop.call_soon(loop.remove_signal_handler, USR2)
    turns(loop, 2)
    assert wakeup() == -1 and seen == [2]


def test_close_gives_it_back(loop):
    loop.add_signal_handler(USR1, int)
    loop.add_signal_handler(USR2, int)
    loop.close()
    assert wakeup() == -1 and not loop._signal_handlers


@pytest.mark.parametrize("error", [ValueError, OSError])
def test_if_it_cannot_be_set(loop, monkeypatch, error):
    def fail(fd):
        raise error("not today")

    before = signal.getsignal(USR1)
    with monkeypatch.context() as patch:
        patch.setattr(signal, "set_wakeup_fd", fail)
        with pytest.raises(RuntimeError, match="not today"):
            loop.add_signal_handler(USR1, int)
    assert not loop._signal_handlers and signal.getsignal(USR1) == before
    assert_usable(loop)


def test_if_it_cannot_be_reset(loop, monkeypatch):
    def fail(fd):
        raise ValueError("not today")

    loop.add_signal_handler(USR1, int)
    with monkeypatch.context() as patch:
        patch.setattr(signal, "set_wakeup_fd", fail)
        assert loop.remove_signal_handler(USR1)
    loop.close()
    signal.set_wakeup_fd(-1)


def test_a_refused_signal_leaves_it_alone(loop):
    with pytest.raises(RuntimeError):
        loop.add_signal_handler(signal.SIGKILL, int)
    assert wakeup() == -1


def test_what_came_between_two_runs_runs_once(loop):
    seen = []
    loop.add_signal_handler(USR1, seen.append, 1)
    for count in range(1, 4):
        signal.raise_signal(USR1)
        run_until(loop, lambda wanted=count: len(seen) >= wanted)
        settle(loop)
        assert len(seen) == count
    loop.remove_signal_handler(USR1)


def test_a_loop_in_another_thread(loop):
    """The handler is added before the run, and another one during it."""
    seen = []
    loop.add_signal_handler(USR1, lambda: seen.append((1, threading.get_ident())))
    thread = threading.Thread(target=run_until, args=(loop, lambda: len(seen) == 3))
    thread.start()
    signal.raise_signal(USR1)
    while len(seen) < 1:
        thread.join(0.001)
    loop.add_signal_handler(USR2, lambda: seen.append((2, threading.get_ident())))
    signal.raise_signal(USR2)
    while len(seen) < 2:
        thread.join(0.001)
    signal.raise_signal(USR1)
    thread.join(LIMIT)
    assert seen == [(1, thread.ident), (2, thread.ident), (1, thread.ident)]
    loop.remove_signal_handler(USR1)
    loop.remove_signal_handler(USR2)


@pytest.mark.hotloop_only("asyncio leaves the place empty")
def test_without_a_run_it_goes_back_to_whom_it_was_taken_from(loop, pair):
    signal.set_wakeup_fd(pair.fileno())
    loop.add_signal_handler(USR1, int)
    assert wakeup() != pair.fileno()
    loop.remove_signal_handler(USR1)
    assert wakeup() == pair.fileno()
    loop.add_signal_handler(USR1, int)
    loop.close()
    assert wakeup() == pair.fileno()


@pytest.mark.hotloop_only("asyncio leaves the place empty")
def test_without_a_run_also_when_that_one_is_closed_by_now(loop, pair):
    signal.set_wakeup_fd(pair.fileno())
    loop.add_signal_handler(USR1, int)
    pair.close()
    loop.remove_signal_handler(USR1)
    assert wakeup() == -1


@pytest.mark.hotloop_only("asyncio takes it from whoever has it")
def test_who_took_the_place_between_two_runs_keeps_it(loop, pair):
    loop.add_signal_handler(USR1, int)
    signal.set_wakeup_fd(pair.fileno())
    loop.remove_signal_handler(USR1)
    assert wakeup() == pair.fileno()


@pytest.mark.hotloop_only("with asyncio only the last loop hears of it")
def test_two_loops_hear_of_their_signals(new_loop):
    idle, running = new_loop(), new_loop()
    seen = []
    idle.add_signal_handler(USR1, seen.append, "idle")
    mine = wakeup()
    running.add_signal_handler(USR2, seen.append, "running")

    def main():
        signal.raise_signal(USR1)
        signal.raise_signal(USR2)

    running.call_soon(main)
    run_until(running, lambda: seen)
    run_until(idle, lambda: len(seen) == 2)
    settle(idle)
    settle(running)
    assert seen == ["running", "idle"]
    running.remove_signal_handler(USR2)
    assert wakeup() == mine
    idle.remove_signal_handler(USR1)


@pytest.mark.hotloop_only("asyncio's idle loop takes the place at once")
def test_an_idle_loop_gets_a_handler_while_another_one_runs(new_loop, pair):
    idle, running = new_loop(), new_loop()
    seen = []
    signal.set_wakeup_fd(pair.fileno())
    old = signal.signal(USR2, lambda *args: seen.append("python"))

    def main():
        idle.add_signal_handler(USR1, seen.append, "idle")
        thread = threading.Thread(target=os.kill, args=(os.getpid(), USR2))
        running.call_later(0.02, thread.start)
        running.call_later(0.04, thread.join)

    try:
        running.call_soon(main)
        run_until(running, lambda: seen)  # it sleeps, and the signal wakes it
        assert wakeup() not in (-1, pair.fileno())
        signal.raise_signal(USR1)
        run_until(idle, lambda: len(seen) == 2)
        idle.remove_signal_handler(USR1)
        assert wakeup() == pair.fileno()
    finally:
        signal.signal(USR2, old)


@pytest.mark.hotloop_only("asyncio's idle loop takes the place at once")
def test_the_idle_loop_loses_it_again_while_another_one_runs(new_loop):
    idle, running = new_loop(), new_loop()

    def main():
        idle.add_signal_handler(USR1, int)
        idle.remove_signal_handler(USR1)

    running.call_soon(main)
    turns(running)
    assert wakeup() == -1


@pytest.mark.hotloop_only("asyncio takes the place only for add_signal_handler()")
def test_a_loop_is_closed_while_another_one_has_its_place(new_loop):
    idle, running = new_loop(), new_loop()
    idle.add_signal_handler(USR1, int)
    number = wakeup()
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        right.setblocking(False)

        def main():
            idle.close()
            os.dup2(left.fileno(), number)  # now another connection has that number
            signal.raise_signal(signal.SIGWINCH)

        old = signal.signal(signal.SIGWINCH, lambda *args: None)
        try:
            running.call_soon(main)
            settle(running)
            assert wakeup() == -1
            signal.raise_signal(signal.SIGWINCH)
            with pytest.raises(BlockingIOError):
                right.recv(1)
        finally:
            signal.signal(signal.SIGWINCH, old)
            os.close(number)


@pytest.mark.hotloop_only("asyncio has no such methods")
def test_what_may_be_wrong_with_set_wakeup_fd(loop, new_loop):
    for junk in (None, 1, "text"):
        with pytest.raises(TypeError):
            loop._hold_wakeup(junk)
    loop._release_wakeup(None)
    closes = new_loop()
    with pytest.raises(RuntimeError, match="closed"):
        closes._hold_wakeup(lambda fd: closes.close())
    with pytest.raises(RuntimeError, match="closed"):
        closes._hold_wakeup(signal.set_wakeup_fd)
    closes._release_wakeup(signal.set_wakeup_fd)
    another = new_loop()
    another._hold_wakeup(lambda fd: "no number")
    another._release_wakeup(lambda fd: another.close())
    too_large = new_loop()
    with pytest.raises(OverflowError):
        too_large._hold_wakeup(lambda fd: 1 << 100)
    assert_usable(loop)


@pytest.mark.hotloop_only("asyncio closes the descriptor that CPython writes to")
def test_closed_in_another_thread_it_stays_open(loop):
    loop.add_signal_handler(USR1, int)
    before = signal.getsignal(USR2)
    caught = []

    def close():
        with pytest.raises(RuntimeError) as error:
            loop.close()
        caught.append(str(error.value))

    thread = threading.Thread(target=close)
    thread.start()
    thread.join()
    assert caught and loop.is_closed()
    ours = wakeup()
    assert os.get_blocking(ours) is False, "still open"
    signal.set_wakeup_fd(-1)
    signal.signal(USR1, before)
    for fd in open_pair(ours):
        os.close(fd)


def open_pair(fd):
    """Both ends of the socket pair that nobody will close: the numbers follow each other."""
    other = next(n for n in (fd - 1, fd + 1) if is_unix_pair(n))
    return fd, other


def is_unix_pair(fd):
    try:
        sock = socket.socket(fileno=fd)
    except OSError:
        return False
    name = sock.getsockname()
    sock.detach()
    return sock.family == socket.AF_UNIX and not name
