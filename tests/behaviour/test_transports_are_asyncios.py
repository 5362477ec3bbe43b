# SPDX-License-Identifier: MIT
"""Every transport is an instance of asyncio's class for its kind, with that class's methods."""

import asyncio

from tests.tools import connected


def methods(kind):
    return {name for name in dir(kind) if not name.startswith("_")}


def test_streams_read_and_write(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, _, _peer):
        assert isinstance(transport, asyncio.Transport)
        assert isinstance(transport, asyncio.ReadTransport)
        assert isinstance(transport, asyncio.WriteTransport)
        assert methods(asyncio.Transport) <= methods(type(transport))
