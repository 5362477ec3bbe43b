# SPDX-License-Identifier: MIT
"""Methods of Loop: files to sockets and transports.

The kernel copies if it can (`src/io/sendfile.c`, or `os.sendfile` where that is not at home or a
program has put its own there); the fallback reads the file with a thread of the executor and
writes what it got. In each case the file's position is moved behind what was sent, also when the
sending fails or is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import sys
from asyncio import SendfileNotAvailableError, constants
from typing import TYPE_CHECKING, Any

from . import _compat
from ._connect import check_not_ssl_socket

if TYPE_CHECKING:
    from .loop import Loop

_Mode = constants._SendfileMode
_stock_sendfile = getattr(os, "sendfile", None) if sys.platform in ("linux", "darwin") else None
TRANSPORT_BLOCK = 16 * 1024
"""Bytes that the fallback for transports reads at once."""


# Sockets


async def sock_sendfile(
    self: Loop,
    sock: socket.socket,
    file: Any,
    offset: int = 0,
    count: int | None = None,
    *,
    fallback: bool | None = True,
) -> int:
    """Send a file, opened in binary mode, over a connected stream socket.

    Sends `count` bytes from position `offset` on, or all there are; returns how many that
    were. Without `fallback` raises asyncio.SendfileNotAvailableError for what the kernel cannot
    send (a BytesIO, a pipe). Raises OSError when the connection breaks.
    """
    if self.get_debug() and sock.gettimeout() != 0:
        raise ValueError("the socket must be non-blocking")
    check_not_ssl_socket(sock)
    _check_arguments(sock, file, offset, count)
    try:
        return await self._sock_sendfile_native(sock, file, offset, count)
    except SendfileNotAvailableError:
        if not fallback:
            raise
    return await _send_blocks(self, sock, file, offset, count)


def _check_arguments(sock: Any, file: Any, offset: Any, count: Any) -> None:
    if "b" not in getattr(file, "mode", "b"):
        raise ValueError("file should be opened in binary mode")
    if sock.type != socket.SOCK_STREAM:
        raise ValueError("only SOCK_STREAM type sockets are supported")
    if count is not None:
        if not isinstance(count, int):
            raise TypeError(f"count must be a positive integer (got {count!r})")
        if count <= 0:
            raise ValueError(f"count must be a positive integer (got {count!r})")
    if not isinstance(offset, int):
        raise TypeError(f"offset must be a non-negative integer (got {offset!r})")
    if offset < 0:
        raise ValueError(f"offset must be a non-negative integer (got {offset!r})")


async def sock_sendfile_native(
    self: Loop, sock: Any, file: Any, offset: int, count: int | None
) -> int:
    """Send by the system call, or raise SendfileNotAvailableError if not a byte went that way.

    A file of no size gives 0 at once, as in asyncio: what /proc holds cannot be sent.
    """
    if not hasattr(os, "sendfile"):
        raise SendfileNotAvailableError("os.sendfile() is not available")
    try:
        fileno = file.fileno()
        size = os.fstat(fileno).st_size
    except (AttributeError, OSError):  # io.UnsupportedOperation is an OSError
        raise SendfileNotAvailableError("not a regular file") from None
    if not (count or size):
        return 0
    if os.sendfile is not _stock_sendfile:
        future: asyncio.Future[int] = self.create_future()
        self._sock_sendfile_native_impl(
            future, None, sock, fileno, offset, count, count or size, 0, file
        )
        return await future

    sending = self._sendfile(sock, file, offset, count or 0)
    try:
        sent: int = await sending
        return sent
    except OSError as exc:
        if sending.count == 0:
            raise SendfileNotAvailableError("os.sendfile call failed") from exc
        raise
    finally:
        if sending.count or _compat.SENDFILE_ALWAYS_SEEKS:
            _move_position(file, fileno, offset + sending.count)


def sock_sendfile_native_impl(
    self: Loop,
    fut: asyncio.Future[int],
    registered_fd: int | None,
    sock: Any,
    fileno: int,
    offset: int,
    count: int | None,
    blocksize: int,
    total_sent: int,
    file: Any = None,
) -> None:
    """Send a part by os.sendfile(), and the next when there is room. asyncio's private name.

    Of the file `fileno`, from `offset` on: `count` bytes, or `blocksize` at a time until its end.
    `fut` gets `total_sent` and what is sent from here on; if not a byte was sent by then,
    SendfileNotAvailableError. `registered_fd` is None in the first call, and `file`, if given,
    must still have that descriptor.
    """
    if registered_fd is not None:
        self._remove_writer(registered_fd)
    if fut.cancelled():
        return
    try:
        if file is not None and file.fileno() != fileno:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        size = count - total_sent if count else blocksize
        # A larger number does not fit where addresses have 32 bits.
        sent = os.sendfile(sock.fileno(), fileno, offset, min(size, sys.maxsize // 2 + 1))
    except (BlockingIOError, InterruptedError):
        sent = None
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exc:
        _set_position(fileno, offset, total_sent)
        fut.set_exception(_sendfile_error(exc, total_sent))
        return

    if sent:
        offset += sent
        total_sent += sent
        _set_position(fileno, offset, total_sent)
    if sent == 0 or total_sent == count:
        fut.set_result(total_sent)
        return
    if registered_fd is None:
        fut.add_done_callback(lambda fut: _forget_writer(self, sock, fut))
    again = sock.fileno(), sock, fileno, offset, count, blocksize, total_sent, file
    self._add_writer(sock.fileno(), self._sock_sendfile_native_impl, fut, *again)


def _sendfile_error(exc: BaseException, total_sent: int) -> BaseException:
    """Return what sock_sendfile() raises for an error of os.sendfile()."""
    if not isinstance(exc, OSError):
        return exc
    if total_sent == 0:
        error: Exception = SendfileNotAvailableError("os.sendfile call failed")
    elif exc.errno == errno.ENOTCONN and not isinstance(exc, ConnectionError):
        error = ConnectionError("socket is not connected", errno.ENOTCONN)
    else:
        return exc
    error.__cause__ = exc
    return error


def _set_position(fileno: int, offset: int, total_sent: int) -> None:
    if total_sent or _compat.SENDFILE_ALWAYS_SEEKS:
        with contextlib.suppress(OSError):  # it was closed in the meantime
            os.lseek(fileno, offset, os.SEEK_SET)


def _forget_writer(loop: Loop, sock: Any, fut: asyncio.Future[int]) -> None:
    """Watch no more when the waiting is cancelled; a closed socket is forgotten already."""
    if fut.cancelled() and sock.fileno() != -1:
        loop._remove_writer(sock.fileno())


def _move_position(file: Any, fileno: int, position: int) -> None:
    """Put the file's descriptor at `position`, unless the file was closed in the meantime."""
    try:
        if file.fileno() == fileno:
            os.lseek(fileno, position, os.SEEK_SET)
    except (OSError, ValueError):
        pass  # the number may be another file's by now


async def _send_blocks(loop: Loop, sock: Any, file: Any, offset: int, count: int | None) -> int:
    """Read and send in turns."""
    block = constants.SENDFILE_FALLBACK_READBUFFER_SIZE
    buffer = memoryview(bytearray(min(count, block) if count else block))
    _seek_start(file, offset)
    sent = 0
    try:
        while read := await _read_block(loop, file, buffer, sent, count):
            await loop.sock_sendall(sock, buffer[:read])
            sent += read
        return sent
    finally:
        _seek_end(file, offset, sent)


def _seek_start(file: Any, offset: int) -> None:
    if offset or (_compat.SENDFILE_ALWAYS_SEEKS and hasattr(file, "seek")):
        file.seek(offset)


def _seek_end(file: Any, offset: int, sent: int) -> None:
    if sent > 0 and hasattr(file, "seek"):
        file.seek(offset + sent)


async def _read_block(
    loop: Loop, file: Any, buffer: memoryview, sent: int, count: int | None
) -> int:
    """Fill `buffer` from the file, in another thread; 0 at its end or after `count` bytes."""
    room = min(count - sent, len(buffer)) if count else len(buffer)
    if room <= 0:
        return 0
    return await loop.run_in_executor(None, file.readinto, buffer[:room]) or 0


# Transports


async def sendfile(
    self: Loop,
    transport: Any,
    file: Any,
    offset: int = 0,
    count: int | None = None,
    *,
    fallback: bool = True,
) -> int:
    """Send a file, opened in binary mode, over a transport.

    Sends `count` bytes from position `offset` on, or all there are; returns how many that
    were. The transport's protocol gets no data meanwhile, and writing to the transport raises
    RuntimeError if the kernel does the sending. Raises RuntimeError if the transport is closing
    or sends no streams, and, without `fallback`, if it encrypts; SendfileNotAvailableError
    without `fallback` for a file that the kernel cannot send; ConnectionError when the
    connection ends.
    """
    if transport.is_closing():
        raise RuntimeError("Transport is closing")
    mode = getattr(transport, "_sendfile_compatible", _Mode.UNSUPPORTED)
    if mode is _Mode.UNSUPPORTED:
        raise RuntimeError(f"sendfile is not supported for transport {transport!r}")
    if mode is _Mode.TRY_NATIVE:
        try:
            return await self._sendfile_native(transport, file, offset, count)
        except SendfileNotAvailableError:
            if not fallback:
                raise
    if not fallback:
        raise RuntimeError(
            f"fallback is disabled and native sendfile is not supported for transport {transport!r}"
        )
    return await _write_blocks(self, transport, file, offset, count)


async def sendfile_native(
    self: Loop, transport: Any, file: Any, offset: int, count: int | None
) -> int:
    """Send over the transport's socket when all that was written before has left."""
    all_sent = transport._make_empty_waiter()
    resume = transport.is_reading()
    transport.pause_reading()
    try:
        await all_sent
        return await self.sock_sendfile(transport._sock, file, offset, count, fallback=False)
    except OSError as exc:
        if isinstance(exc, ConnectionError) or transport._sock is not None:
            raise
        raise ConnectionError("Connection is closed by peer") from exc
    finally:
        transport._reset_empty_waiter()
        if resume:
            transport.resume_reading()


async def _write_blocks(
    loop: Loop, transport: Any, file: Any, offset: int, count: int | None
) -> int:
    """Read and write in turns, as fast as the transport wants it."""
    buffer = memoryview(bytearray(min(count, TRANSPORT_BLOCK) if count else TRANSPORT_BLOCK))
    _seek_start(file, offset)
    stand_in = _StandIn(loop, transport)
    sent = 0
    try:
        while read := await _read_block(loop, file, buffer, sent, count):
            transport.write(buffer[:read])
            await stand_in.drain()
            sent += read
        return sent
    finally:
        _seek_end(file, offset, sent)
        stand_in.leave()


class _StandIn(asyncio.Protocol):
    """Takes the place of a transport's protocol while the fallback writes."""

    def __init__(self, loop: Loop, transport: Any) -> None:
        if not hasattr(transport, "_protocol_paused"):
            raise TypeError("transport should be _FlowControlMixin instance")
        self._loop = loop
        self._transport = transport
        self._protocol: Any = transport.get_protocol()
        self._was_paused = transport._protocol_paused
        self._was_reading = transport.is_reading()
        self._lost = False
        self._may_write: asyncio.Future[None] | None = None
        transport.pause_reading()
        transport.set_protocol(self)
        if self._was_paused:
            self.pause_writing()

    async def drain(self) -> None:
        """Wait until the transport takes more; raise ConnectionError if it is closing."""
        if self._transport.is_closing():
            raise ConnectionError("Connection closed by peer")
        if self._may_write is not None:
            await self._may_write

    def leave(self) -> None:
        """Give the protocol its place back, and tell it how the writing stands."""
        transport = self._transport
        transport.set_protocol(self._protocol)
        if self._was_reading:
            transport.resume_reading()
        if self._may_write is not None:
            self._may_write.cancel()
        if not self._lost and transport._protocol_paused != self._was_paused:
            if self._was_paused:
                self._protocol.resume_writing()
            else:
                self._protocol.pause_writing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        raise RuntimeError("Invalid state: connection should have been established already.")

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._may_write is not None and not self._may_write.done():
            # The file was not all sent, so this is no end in peace.
            self._may_write.set_exception(exc or ConnectionError("Connection is closed by peer"))
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        if self._may_write is None:
            self._may_write = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._may_write is not None:
            if not self._may_write.done():
                self._may_write.set_result(None)
            self._may_write = None

    def data_received(self, data: bytes) -> None:
        raise RuntimeError("Invalid state: reading should be paused")

    def eof_received(self) -> bool | None:
        raise RuntimeError("Invalid state: reading should be paused")
