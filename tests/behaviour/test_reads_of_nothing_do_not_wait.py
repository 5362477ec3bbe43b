# SPDX-License-Identifier: MIT
"""A read that took all makes the next one wait at once: but not if it has nothing to do."""

import socket

import pytest

from tests.tools import run


@pytest.fixture
def drained(loop):
    """A socket from which an operation of the loop has just taken everything."""
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)

        async def waits_once():
            task = loop.create_task(loop.sock_recv(near, 100))
            loop.call_soon(far.send, b"all")
            assert await task == b"all"
            far.send(b"and more")
            assert await loop.sock_recv(near, 100) == b"and more"

        run(loop, waits_once())
        yield near


def test_no_bytes_asked_for(loop, drained):
    assert run(loop, loop.sock_recv(drained, 0)) == b""
    assert run(loop, loop.sock_recv_into(drained, bytearray())) == 0


def test_a_buffer_that_cannot_be_written(loop, drained):
    with pytest.raises(TypeError, match="read-write bytes-like object"):
        run(loop, loop.sock_recv_into(drained, b"constant"))


def test_the_end_is_seen(loop, drained):
    task = loop.create_task(loop.sock_recv(drained, 100))
    loop.call_soon(drained.shutdown, socket.SHUT_RD)
    assert run(loop, task) == b""
