# SPDX-License-Identifier: MIT
"""After a run no signal may be written to a number that the loop is about to close."""

import signal
import socket

import pytest


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
