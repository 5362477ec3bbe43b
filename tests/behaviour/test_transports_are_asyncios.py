# SPDX-License-Identifier: MIT
"""Every transport is an instance of asyncio's class for its kind, with that class's methods."""

import asyncio
import os

from tests.tools import Recorder, connected, run, settle


def methods(kind):
    return {name for name in dir(kind) if not name.startswith("_")}


def test_streams_read_and_write(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, _, _peer):
        assert isinstance(transport, asyncio.Transport)
        assert isinstance(transport, asyncio.ReadTransport)
        assert isinstance(transport, asyncio.WriteTransport)
        assert methods(asyncio.Transport) <= methods(type(transport))


def test_pipes_read_or_write(loop):
    near, far = os.pipe()
    reading = loop.connect_read_pipe(Recorder, open(near, "rb", buffering=0))
    writing = loop.connect_write_pipe(Recorder, open(far, "wb", buffering=0))
    (reader, _), (writer, _) = run(loop, reading), run(loop, writing)
    assert isinstance(reader, asyncio.ReadTransport)
    assert not isinstance(reader, asyncio.WriteTransport)
    assert isinstance(writer, asyncio.WriteTransport)
    assert isinstance(writer, asyncio.Transport)  # a strange thing, but asyncio's
    assert methods(asyncio.ReadTransport) <= methods(type(reader))
    assert methods(asyncio.WriteTransport) <= methods(type(writer))
    assert reader._extra.keys() == writer._extra.keys() == {"pipe"}
    writer.close()
    reader.close()
    settle(loop)
