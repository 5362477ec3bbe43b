# SPDX-License-Identifier: MIT
"""class Loop: the contents page of the Python half.

What runs once per callback, per packet or per accepted connection is in C, in the base
class `_core.Loop` (`src/loop_type.c` is its contents page). What runs once per connect or
rarer is here, by room:

    _run.py          running, stopping, closing; async generators; executors; debug mode
    _exceptions.py   exception handlers
    _resolve.py      names to addresses and back
    _connect.py      outgoing connections
    _datagram.py     datagram endpoints
    _sendfile.py     files to sockets and transports
    _serve.py        servers and accepted sockets
    _pipes.py        pipes
    _subprocess.py   child processes
    _signals.py      signal handlers
    _substitutes.py  transports and servers over what only behaves like a socket
    _tls.py          TLS
    _watched.py      which descriptors are watched
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import sys
import warnings
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import Any

from . import (
    _compat,
    _connect,
    _core,
    _datagram,
    _exceptions,
    _pipes,
    _resolve,
    _run,
    _sendfile,
    _serve,
    _signals,
    _stdreader,
    _subprocess,
    _substitutes,
    _tls,
    _watched,
)

os.register_at_fork(after_in_child=_core.after_fork)
_stdreader.enable()

ExceptionHandler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


class Loop(_core.Loop, asyncio.AbstractEventLoop):
    """An asyncio event loop over libuv. It takes no arguments and may be subclassed.

    Like every asyncio loop it belongs to the thread that runs it: other threads may call
    `call_soon_threadsafe` and nothing else. Whoever makes a loop closes it.
    """

    # The names with an underscore are asyncio's: monitoring and test tools read them.
    # `_thread_id` is an entry of the instance's __dict__, where some tools look for it.

    def __init__(self) -> None:
        super().__init__()
        self._thread_id: int | None = None
        self._exception_handler: ExceptionHandler | None = None
        self._default_executor: concurrent.futures.ThreadPoolExecutor | None = None
        self._executor_shutdown_called = False
        self._asyncgens: weakref.WeakSet[AsyncGenerator[Any, Any]] = weakref.WeakSet()
        self._asyncgens_shutdown_called = False
        self._old_agen_hooks: Any = None
        self._coroutine_origin_tracking_enabled = False
        self._coroutine_origin_tracking_saved_depth: int | None = None
        self._signal_handlers: dict[int, _core.Handle] = {}
        self.set_debug(_compat.is_debug_requested())

    def __repr__(self) -> str:
        return (
            f"<hotloop.{type(self).__name__} running={self.is_running()} "
            f"closed={self.is_closed()} debug={self.get_debug()}>"
        )

    def __del__(self, _warn: Any = warnings.warn, _ends: Any = sys.is_finalizing) -> None:
        # No name of a module is safe here: at interpreter exit it may be gone already.
        # A loop whose making failed in C never saw __init__(), and has nothing to close.
        if self.is_closed() or not hasattr(self, "_signal_handlers"):
            return
        _warn(f"unclosed event loop {self!r}", ResourceWarning, source=self)
        # Then the rest of close() is pointless, and C closes the descriptors in any case.
        if not self.is_running() and not _ends():
            self.close()

    # Running, stopping, closing
    run_forever = _run.run_forever
    run_until_complete = _run.run_until_complete
    close = _run.close
    _drop_signal_handlers = _run.drop_signal_handlers
    _check_running = _run.check_running
    _run_forever_setup = _run.run_forever_setup
    _run_forever_cleanup = _run.run_forever_cleanup

    # Tasks
    set_task_factory = _run.set_task_factory  # type: ignore[assignment]

    # Debug mode
    set_debug = _run.set_debug
    _set_coroutine_origin_tracking = _run.set_coroutine_origin_tracking
    _check_callback = _run.check_callback

    # Async generators
    shutdown_asyncgens = _run.shutdown_asyncgens
    _asyncgen_firstiter_hook = _run.asyncgen_firstiter_hook
    _asyncgen_finalizer_hook = _run.asyncgen_finalizer_hook

    # Executors
    run_in_executor = _run.run_in_executor
    set_default_executor = _run.set_default_executor
    shutdown_default_executor = _run.shutdown_default_executor
    _check_default_executor = _run.check_default_executor
    _do_shutdown = _run.join_executor

    # Exceptions that nobody caught
    get_exception_handler = _exceptions.get_exception_handler
    set_exception_handler = _exceptions.set_exception_handler
    default_exception_handler = _exceptions.default_exception_handler
    call_exception_handler = _exceptions.call_exception_handler

    # Names and addresses
    getaddrinfo = _resolve.getaddrinfo
    getnameinfo = _resolve.getnameinfo

    # Connections
    create_connection = _connect.create_connection
    create_unix_connection = _connect.create_unix_connection
    _make_socket_transport = _substitutes.make_socket_transport
    _make_datagram_transport = _substitutes.make_datagram_transport
    _transports: Any

    # Descriptors
    _selector = property(_watched.Watched)

    # TLS
    start_tls = _tls.start_tls
    _make_ssl_transport = _tls.make_transport

    # Datagrams
    create_datagram_endpoint = _datagram.create_datagram_endpoint  # type: ignore[assignment]

    # Files
    sock_sendfile = _sendfile.sock_sendfile
    sendfile = _sendfile.sendfile
    _sock_sendfile_native = _sendfile.sock_sendfile_native
    _sock_sendfile_native_impl = _sendfile.sock_sendfile_native_impl
    _sendfile_native = _sendfile.sendfile_native

    # Servers. typeshed asks for the stdlib's own class Server; the ABC is what asyncio promises.
    create_server = _serve.create_server  # type: ignore[assignment]
    create_unix_server = _serve.create_unix_server  # type: ignore[assignment]
    connect_accepted_socket = _serve.connect_accepted_socket
    _start_serving = _serve.start_serving
    _stop_serving = _serve.stop_serving
    _accept_connection = _substitutes.accept_connection
    _accept_again = _substitutes.accept_again

    # Pipes
    connect_read_pipe = _pipes.connect_read_pipe
    connect_write_pipe = _pipes.connect_write_pipe

    # Subprocesses
    subprocess_exec = _subprocess.subprocess_exec  # type: ignore[assignment]
    subprocess_shell = _subprocess.subprocess_shell  # type: ignore[assignment]
    _make_subprocess_transport = _subprocess.make_subprocess_transport
    _child_watcher_callback = _subprocess.child_watcher_callback

    # Signals
    add_signal_handler = _signals.add_signal_handler
    remove_signal_handler = _signals.remove_signal_handler
    _handle_signal = _signals.handle_signal
    _check_signal = staticmethod(_signals.check_signal)


_core.own_methods(Loop)
