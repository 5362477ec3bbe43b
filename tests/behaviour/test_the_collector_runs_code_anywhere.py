# SPDX-License-Identifier: MIT
"""U6: up to 3.11 an allocation may run the collector, and with it anybody's code."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import socket

import pytest

from tests.datagrams import Datagrams, close_all, endpoint
from tests.tools import PY, assert_usable, connected, run, run_until, settle, socket_pair

pytestmark = [
    pytest.mark.skipif(
        PY >= (3, 12),
        reason="from 3.12 on the collector waits for the interpreter to be between two bytecodes, "
        "so C code cannot be interrupted by it (What's New in Python 3.12)",
    ),
    pytest.mark.hotloop_only("our C code is what is interrupted; asyncio's transports are Python"),
]


@contextlib.contextmanager
def collecting(act):
    """Call `act` at every allocation of a container."""

    kept = []  # dicts, which would be used again without an allocation

    def called(phase, info):
        kept.append(info)
        if phase == "start" and gc.get_threshold()[0] == 1:
            gc.set_threshold(0)
            try:
                act()
            finally:
                gc.set_threshold(1, 1, 1)

    before = gc.get_threshold()
    gc.callbacks.append(called)
    gc.collect()
    gc.set_threshold(1, 1, 1)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(called)


def at_the(number, act):
    """`act`, the number-th time."""
    left = number

    def counted():
        nonlocal left
        left -= 1
        if left == 0:
            act()

    return counted


def test_a_write_does_not_touch_what_was_read(loop):
    async def main():
        near, far = socket.socketpair()
        near.setblocking(False)
        with far:
            reader, writer = await asyncio.open_connection(sock=near)
            vars(reader)  # its attributes are looked up from now on

            def write():
                with contextlib.suppress(RuntimeError):
                    transport.writelines([b"aaaa", b"bbbb"])
                    transport.get_write_buffer_size()
                    transport.close()

            for number in range(1, 12):
                left, right = socket.socketpair()
                left.setblocking(False)
                with right:
                    transport, _ = await loop.create_connection(asyncio.Protocol, sock=left)
                    with collecting(at_the(number, write)):
                        far.send(b"0123456789")
                        found = await reader.readexactly(10)
                    transport.abort()
                assert found == b"0123456789"
            writer.close()

    run(loop, main())


def test_s7_a_server_is_closed_while_it_accepts(loop):
    for number in range(1, 40):
        server = run(loop, loop.create_server(asyncio.Protocol, "127.0.0.1", 0))
        with socket.create_connection(server.sockets[0].getsockname()):
            with collecting(at_the(number, server.close)):
                settle(loop)
            server.close()
        settle(loop)
    assert_usable(loop)


def test_an_endpoint_is_aborted_while_it_keeps_what_came(loop):
    class Pausing(Datagrams):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            self.transport.pause_reading()

    with contextlib.ExitStack() as stack:
        senders = [
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            for _ in range(10)
        ]
        for number in range(1, 40, 3):
            transport, protocol = endpoint(loop, Pausing(), local_addr=("127.0.0.1", 0))
            for sender in senders:
                sender.sendto(b"x", transport.get_extra_info("sockname"))
            with collecting(at_the(number, transport.abort)):
                settle(loop)
            if not protocol.lost:
                close_all(loop, transport)
    assert_usable(loop)


def test_a_protocol_is_replaced_while_its_error_is_reported(loop, reports):
    class Raising(asyncio.Protocol):
        lost = False

        def connection_lost(self, _exc):
            raise ZeroDivisionError

    for number in range(1, 20):
        left, right = socket_pair("unix")
        left.setblocking(False)
        with right:
            transport, _ = run(loop, loop.create_connection(Raising, sock=left))
            del _
            change = functools.partial(lambda of: of.set_protocol(asyncio.Protocol()), transport)
            with collecting(at_the(number, change)):
                right.close()
                settle(loop)
        transport.abort()
        settle(loop)
    assert all(isinstance(report["protocol"], asyncio.Protocol) for report in reports)


def test_an_attribute_is_set_while_the_first_write_makes_its_dict(loop):
    marked = []

    def mark(transport):
        transport.mark = 17
        marked.append(transport)

    for number in range(1, 6):
        with connected(loop, "unix") as (transport, _, far):
            with collecting(at_the(number, functools.partial(mark, transport))):
                transport.write(b"x")
            run_until(loop, lambda: far.recv(1) == b"x")
    assert marked and all(transport.mark == 17 for transport in marked)


def test_a_handle_is_cancelled_while_its_arguments_are_shown(loop):
    for number in range(1, 8):
        handle = loop.call_later(1000, print, 1, 2)
        kept = [tuple(range(3)) for _ in range(3000)]  # so that no tuple is at hand
        with collecting(at_the(number, handle.cancel)):
            shown = handle._args
        assert "NULL" not in repr(shown) and len(shown or ()) in (0, 2)
        del kept


def test_a_callback_is_removed_while_callbacks_are_shown(loop):
    for number in range(1, 8):
        future = loop.create_future()
        future.add_done_callback(lambda _: None)
        clear = functools.partial(remove_all, future)
        kept = [tuple(range(2)) for _ in range(3000)]
        with collecting(at_the(number, clear)):
            shown = future._callbacks
        repr(shown)
        del kept


def remove_all(future):
    for callback, _ in future._callbacks or ():
        future.remove_done_callback(callback)


def test_a_result_is_set_while_a_callback_is_added(loop):
    for number in range(1, 8):
        future = loop.create_future()
        seen = []
        future.add_done_callback(lambda _, seen=seen: seen.append("first"))
        kept = [tuple(range(2)) for _ in range(3000)]
        with collecting(at_the(number, functools.partial(set_result, future))):
            future.add_done_callback(lambda _, seen=seen: seen.append("second"))
        set_result(future)
        settle(loop)
        assert seen == ["first", "second"]
        del kept


def set_result(future):
    if not future.done():
        future.set_result(None)
