# SPDX-License-Identifier: MIT
"""add_signal_handler and its refusals; storms; the interplay with signal.signal (A28, P6, P7)."""

import asyncio
import ctypes
import functools
import operator
import os
import signal
import threading
import time

import pytest

import hotloop
from tests.tools import LIMIT, assert_usable, run_until, settle

USR1, USR2 = signal.SIGUSR1, signal.SIGUSR2


@pytest.fixture(autouse=True)
def handlers_are_back():
    before = {number: signal.getsignal(number) for number in (USR1, USR2, signal.SIGINT)}
    yield
    after = {number: signal.getsignal(number) for number in before}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert after == before
    assert signal.set_wakeup_fd(-1) == -1


def kill(number=USR1):
    os.kill(os.getpid(), number)


def test_a_handler_runs_in_the_loop_with_its_arguments(loop):
    seen = []
    loop.add_signal_handler(USR1, lambda *args: seen.append(args), 1, "two")
    kill()
    run_until(loop, lambda: seen)
    assert seen == [(1, "two")]
    assert loop.remove_signal_handler(USR1) is True
    assert loop.remove_signal_handler(USR1) is False


def test_it_wakes_a_sleeping_loop(loop):
    seen = []
    loop.add_signal_handler(USR1, lambda: (seen.append(1), loop.stop()))
    thread = threading.Thread(target=lambda: (time.sleep(0.02), kill()))
    thread.start()
    guard = loop.call_later(20, loop.stop)
    started = time.monotonic()
    loop.run_forever()
    thread.join()
    guard.cancel()
    assert seen == [1] and time.monotonic() - started < 10
    loop.remove_signal_handler(USR1)


def test_a_second_handler_replaces_the_first(loop):
    seen = []
    loop.add_signal_handler(USR1, seen.append, "old")
    loop.add_signal_handler(USR1, seen.append, "new")
    kill()
    run_until(loop, lambda: seen)
    assert seen == ["new"]
    loop.remove_signal_handler(USR1)


def test_several_signals(loop):
    seen = []
    loop.add_signal_handler(USR1, seen.append, 1)
    loop.add_signal_handler(USR2, seen.append, 2)
    kill(USR2)
    kill(USR1)
    run_until(loop, lambda: len(seen) == 2)
    assert sorted(seen) == [1, 2]
    loop.remove_signal_handler(USR1)
    loop.remove_signal_handler(USR2)


def test_sigint_becomes_a_callback_and_back_again(loop):
    seen = []
    loop.add_signal_handler(signal.SIGINT, seen.append, 1)
    kill(signal.SIGINT)
    run_until(loop, lambda: seen)
    loop.remove_signal_handler(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a28_signals_that_cannot_be_caught(loop, number):
    with pytest.raises(RuntimeError, match=f"sig {int(number)} cannot be caught"):
        loop.add_signal_handler(number, print)
    assert_usable(loop)


@pytest.mark.parametrize("number", [0, -1, 9999, 65])
def test_a28_numbers_that_are_no_signals(loop, number):
    with pytest.raises(ValueError):
        loop.add_signal_handler(number, print)
    assert_usable(loop)


@pytest.mark.parametrize("junk", ["SIGINT", None, 1.5])
def test_a28_what_is_no_number(loop, junk):
    with pytest.raises(TypeError):
        loop.add_signal_handler(junk, print)


def test_a28_coroutines(loop):
    async def handler():
        pass

    with pytest.raises(TypeError, match="coroutines cannot be used"):
        loop.add_signal_handler(USR1, handler)


def test_a28_from_another_thread(loop):
    caught = []

    def other():
        try:
            loop.add_signal_handler(USR1, print)
        except (RuntimeError, ValueError) as error:
            caught.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert len(caught) == 1
    assert_usable(loop)


def test_a28_p6_sigchld_is_accepted(loop):
    seen = []
    loop.add_signal_handler(signal.SIGCHLD, seen.append, 1)
    pid = os.fork()
    if not pid:
        os._exit(0)
    run_until(loop, lambda: seen)
    os.waitpid(pid, 0)
    loop.remove_signal_handler(signal.SIGCHLD)


def test_a_python_handler_of_the_user_still_runs(loop):
    """signal.signal's handlers run while the loop sleeps, with and without handlers of ours."""
    seen = []
    old = signal.signal(USR2, lambda *args: seen.append("python"))
    try:
        thread = threading.Thread(target=lambda: (time.sleep(0.02), kill(USR2)))
        thread.start()
        run_until(loop, lambda: seen)
        thread.join()
        loop.add_signal_handler(USR1, seen.append, "loop")
        kill(USR2)
        kill(USR1)
        run_until(loop, lambda: len(seen) == 3)
        assert sorted(seen) == ["loop", "python", "python"]
        loop.remove_signal_handler(USR1)
    finally:
        signal.signal(USR2, old)


def test_s9_a_python_handler_may_call_the_loop(loop):
    seen = []
    old = signal.signal(USR2, lambda *args: loop.call_soon_threadsafe(seen.append, 1))
    try:
        thread = threading.Thread(target=lambda: (time.sleep(0.02), kill(USR2)))
        thread.start()
        run_until(loop, lambda: seen)
        thread.join()
    finally:
        signal.signal(USR2, old)


def test_an_exception_of_a_python_handler_leaves_the_run(loop):
    class Mine(Exception):
        pass

    def handler(*args):
        raise Mine

    old = signal.signal(USR2, handler)
    guard = loop.call_later(20, loop.stop)
    try:
        thread = threading.Thread(target=lambda: (time.sleep(0.02), kill(USR2)))
        thread.start()
        with pytest.raises(Mine):
            loop.run_forever()
        thread.join()
    finally:
        signal.signal(USR2, old)
        guard.cancel()
    assert_usable(loop)


def storm(loop, burst):
    """Bursts of signals from another thread, each let go by a timer that they must not stop."""
    bursts = 20
    seen, ticks, sent = [], [], []
    go_on = threading.Semaphore(0)
    loop.add_signal_handler(USR1, seen.append, 1)

    def send():
        for number in range(bursts):
            assert go_on.acquire(timeout=LIMIT)
            for _ in range(burst):
                kill()
            sent.append(number)

    def tick():
        if len(sent) == bursts:
            loop.stop()
            return
        if len(ticks) == len(sent):
            ticks.append(loop.time())
            go_on.release()
        loop.call_later(0.001, tick)

    thread = threading.Thread(target=send)
    guard = loop.call_later(4 * LIMIT, loop.stop)
    loop.call_soon(tick)
    thread.start()
    loop.run_forever()
    guard.cancel()
    thread.join()
    run_until(loop, lambda: seen)
    settle(loop)
    loop.remove_signal_handler(USR1)
    assert len(ticks) == len(sent) == bursts


def test_p7_a_storm_is_survived_and_timers_go_on(loop):
    """As many at once as the pair of sockets holds in which asyncio notes signals (277 bytes)."""
    storm(loop, 100)


@pytest.mark.hotloop_only("asyncio complains of each signal that its pair of sockets cannot take")
def test_p7_a_storm_that_overruns_the_wakeup_descriptor(loop):
    storm(loop, 2000)


def test_handlers_are_listed(loop):
    loop.add_signal_handler(USR1, print)
    assert isinstance(loop._signal_handlers[USR1], asyncio.Handle)
    loop.remove_signal_handler(USR1)
    assert USR1 not in loop._signal_handlers


def test_close_removes_them(loop):
    before = signal.getsignal(USR1)
    loop.add_signal_handler(USR1, print)
    loop.close()
    assert signal.getsignal(USR1) == before


def test_a_handler_that_raises_is_reported(loop, reports):
    loop.add_signal_handler(USR1, lambda: 1 / 0)
    kill()
    run_until(loop, lambda: reports)
    assert isinstance(reports[0]["exception"], ZeroDivisionError)
    loop.remove_signal_handler(USR1)


def test_p12_a_wakeup_descriptor_of_somebody_else_is_put_back(loop):
    """Without signal handlers of ours nothing is touched after the run."""
    import socket

    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        signal.set_wakeup_fd(near.fileno())
        try:
            assert_usable(loop)
            assert signal.set_wakeup_fd(near.fileno()) == near.fileno()
        finally:
            signal.set_wakeup_fd(-1)


def test_a_handler_whose_handle_was_cancelled_is_removed(loop):
    seen = []
    loop.add_signal_handler(USR1, seen.append, 1)
    loop._signal_handlers[USR1].cancel()
    loop.call_soon(kill)
    run_until(loop, lambda: USR1 not in loop._signal_handlers)
    assert seen == []


def test_another_thread_may_count_as_the_main_one(loop, monkeypatch):
    """Embedders have such an idea of it; signal.set_wakeup_fd() refuses, and the loop runs."""
    answers = []

    def work():
        with monkeypatch.context() as patch:
            patch.setattr(threading, "_main_thread", threading.current_thread())
            answers.append(loop.run_until_complete(asyncio.sleep(0, "done")))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == ["done"]
    assert_usable(loop)


send_signal = getattr(ctypes.CDLL(None), "raise")  # without a look at what came, as Python does


def test_a_signal_in_the_last_turn_is_heard(loop):
    loop.call_soon(loop.stop)
    loop.call_soon(send_signal, int(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    assert_usable(loop)


def test_a_signal_just_before_the_run_is_heard(loop):
    """No bytecode lies between the signal and the call."""
    calls = [functools.partial(send_signal, int(signal.SIGINT)), loop.run_forever]
    guard = loop.call_later(LIMIT, loop.stop)
    with pytest.raises(KeyboardInterrupt):
        list(map(operator.call, calls))
    guard.cancel()
    assert_usable(loop)


class Odd(hotloop.Loop):
    """Whose table of handlers cannot be read once `broken` is set."""

    broken = None

    @property
    def _signal_handlers(self):
        if self.broken is not None:
            raise self.broken
        return self.__dict__["handlers"]

    @_signal_handlers.setter
    def _signal_handlers(self, handlers):
        self.__dict__["handlers"] = handlers


@pytest.fixture
def odd():
    loop = Odd()
    old = signal.signal(USR2, lambda *args: None)
    yield loop
    loop.broken = None
    signal.signal(USR2, old)
    loop.close()


@pytest.mark.hotloop_only(reason="asyncio reads its table in Python")
def test_a_table_of_handlers_that_cannot_be_read_is_reported(odd):
    reports = []
    odd.set_exception_handler(lambda _, context: reports.append(context))
    odd.broken = ValueError("no table")
    odd.call_soon(kill, USR2)
    run_until(odd, lambda: reports)
    assert reports[0]["message"] == "Signal handling failed"
    assert reports[0]["exception"] is odd.broken


@pytest.mark.hotloop_only(reason="asyncio reads its table in Python")
def test_what_an_exception_handler_raises_then_leaves_the_run(odd):
    def leave(*args):
        raise KeyboardInterrupt("leaving")

    odd.set_exception_handler(leave)
    odd.broken = ValueError("no table")
    odd.call_soon(kill, USR2)
    guard = odd.call_later(LIMIT, odd.stop)
    with pytest.raises(KeyboardInterrupt):
        odd.run_forever()
    guard.cancel()
    odd.set_exception_handler(None)


@pytest.mark.hotloop_only(reason="asyncio reads its table in Python")
def test_a_loop_without_a_table_leaves_signals_to_python(odd):
    seen = []
    signal.signal(USR2, lambda *args: seen.append(1))
    odd.broken = AttributeError("no table")
    odd.call_soon(kill, USR2)
    run_until(odd, lambda: seen)
    settle(odd)
    odd.broken = None
    odd._signal_handlers[USR2] = "no handle"
    odd.call_soon(kill, USR2)
    run_until(odd, lambda: len(seen) == 2)
    settle(odd)
    odd._signal_handlers.clear()
    assert_usable(odd)
