# SPDX-License-Identifier: MIT
"""Methods of Loop: pipes, FIFOs, sockets and character devices as transports.

The file object that the user gives stays the owner of its descriptor; the transport, in C,
moves the bytes and closes the file after `connection_lost()`. Files that cannot be waited for
are refused, as by asyncio.
"""

from __future__ import annotations

import asyncio
from asyncio.log import logger
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .loop import Loop

P = TypeVar("P", bound=asyncio.BaseProtocol)


async def connect_read_pipe(
    self: Loop, protocol_factory: Callable[[], P], pipe: Any
) -> tuple[asyncio.ReadTransport, P]:
    """Read from the file object `pipe` and return (transport, protocol).

    `pipe` has `fileno()` and `close()`; it becomes non-blocking. Raises ValueError if it is
    a regular file or a directory, OSError if its descriptor is not good.
    """
    protocol = protocol_factory()
    waiter = self.create_future()
    transport = self._make_read_pipe_transport(pipe, protocol, waiter)
    try:
        await waiter
    except BaseException:
        transport.close()
        raise
    if self.get_debug():
        logger.debug("Read pipe %r connected: (%r, %r)", pipe.fileno(), transport, protocol)
    return transport, protocol


async def connect_write_pipe(
    self: Loop, protocol_factory: Callable[[], P], pipe: Any
) -> tuple[asyncio.WriteTransport, P]:
    """Write to the file object `pipe` and return (transport, protocol).

    Arguments and errors are those of `connect_read_pipe`. The transport notices when the
    reader of a pipe goes away; `connection_lost()` then gets None, or BrokenPipeError if
    something was still to be written.
    """
    protocol = protocol_factory()
    waiter = self.create_future()
    transport = self._make_write_pipe_transport(pipe, protocol, waiter)
    try:
        await waiter
    except BaseException:
        transport.close()
        raise
    if self.get_debug():
        logger.debug("Write pipe %r connected: (%r, %r)", pipe.fileno(), transport, protocol)
    return transport, protocol
