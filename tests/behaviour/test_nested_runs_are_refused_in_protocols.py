# SPDX-License-Identifier: MIT
"""S8, A10: what a protocol's callback, a task or a handler may not do: run its loop again."""

import asyncio
import socket

import pytest

from tests.tools import PY, Recorder, assert_usable, connected, run, run_until

CALLS = {
    "run_forever": lambda loop: loop.run_forever(),
    "run_until_complete": lambda loop: loop.run_until_complete(loop.create_future()),
    "close": lambda loop: loop.close(),
    "asyncio.run": lambda loop: _asyncio_run(),
}


def _asyncio_run():
    coroutine = asyncio.sleep(0)
    try:
        asyncio.run(coroutine)
    finally:
        coroutine.close()


def tried(loop, name, seen):
    try:
        CALLS[name](loop)
    except RuntimeError as error:
        seen.append(str(error))


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize("where", ["data_received", "eof_received", "connection_lost"])
def test_s8_in_a_protocol(loop, stream_kind, name, where):
    seen = []
    protocol = Recorder()
    original = getattr(protocol, where)

    def method(*args):
        tried(loop, name, seen)
        return original(*args)

    setattr(protocol, where, method)
    with connected(loop, stream_kind, protocol) as (_, _, peer):
        peer.send(b"x")
        peer.shutdown(socket.SHUT_WR)
        run_until(loop, lambda: protocol.lost)
    assert len(seen) == 1 and "running" in seen[0]
    assert_usable(loop)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_s8_in_a_task_and_in_the_exception_handler(loop, loop_kind, name):
    if loop_kind == "asyncio" and name == "run_forever" and PY == (3, 13):
        pytest.skip("asyncio of 3.13.0 takes a refused run for one that ended")
    seen = []
    loop.set_exception_handler(lambda loop, context: tried(loop, name, seen))

    async def main():
        tried(loop, name, seen)
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(0.001)

    run(loop, main())
    assert len(seen) == 2 and all("running" in message for message in seen)
    assert_usable(loop)
