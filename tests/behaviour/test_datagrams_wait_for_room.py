# SPDX-License-Identifier: MIT
"""When the kernel takes no more, datagrams wait in order, and the protocol is told of it."""

from __future__ import annotations

import asyncio
import socket
import time
from asyncio.selector_events import _SelectorDatagramTransport

import pytest

from tests.datagrams import Datagrams, close_all, endpoint
from tests.tools import LIMIT, PY, run_until, settle, turns

HEADER = 8 if PY >= (3, 13) else 0  # what asyncio adds to each datagram that waits
ASYNCIO_COUNTS = hasattr(_SelectorDatagramTransport, "_header_size")  # 3.13.0: not rightly
SIZE = 1000


class Full:
    """An endpoint connected to a unix socket that takes a few datagrams and then no more."""

    def __init__(self, loop, folder, *, connected=True):
        self.far = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.far.bind(str(folder / "far"))
        self.far.settimeout(LIMIT)
        self.address = None if connected else str(folder / "far")
        options = {"remote_addr": str(folder / "far")} if connected else {
            "local_addr": str(folder / "near")
        }  # fmt: skip
        self.transport, self.protocol = endpoint(loop, family=socket.AF_UNIX, **options)
        self.sent = 0
        while self.transport.get_write_buffer_size() == 0:
            self.send()

    def send(self):
        self.transport.sendto(b"%0*d" % (SIZE, self.sent), self.address)
        self.sent += 1

    def receive(self, count):
        return [int(self.far.recv(2 * SIZE)) for _ in range(count)]

    def waiting(self):
        return self.transport.get_write_buffer_size() // (SIZE + HEADER)


@pytest.fixture
def full(loop, tmp_path):
    if HEADER and isinstance(loop, asyncio.SelectorEventLoop) and not ASYNCIO_COUNTS:
        pytest.skip("this asyncio adds the header to what waits and never takes it off")
    made = Full(loop, tmp_path)
    yield made
    made.far.close()
    if not made.protocol.lost and not loop.is_closed():
        made.transport.abort()
        settle(loop)


def test_the_first_one_that_waits_counts(full):
    assert full.transport.get_write_buffer_size() == SIZE + HEADER
    full.send()
    assert full.waiting() == 2
    assert "write=<polling" in repr(full.transport)


def test_they_wait_in_order(loop, full):
    for _ in range(20):
        full.send()
    received = full.receive(full.sent - full.waiting())
    while len(received) < full.sent:
        before = full.waiting()
        run_until(loop, lambda before=before: full.waiting() < before)
        received += full.receive(full.sent - full.waiting() - len(received))
    assert received == list(range(full.sent))
    assert full.transport.get_write_buffer_size() == 0
    assert full.protocol.errors == []


def test_f11_the_protocol_is_paused_once_and_resumed_once(loop, full):
    full.transport.set_write_buffer_limits(high=10 * SIZE, low=3 * SIZE)
    assert full.transport.get_write_buffer_limits() == (3 * SIZE, 10 * SIZE)
    while full.waiting() < 15:
        full.send()
    assert full.protocol.events == ["made", "pause"]
    received = 0
    while "resume" not in full.protocol.events:
        received += len(full.receive(full.sent - full.waiting() - received))
        before = full.waiting()
        run_until(loop, lambda before=before: full.waiting() < before)
    assert full.transport.get_write_buffer_size() <= 3 * SIZE
    assert full.protocol.events == ["made", "pause", "resume"]


def test_limits_below_what_waits_pause_at_once(full):
    full.transport.set_write_buffer_limits(high=0)
    assert full.protocol.events == ["made", "pause"]


def test_close_sends_what_waits(loop, full):
    for _ in range(5):
        full.send()
    waiting = full.waiting()
    full.transport.close()
    turns(loop, 3)
    assert not full.protocol.lost
    full.receive(full.sent - waiting)
    run_until(loop, lambda: full.protocol.lost)
    assert full.receive(waiting) == list(range(full.sent - waiting, full.sent))
    assert full.protocol.events[-1] == ("lost", None)


def test_abort_does_not(loop, full):
    for _ in range(5):
        full.send()
    arrived = full.sent - full.waiting()
    full.transport.abort()
    settle(loop)
    assert full.protocol.events[-1] == ("lost", None)
    assert full.receive(arrived) == list(range(arrived))
    full.far.settimeout(0)
    with pytest.raises(BlockingIOError):
        full.far.recv(10)


def test_what_waits_was_copied(loop, full):
    data = bytearray(b"%0*d" % (SIZE, full.sent))
    full.transport.sendto(data)
    full.sent += 1
    data[:] = b"x" * SIZE
    count = full.sent
    received = full.receive(count - full.waiting())
    run_until(loop, lambda: full.waiting() == 0)
    assert received + full.receive(count - len(received)) == list(range(count))


def test_a_receiver_that_goes_away(loop, full):
    """What waits fails, one by one, and the endpoint goes on."""
    for _ in range(5):
        full.send()
    waiting = full.waiting()
    full.far.close()
    run_until(loop, lambda: full.waiting() == 0)
    kinds = {type(error) for error in full.protocol.errors}
    assert kinds <= {ConnectionRefusedError, ConnectionResetError, OSError}
    assert 1 <= len(full.protocol.errors) <= waiting
    assert not full.transport.is_closing()


@pytest.mark.hotloop_only("asyncio spins: an unconnected unix socket is always writable")
def test_waiting_for_a_full_receiver_does_not_spin(loop, tmp_path):
    full = Full(loop, tmp_path, connected=False)
    for _ in range(3):
        full.send()
    waiting = full.waiting()
    settle(loop)
    loop.call_later(0.2, loop.stop)
    start = time.process_time()
    loop.run_forever()
    assert time.process_time() - start < 0.15
    received = full.receive(full.sent - waiting)
    run_until(loop, lambda: full.waiting() == 0)
    assert received + full.receive(waiting) == list(range(full.sent))
    full.far.close()
    close_all(loop, full.transport)


def test_a_pause_writing_that_fails_is_reported(loop, full, reports):
    class Failing(Datagrams):
        def pause_writing(self):
            raise LookupError("no")

    full.transport.set_protocol(Failing())
    full.transport.set_write_buffer_limits(high=0)
    assert [report["message"] for report in reports] == ["protocol.pause_writing() failed"]
    assert not full.transport.is_closing()


@pytest.mark.hotloop_only("asyncio warns when the transport is collected")
def test_closing_the_loop_drops_what_waits(loop, full):
    arrived = full.sent - full.waiting()
    with pytest.warns(ResourceWarning, match="unclosed transport <DatagramTransport"):
        loop.close()
    assert full.transport.is_closing()
    assert full.protocol.events == ["made"]
    assert full.receive(arrived) == list(range(arrived))
    full.transport.abort()
    full.transport.sendto(b"ignored")
    assert full.transport.get_write_buffer_size() == 0


@pytest.mark.hotloop_only("asyncio calls resume_writing() of None: an AttributeError is logged")
def test_an_endpoint_that_is_aborted_is_not_resumed(loop, full):
    """error_received() aborts while the writer is paused: nothing is resumed any more."""

    class Aborting(Datagrams):
        def error_received(self, exc):
            super().error_received(exc)
            self.transport.abort()

    aborting = Aborting()
    aborting.transport = full.transport
    full.transport.set_protocol(aborting)
    full.transport.set_write_buffer_limits(high=0)
    full.far.close()
    run_until(loop, lambda: aborting.lost)
    assert aborting.events[0] == "pause" and "resume" not in aborting.events
