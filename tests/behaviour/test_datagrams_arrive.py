# SPDX-License-Identifier: MIT
"""Datagrams arrive whole, in order, one call each, with the address that recvfrom() gives."""

from __future__ import annotations

import asyncio
import contextvars
import socket

import pytest

from tests.c.build import preloaded
from tests.c.marks import PRELOADS
from tests.datagrams import Datagrams, close_all, endpoint, pair
from tests.tools import LIMIT, PY, child_output, run, run_until, settle, turns

MANY = 200  # more than one batch, less than a socket's buffer
variable = contextvars.ContextVar("variable", default="unset")


def burst(loop, sock, address, count):
    """Send `count` numbered datagrams from a plain socket while the loop is not running."""
    for number in range(count):
        sock.sendto(b"%d" % number, address)


@pytest.fixture
def sender():
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(LIMIT)
        yield sock


def test_a_burst_in_order(loop, sender):
    transport, protocol = endpoint(loop, local_addr=("127.0.0.1", 0))
    burst(loop, sender, transport.get_extra_info("sockname"), MANY)
    run_until(loop, lambda: len(protocol.data) == MANY)
    assert protocol.data == [(b"%d" % n, sender.getsockname()) for n in range(MANY)]
    close_all(loop, transport)


def test_a_burst_goes_out_in_order(loop, sender):
    transport, _ = endpoint(loop, local_addr=("127.0.0.1", 0))

    async def main():
        for number in range(MANY):
            transport.sendto(b"%d" % number, sender.getsockname())

    run(loop, main())
    settle(loop)
    assert [sender.recv(100) for _ in range(MANY)] == [b"%d" % n for n in range(MANY)]
    close_all(loop, transport)


CALLS = """
import ctypes, socket, sys
from tests.datagrams import close_all, endpoint
from tests.tools import run, run_until

faults = ctypes.CDLL(None)
loop = make_loop()
transport, protocol = endpoint(loop, local_addr=("127.0.0.1", 0))
name = transport.get_extra_info("sockname")
many = int(sys.argv[1])

async def burst():
    for number in range(many):
        transport.sendto(b"x", name)

def calls(function, work):
    faults.fault_arm(function, 0, 0)  # counts, and never strikes
    work()
    print(function.decode(), faults.fault_calls())
    faults.fault_disarm()

transport.pause_reading()
calls(b"sendmmsg", lambda: run(loop, burst()))
transport.resume_reading()
calls(b"recvmmsg", lambda: run_until(loop, lambda: len(protocol.data) == many))
close_all(loop, transport)
loop.close()
"""


@pytest.mark.hotloop_only(reason="asyncio makes a call for each datagram")
@PRELOADS
def test_a_burst_is_few_system_calls(loop_kind):
    """64 in one call on the way out, 32 on the way in."""
    said = child_output(CALLS, str(MANY), kind=loop_kind, env=preloaded("faults.c"))
    assert said.splitlines() == [f"sendmmsg {-(-MANY // 64)}", f"recvmmsg {-(-MANY // 32)}"]


def test_sent_at_once_when_the_loop_does_not_run(loop, sender):
    transport, _ = endpoint(loop, local_addr=("127.0.0.1", 0))
    transport.sendto(b"now", sender.getsockname())
    assert sender.recv(100) == b"now"
    close_all(loop, transport)


def test_empty_ones(loop, sender):
    transport, protocol = endpoint(loop, local_addr=("127.0.0.1", 0))
    sender.sendto(b"", transport.get_extra_info("sockname"))
    run_until(loop, lambda: protocol.data)
    assert protocol.data == [(b"", sender.getsockname())]
    transport.sendto(b"", sender.getsockname())
    transport.sendto(b"end", sender.getsockname())
    settle(loop)
    assert sender.recv(100) == (b"" if PY >= (3, 13) else b"end")
    close_all(loop, transport)


@pytest.mark.parametrize("size", [1, 511, 4096, 65507])
def test_large_ones(loop, size):
    near, ours, far, theirs = pair(loop)
    near.sendto(b"x" * size)
    run_until(loop, lambda: theirs.data)
    assert theirs.data[0][0] == b"x" * size
    far.sendto(bytearray(b"y" * size), near.get_extra_info("sockname"))
    run_until(loop, lambda: ours.data)
    assert ours.data[0][0] == b"y" * size
    close_all(loop, near, far)


def test_a_large_unix_one(loop, tmp_path):
    path = str(tmp_path / "s")
    far, theirs = endpoint(loop, local_addr=path, family=socket.AF_UNIX)
    near, _ = endpoint(loop, remote_addr=path, family=socket.AF_UNIX)
    near.sendto(b"u" * 150_000)
    near.sendto(b"small")
    run_until(loop, lambda: len(theirs.data) == 2)
    assert [len(data) for data, _ in theirs.data] == [150_000, 5]
    close_all(loop, near, far)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, type("Own", (bytes,), {})])
def test_what_is_sent_may_be_any_of_these(loop, kind):
    near, _, far, theirs = pair(loop)

    async def main():
        data = kind(b"before")
        near.sendto(data)
        if kind is bytearray:
            data[:] = b"after!"  # too late

    run(loop, main())
    run_until(loop, lambda: theirs.data)
    assert theirs.data[0][0] == b"before"
    assert type(theirs.data[0][0]) is bytes
    close_all(loop, near, far)


def test_many_peers_keep_their_addresses(loop):
    transport, protocol = endpoint(loop, local_addr=("127.0.0.1", 0))
    name = transport.get_extra_info("sockname")
    peers = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(20)]
    try:
        for turn in range(3):
            for number, peer in enumerate(peers):
                peer.sendto(b"%d %d" % (turn, number), name)
            run_until(loop, lambda turn=turn: len(protocol.data) == 20 * (turn + 1))
        expected = [
            (b"%d %d" % (turn, number), ("127.0.0.1", peer.getsockname()[1]))
            for turn in range(3)
            for number, peer in enumerate(peers)
        ]
        assert protocol.data == expected
        for data, address in protocol.data:
            transport.sendto(data, address)
        settle(loop)
        for number, peer in enumerate(peers):
            peer.settimeout(LIMIT)
            assert [peer.recv(100) for _ in range(3)] == [b"%d %d" % (t, number) for t in range(3)]
    finally:
        for peer in peers:
            peer.close()
    close_all(loop, transport)


def test_an_address_in_other_words(loop, sender):
    transport, _ = endpoint(loop, local_addr=("127.0.0.1", 0))
    port = sender.getsockname()[1]
    for host in ("127.0.0.1", b"127.0.0.1", bytearray(b"127.0.0.1"), "localhost"):
        for _ in range(2):
            transport.sendto(b"x", (host, port))
            settle(loop)
            assert sender.recv(10) == b"x"
    close_all(loop, transport)


def test_paused_reading_delivers_nothing(loop, sender):
    class Pausing(Datagrams):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            if len(self.data) % 3 == 0:
                self.transport.pause_reading()

    transport, protocol = endpoint(loop, Pausing(), local_addr=("127.0.0.1", 0))
    burst(loop, sender, transport.get_extra_info("sockname"), 10)
    for seen in (3, 6, 9):
        run_until(loop, lambda seen=seen: len(protocol.data) == seen)
        assert not transport.is_reading()
        turns(loop, 5)
        assert len(protocol.data) == seen
        transport.pause_reading()  # does nothing
        transport.resume_reading()
        assert transport.is_reading()
    run_until(loop, lambda: len(protocol.data) == 10)
    assert [data for data, _ in protocol.data] == [b"%d" % n for n in range(10)]
    close_all(loop, transport)
    transport.pause_reading()
    transport.resume_reading()
    assert not transport.is_reading()


@pytest.mark.parametrize("method", ["close", "abort"])
def test_nothing_comes_after_the_end(loop, sender, method):
    class Ending(Datagrams):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            getattr(self.transport, method)()

    transport, protocol = endpoint(loop, Ending(), local_addr=("127.0.0.1", 0))
    burst(loop, sender, transport.get_extra_info("sockname"), 5)
    run_until(loop, lambda: protocol.lost)
    assert protocol.events == ["made", ("data", b"0"), ("lost", None)]
    assert transport.is_closing()


def test_paused_then_closed_drops_what_was_kept(loop, sender):
    class Pausing(Datagrams):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            self.transport.pause_reading()

    transport, protocol = endpoint(loop, Pausing(), local_addr=("127.0.0.1", 0))
    burst(loop, sender, transport.get_extra_info("sockname"), 5)
    run_until(loop, lambda: protocol.data)
    transport.resume_reading()
    close_all(loop, transport)
    assert protocol.events[:2] == ["made", ("data", b"0")]
    assert protocol.events[-1] == ("lost", None)
    assert len(protocol.data) <= 2


def test_another_protocol_takes_over(loop, sender):
    second = Datagrams()

    class First(Datagrams):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            self.transport.set_protocol(second)

    transport, first = endpoint(loop, First(), local_addr=("127.0.0.1", 0))
    burst(loop, sender, transport.get_extra_info("sockname"), 3)
    run_until(loop, lambda: len(second.data) == 2)
    assert first.events == ["made", ("data", b"0")]
    assert transport.get_protocol() is second
    close_all(loop, transport)
    assert second.lost
    assert not first.lost


def test_a_method_that_is_replaced_is_called(loop, sender):
    transport, protocol = endpoint(loop, local_addr=("127.0.0.1", 0))
    seen = []
    protocol.datagram_received = lambda data, addr: seen.append(data)
    burst(loop, sender, transport.get_extra_info("sockname"), 1)
    run_until(loop, lambda: seen)
    close_all(loop, transport)


def test_a_method_that_is_replaced_within_a_batch_is_called(loop, sender):
    class Greeted(Datagrams):
        def datagram_received(self, data, addr):
            self.data.append(("hello", data))
            self.datagram_received = lambda data, addr: self.data.append(("body", data))

    transport, protocol = endpoint(loop, Greeted(), local_addr=("127.0.0.1", 0))
    burst(loop, sender, transport.get_extra_info("sockname"), 3)
    run_until(loop, lambda: len(protocol.data) == 3)
    assert protocol.data == [("hello", b"0"), ("body", b"1"), ("body", b"2")]
    close_all(loop, transport)


def test_all_calls_share_a_context(loop, sender):
    class Counting(Datagrams):
        def connection_made(self, transport):
            super().connection_made(transport)
            self.seen = [variable.get()]

        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            self.seen.append(variable.get())

    async def main():
        variable.set("opener's")
        return await loop.create_datagram_endpoint(Counting, local_addr=("127.0.0.1", 0))

    transport, protocol = run(loop, main())
    burst(loop, sender, transport.get_extra_info("sockname"), 2)
    run_until(loop, lambda: len(protocol.data) == 2)
    assert protocol.seen == ["opener's"] * 3
    assert variable.get() == "unset"
    close_all(loop, transport)


def test_a_flood_does_not_stop_the_others(loop):
    """An endpoint that sends to itself for ever leaves the loop to timers and tasks."""

    class Endless(Datagrams):
        def datagram_received(self, data, addr):
            self.data.append(data)
            self.transport.sendto(data, addr)

    transport, protocol = endpoint(loop, Endless(), local_addr=("127.0.0.1", 0))
    for _ in range(50):
        transport.sendto(b"round", transport.get_extra_info("sockname"))
    run(loop, asyncio.sleep(0.02))
    for _ in range(5):
        turns(loop, 1)
    assert len(protocol.data) > 50
    transport.abort()
    settle(loop)


class Raw(socket.socket):
    """Its methods are called, for it might have changed them."""

    calls = 0

    def recvfrom(self, *args):
        type(self).calls += 1
        return super().recvfrom(*args)

    def sendto(self, *args):
        type(self).calls += 1
        return super().sendto(*args)


def test_a_socket_with_methods_of_its_own(loop, sender):
    Raw.calls = 0
    sock = Raw(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    transport, protocol = endpoint(loop, sock=sock)
    burst(loop, sender, transport.get_extra_info("sockname"), 3)
    run_until(loop, lambda: len(protocol.data) == 3)
    assert protocol.data == [(b"%d" % n, sender.getsockname()) for n in range(3)]
    transport.sendto(b"answer", sender.getsockname())
    settle(loop)
    assert sender.recv(100) == b"answer"
    assert Raw.calls >= 4
    transport.sendto(b"x" * 70_000, sender.getsockname())
    settle(loop)
    assert [error.errno for error in protocol.errors] == [90]
    close_all(loop, transport)
