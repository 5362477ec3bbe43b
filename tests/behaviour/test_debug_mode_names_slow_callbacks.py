# SPDX-License-Identifier: MIT
"""Debug mode logs callbacks and steps that take longer than slow_callback_duration."""

import socket
import time

import pytest

from tests.datagrams import Datagrams, close_all, endpoint
from tests.tools import Recorder, connected, run_until


def slow():
    time.sleep(0.02)


def test_a_slow_callback_is_named(loop, asyncio_log):
    loop.set_debug(True)
    loop.slow_callback_duration = 0.01
    loop.call_soon(slow)
    loop.call_soon(loop.stop)
    loop.run_forever()
    (message,) = [m for m in asyncio_log.messages if "slow()" in m]
    assert message.startswith("Executing <Handle slow() at") and message.endswith(" seconds")
    assert "test_debug_mode_names_slow_callbacks.py" in message
    assert float(message.split("took ")[1].split()[0]) >= 0.02


def test_a_slow_step_names_its_task(loop, asyncio_log):
    async def blocks():
        time.sleep(0.02)

    loop.set_debug(True)
    loop.slow_callback_duration = 0.01
    loop.run_until_complete(blocks())
    (message,) = [m for m in asyncio_log.messages if "blocks()" in m]
    assert message.startswith("Executing <Task ") and " took 0.0" in message


def test_a_slow_timer_is_named(loop, asyncio_log):
    loop.set_debug(True)
    loop.slow_callback_duration = 0.01
    loop.call_later(0.001, slow)
    loop.call_later(0.002, loop.stop)
    loop.run_forever()
    assert any("slow()" in message for message in asyncio_log.messages)


def test_quick_ones_are_not(loop):
    loop.set_debug(True)
    loop.slow_callback_duration = 5
    loop.call_soon(slow)
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_nothing_is_said_without_debug_mode(loop):
    loop.slow_callback_duration = 0.001
    loop.call_soon(slow)
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_the_default_and_the_setting(loop):
    assert loop.slow_callback_duration == pytest.approx(0.1)
    loop.slow_callback_duration = 0.5
    assert loop.slow_callback_duration == 0.5


@pytest.mark.parametrize("method", ["data_received", "eof_received"])
def test_a_slow_protocol_is_named(loop, asyncio_log, stream_kind, method):
    class Slow(Recorder):
        def data_received(self, data):
            super().data_received(data)
            if method == "data_received":
                slow()

        def eof_received(self):
            super().eof_received()
            slow()

    with connected(loop, stream_kind, Slow()) as (_, protocol, far):
        loop.set_debug(True)
        loop.slow_callback_duration = 0.01
        far.send(b"x")
        if method == "eof_received":
            far.shutdown(socket.SHUT_WR)
        run_until(loop, lambda: method[:3] in "".join(protocol.names))
        loop.slow_callback_duration = 5
        loop.set_debug(False)
    messages = [m for m in asyncio_log.messages if "Transport" in m]
    assert messages, asyncio_log.messages
    assert all(message.startswith("Executing <") for message in messages)
    # On a busy machine others are slow as well.
    assert max(float(message.split("took ")[1].split()[0]) for message in messages) >= 0.02


def test_a_slow_datagram_protocol_is_named(loop, asyncio_log):
    class Slow(Datagrams):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            slow()

    transport, protocol = endpoint(loop, Slow(), local_addr=("127.0.0.1", 0))
    loop.set_debug(True)
    loop.slow_callback_duration = 0.01
    transport.sendto(b"x", transport.get_extra_info("sockname"))
    run_until(loop, lambda: protocol.data)
    loop.set_debug(False)
    assert any("DatagramTransport" in m and "took 0.0" in m for m in asyncio_log.messages)
    close_all(loop, transport)
