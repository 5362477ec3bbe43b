# SPDX-License-Identifier: MIT
"""After a run no signal may be written to a number that the loop is about to close."""

import signal
import socket

import pytest

from tests.tools import run_until


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
