# SPDX-License-Identifier: MIT
"""The C half, as Python sees it. Names in the order of `src/loop_type.c`."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from contextvars import Context
from typing import (
    Any,
    Final,
    Protocol,
    Self,
    TypeAlias,
    TypeVar,
    TypeVarTuple,
    final,
    type_check_only,
)

from _typeshed import FileDescriptorLike, ReadableBuffer, WriteableBuffer

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
_AddrInfo: TypeAlias = tuple[Any, Any, int, str, Any]
_CoroutineLike: TypeAlias = Coroutine[Any, Any, _T] | Generator[Any, None, _T]

@type_check_only
class TaskFactory(Protocol):
    def __call__(
        self, loop: asyncio.AbstractEventLoop, coro: Any, /, **kwargs: Any
    ) -> asyncio.Future[Any]: ...

def libuv_version() -> str: ...
def after_fork() -> None: ...
def feed_streams(protocol_type: type, reader_type: type, own_type: type | None, /) -> None: ...
def own_methods(type: type, /) -> None: ...
def live_tasks() -> list[Task[Any]]: ...
def tls_driver() -> str: ...

class StreamReads:
    pass

class Handle(asyncio.Handle):
    def __new__(
        cls,
        callback: Callable[..., object],
        args: Sequence[Any],
        loop: asyncio.AbstractEventLoop,
        context: Context | None = None,
    ) -> Self: ...
    @property
    def _callback(self) -> Callable[..., object] | None: ...
    @property
    def _source_traceback(self) -> Any: ...

class TimerHandle(asyncio.TimerHandle):
    def __new__(
        cls,
        when: float,
        callback: Callable[..., object],
        args: Sequence[Any],
        loop: asyncio.AbstractEventLoop,
        context: Context | None = None,
    ) -> Self: ...

class Future(asyncio.Future[_T]):
    def __init__(self, *, loop: asyncio.AbstractEventLoop | None = None) -> None: ...

class Task(asyncio.Task[_T]):
    def __init__(
        self,
        coro: _CoroutineLike[_T],
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        name: str | None = None,
        context: Context | None = None,
        eager_start: bool = False,
    ) -> None: ...

@final
class Listener:
    """A watched listening socket. The socket itself stays its Server's."""

    def start(self) -> None: ...
    def close(self) -> None: ...

@final
class TcpTransport(asyncio.Transport): ...

@final
class UnixTransport(asyncio.Transport): ...

@final
class ReadPipeTransport(asyncio.ReadTransport):
    _may_grow: bool

@final
class WritePipeTransport(asyncio.Transport):
    _may_grow: bool

@final
class DatagramTransport(asyncio.DatagramTransport): ...

@final
class SockOp(Coroutine[Any, Any, Any]):
    """What the sock_* methods return. `count`: of one that sends, the bytes sent so far."""

    count: Final[int]

    def send(self, value: Any, /) -> Any: ...
    def throw(self, *args: Any) -> Any: ...
    def close(self) -> None: ...
    def __await__(self) -> Generator[Any, Any, Any]: ...

@final
class SslTransport(asyncio.Transport):
    def connection_made(self, transport: asyncio.Transport, /) -> None: ...
    def _feed(self, data: bytes | bytearray | memoryview, /) -> None: ...

class Loop:
    # Running. _run() is the inside of run_forever(); _close() of close().
    def _begin(self) -> None: ...
    def _end(self) -> None: ...
    def _run(self) -> None: ...
    def _run_once(self) -> None: ...
    def _close(self) -> None: ...
    def stop(self) -> None: ...
    def is_running(self) -> bool: ...
    def is_closed(self) -> bool: ...
    def _check_closed(self) -> None: ...
    def get_debug(self) -> bool: ...
    def set_debug(self, enabled: bool, /) -> None: ...
    def time(self) -> float: ...

    slow_callback_duration: float
    _debug: bool
    _stopping: bool
    @property
    def _ready(self) -> Sequence[Any]: ...
    @property
    def _scheduled(self) -> Sequence[asyncio.TimerHandle]: ...
    @property
    def _current_handle(self) -> Any: ...
    @property
    def _clock_resolution(self) -> float: ...
    @property
    def _watches_signals(self) -> bool: ...
    @property
    def _closed(self) -> bool: ...
    @property
    def _task_factory(self) -> TaskFactory | None: ...

    # Callbacks
    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> Handle: ...
    def call_soon_threadsafe(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> Handle: ...
    def _add_callback(self, handle: asyncio.Handle, /) -> None: ...
    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> TimerHandle: ...
    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> TimerHandle: ...

    # Futures and tasks
    def create_future(self) -> asyncio.Future[Any]: ...
    def create_task(
        self,
        coro: _CoroutineLike[_T],
        *,
        name: object = None,
        context: Context | None = None,
        **kwargs: Any,
    ) -> asyncio.Task[_T]: ...
    def set_task_factory(self, factory: TaskFactory | None, /) -> None: ...
    def get_task_factory(self) -> TaskFactory | None: ...

    # Descriptors
    def add_reader(
        self, fd: FileDescriptorLike, callback: Callable[[*_Ts], Any], *args: *_Ts
    ) -> None: ...
    def remove_reader(self, fd: FileDescriptorLike) -> bool: ...
    def add_writer(
        self, fd: FileDescriptorLike, callback: Callable[[*_Ts], Any], *args: *_Ts
    ) -> None: ...
    def remove_writer(self, fd: FileDescriptorLike) -> bool: ...
    def _add_reader(
        self, fd: FileDescriptorLike, callback: Callable[[*_Ts], Any], *args: *_Ts
    ) -> Handle: ...
    def _remove_reader(self, fd: FileDescriptorLike) -> bool: ...
    def _add_writer(
        self, fd: FileDescriptorLike, callback: Callable[[*_Ts], Any], *args: *_Ts
    ) -> Handle: ...
    def _remove_writer(self, fd: FileDescriptorLike) -> bool: ...
    def _hold_wakeup(self, set_wakeup_fd: Callable[[int], object], /) -> None: ...
    def _release_wakeup(self, set_wakeup_fd: Callable[[int], object], /) -> None: ...
    def _watchers(self) -> dict[int, tuple[Any, Any]]: ...
    async def sock_recv(self, sock: socket.socket, n: int) -> bytes: ...
    async def sock_recv_into(self, sock: socket.socket, buf: WriteableBuffer) -> int: ...
    async def sock_recvfrom(self, sock: socket.socket, bufsize: int) -> tuple[bytes, Any]: ...
    async def sock_recvfrom_into(
        self, sock: socket.socket, buf: WriteableBuffer, nbytes: int = 0
    ) -> tuple[int, Any]: ...
    async def sock_sendto(self, sock: socket.socket, data: ReadableBuffer, address: Any) -> int: ...
    async def sock_sendall(self, sock: socket.socket, data: ReadableBuffer) -> None: ...
    async def sock_connect(self, sock: socket.socket, address: Any) -> None: ...
    async def sock_accept(self, sock: socket.socket) -> tuple[socket.socket, Any]: ...

    # For the Python half
    def _getaddrinfo(
        self, host: Any, port: Any, family: int, type: int, proto: int, flags: int
    ) -> list[_AddrInfo] | Awaitable[list[_AddrInfo]]: ...
    def _getnameinfo(
        self, sockaddr: Any, flags: int
    ) -> tuple[str, str] | Awaitable[tuple[str, str]]: ...
    def _sendfile(self, sock: Any, file: FileDescriptorLike, offset: int, count: int) -> SockOp: ...
    def _open_stream(
        self,
        protocol: asyncio.BaseProtocol,
        sock: socket.socket,
        *,
        waiter: asyncio.Future[Any] | None = None,
        server: asyncio.AbstractServer | None = None,
        dup: bool = False,
    ) -> asyncio.Transport: ...
    def _open_datagram(
        self,
        protocol: asyncio.BaseProtocol,
        sock: socket.socket,
        *,
        address: Any = None,
        waiter: asyncio.Future[Any] | None = None,
        dup: bool = False,
    ) -> asyncio.DatagramTransport: ...
    def _make_tls(
        self,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext,
        waiter: asyncio.Future[Any] | None,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        call_connection_made: bool = True,
    ) -> SslTransport: ...
    def _listen(
        self,
        sock: socket.socket,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        server: asyncio.AbstractServer,
        backlog: int,
    ) -> Listener: ...
    def _make_read_pipe_transport(
        self,
        pipe: Any,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[Any] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> ReadPipeTransport: ...
    def _make_write_pipe_transport(
        self,
        pipe: Any,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[Any] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> WritePipeTransport: ...
