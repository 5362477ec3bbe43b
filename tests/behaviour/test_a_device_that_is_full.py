# SPDX-License-Identifier: MIT
"""E11: the other end takes nothing for want of room; the protocol is told, and only once."""

import errno
import os

import pytest

from tests.tools import Recorder, assert_usable, run, run_until

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")


@pytest.mark.parametrize("size", [1, 100_000])
def test_e11_no_space_left(loop, size):
    protocol = Recorder()
    transport, _ = run(loop, loop.connect_write_pipe(protocol, open("/dev/full", "wb", 0)))
    for _ in range(3):
        loop.call_soon(transport.write, b"x" * size)
    run_until(loop, lambda: protocol.lost)
    assert protocol.names == ["made", "lost"]
    assert protocol.error.errno == errno.ENOSPC
    assert transport.get_write_buffer_size() == 0
    assert_usable(loop)
