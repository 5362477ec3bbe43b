# SPDX-License-Identifier: MIT
"""Debug mode logs callbacks and steps that take longer than slow_callback_duration."""

import time

import pytest


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
