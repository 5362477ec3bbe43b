# SPDX-License-Identifier: MIT
"""The private names of asyncio that popular tools read, each with a value of asyncio's type.

Who reads what: sentry, Home Assistant, anyio, prompt_toolkit, sanic, aiomonitor, aiodebug, qtile,
websockets, aiohttp and many programs. What asyncio itself has not on some version is not asked.
"""

from __future__ import annotations

import asyncio
import collections.abc
import concurrent.futures
import contextvars
import gc
import os
import selectors
import socket
import threading
import types
import weakref

import pytest

from hotloop import _core
from tests.tools import PY, Recorder, connected, run, run_until, settle

NONE = type(None)
SEQUENCE = collections.abc.Sequence  # asyncio's _ready is a deque, _scheduled a list
FUNCTION = collections.abc.Callable


def check(thing, names: dict[str, object]):
    """Each name is there, with a value of that type (or one of those)."""
    wrong = {}
    for name, kind in names.items():
        value = getattr(thing, name, "missing")
        if name == "_ready":
            value = list(value)
        if value == "missing" or not isinstance(value, kind):
            wrong[name] = value
    assert not wrong


LOOP = {
    "_thread_id": (int, NONE),
    "_scheduled": SEQUENCE,
    "_ready": SEQUENCE,
    "_selector": selectors.BaseSelector,
    "_run_once": FUNCTION,
    "_add_callback": FUNCTION,
    "_accept_connection": FUNCTION,
    "_sock_sendfile_native_impl": FUNCTION,
    "_default_executor": (concurrent.futures.ThreadPoolExecutor, NONE),
    "_executor_shutdown_called": bool,
    "_asyncgens": weakref.WeakSet,
    "_asyncgens_shutdown_called": bool,
    "_asyncgen_firstiter_hook": FUNCTION,
    "_asyncgen_finalizer_hook": FUNCTION,
    "_check_closed": FUNCTION,
    "_check_running": FUNCTION,
    "_check_callback": FUNCTION,
    "_check_default_executor": FUNCTION,
    "_stopping": bool,
    "_closed": bool,
    "_debug": bool,
    "_task_factory": (NONE, types.FunctionType),
    "_exception_handler": (NONE, types.FunctionType),
    "_current_handle": (asyncio.Handle, NONE),
    "_clock_resolution": float,
    "_signal_handlers": dict,
    "_coroutine_origin_tracking_enabled": bool,
    "_coroutine_origin_tracking_saved_depth": (int, NONE),
    "_set_coroutine_origin_tracking": FUNCTION,
    "_timer_handle_cancelled": FUNCTION,
    "_add_reader": FUNCTION,
    "_remove_reader": FUNCTION,
    "_add_writer": FUNCTION,
    "_remove_writer": FUNCTION,
    "_handle_signal": FUNCTION,
    "_check_signal": FUNCTION,
    "_make_socket_transport": FUNCTION,
    "_make_datagram_transport": FUNCTION,
    "_make_ssl_transport": FUNCTION,
    "_start_serving": FUNCTION,
    "_stop_serving": FUNCTION,
    "slow_callback_duration": float,
    "__dict__": dict,
}
HANDLE = {
    "_callback": FUNCTION,
    "_args": tuple,
    "_context": contextvars.Context,
    "_loop": asyncio.AbstractEventLoop,
    "_cancelled": bool,
    "_source_traceback": (list, NONE),
    "_repr": (str, NONE),
    "_run": FUNCTION,
    "_repr_info": FUNCTION,
}
FUTURE = {
    "_loop": asyncio.AbstractEventLoop,
    "_state": str,
    "_callbacks": (list, NONE),
    "_exception": (BaseException, NONE),
    "_result": object,
    "_log_traceback": bool,
    "_source_traceback": (list, NONE),
    "_asyncio_future_blocking": bool,
    "_cancel_message": object,
    "_make_cancelled_error": FUNCTION,
}
TASK = FUTURE | {
    "_coro": collections.abc.Coroutine,
    "_fut_waiter": (asyncio.Future, NONE),
    "_must_cancel": bool,
    "_log_destroy_pending": bool,
}
TRANSPORT = {
    "_loop": asyncio.AbstractEventLoop,
    "_extra": dict,
    "_start_tls_compatible": bool,
    "get_extra_info": FUNCTION,
    "get_protocol": FUNCTION,
}
SERVER = {
    "_loop": asyncio.AbstractEventLoop,
    "_ssl_context": NONE,
    "_sockets": (list, NONE),
    "_serving": bool,
    "_backlog": int,
    "_protocol_factory": FUNCTION,
    "_attach": FUNCTION,
    "_detach": FUNCTION,
    "_wakeup": FUNCTION,
    "_waiters": (list, NONE),
    "_serving_forever_fut": (asyncio.Future, NONE),
}


def test_of_a_loop(loop):
    check(loop, LOOP)
    assert weakref.ref(loop)() is loop and {loop: 1}[loop] == 1
    assert list(loop._ready) == [] and list(loop._scheduled) == []
    soon = loop.call_soon(int)
    later = loop.call_later(100, int)
    assert soon in loop._ready and len(loop._ready) == 1
    assert list(loop._scheduled) == [later] and loop._scheduled[0]._when == later.when()
    loop.stop()
    assert loop._stopping is True
    loop._stopping = False  # sanic

    async def inside():
        assert loop.__dict__["_thread_id"] == loop._thread_id == threading.get_ident()
        with pytest.raises(RuntimeError, match="already running"):
            loop._check_running()

    run(loop, inside())
    assert loop._thread_id is None
    later.cancel()


def test_a_loops_names_may_be_set(loop):
    """sentry, newrelic, ipykernel and pyzmq put their own functions and marks there."""
    loop._my_mark = True
    calls = []
    original = loop.create_task
    loop.create_task = lambda coro, **kwargs: calls.append(1) or original(coro, **kwargs)
    executor = concurrent.futures.ThreadPoolExecutor(1)
    loop._default_executor = executor

    async def main():
        await asyncio.create_task(asyncio.sleep(0))
        return await loop.run_in_executor(None, int)

    assert run(loop, main()) == 0 and calls
    assert loop._default_executor is executor
    loop.slow_callback_duration = 0.5
    assert loop.slow_callback_duration == 0.5


@pytest.mark.parametrize("debug", [False, True])
def test_of_handles(loop, debug):
    loop.set_debug(debug)
    for handle in (loop.call_soon(int, "1"), loop.call_soon_threadsafe(int, "1")):
        check(handle, HANDLE)
        assert handle._callback is int and handle._args == ("1",) and handle._loop is loop
        assert isinstance(handle, asyncio.Handle)
        assert (handle._source_traceback is not None) == debug
        handle.cancel()
        assert handle._cancelled and handle._callback is None and handle._args is None
    timer = loop.call_later(100, int)
    check(timer, HANDLE | {"_when": float, "_scheduled": bool})
    assert isinstance(timer, asyncio.TimerHandle) and timer._scheduled
    timer.cancel()


def test_a_handles_run_may_be_called(loop):
    """Home Assistant's and asynctest's clocks run timers before their time."""
    seen = []
    timer = loop.call_later(100, seen.append, 1)
    timer._run()
    timer.cancel()
    assert seen == [1]


@pytest.mark.parametrize("debug", [False, True])
def test_of_futures_and_tasks(loop, debug):
    loop.set_debug(debug)

    async def main():
        future = loop.create_future()
        check(future, FUTURE)
        assert future._state == "PENDING" and future._callbacks is None
        future.add_done_callback(print)
        assert future._callbacks[0][0] is print
        future.remove_done_callback(print)

        async def waits():
            await future

        task = asyncio.create_task(waits())
        check(task, TASK)
        await asyncio.sleep(0)
        check(task, TASK)
        assert task._fut_waiter is future and not task._must_cancel
        assert task._coro is task.get_coro() and task._coro.cr_code is waits.__code__
        assert (task._source_traceback is not None) == debug
        if debug:
            del task._source_traceback[-1]  # sentry
        future.set_result(None)
        await task
        assert task._fut_waiter is None and task._state == "FINISHED"

    run(loop, main())


def test_of_asyncios_registries(loop):
    async def main():
        task = asyncio.current_task()
        assert asyncio.events._get_running_loop() is loop
        if PY < (3, 12):
            assert task in set(asyncio.tasks._all_tasks)
        elif PY < (3, 14):
            assert task in set(asyncio.tasks._scheduled_tasks)
        if PY < (3, 14):
            assert asyncio.tasks._current_tasks[loop] is task
            assert asyncio.tasks._current_tasks.get(loop) is task

    run(loop, main())
    assert asyncio.events._get_running_loop() is None


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_of_transports(loop, kind):
    with connected(loop, kind) as (transport, _, _far):
        check(transport, TRANSPORT)
        assert isinstance(transport, asyncio.Transport)
        assert transport._loop is loop and transport._start_tls_compatible
        sock = transport.get_extra_info("socket")
        assert isinstance(sock, asyncio.trsock.TransportSocket)
        assert transport._extra["socket"] is sock
        for name in ("fileno", "getsockopt", "setsockopt", "getsockname", "getpeername"):
            assert callable(getattr(sock, name))


def test_of_datagram_transports(loop):
    async def main():
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )
        check(transport, {name: TRANSPORT[name] for name in ("_loop", "_extra", "get_extra_info")})
        transport.close()
        await asyncio.sleep(0)

    run(loop, main())


def test_of_servers(loop):
    async def main():
        server = await loop.create_server(Recorder, "127.0.0.1", 0)
        check(server, SERVER)
        assert server._loop is loop and server._serving and server._waiters == []
        assert [sock.fileno() for sock in server._sockets] == [
            sock.fileno() for sock in server.sockets
        ]
        assert all(isinstance(sock, socket.socket) for sock in server._sockets)
        if PY < (3, 12):
            assert server._active_count == 0
        elif PY >= (3, 13):
            check(server, {"_clients": collections.abc.Set})
        server.close()
        assert server._sockets is None
        await server.wait_closed()
        assert server._waiters is None

    run(loop, main())


def test_of_streams(loop):
    async def main():
        async def serve(reader, writer):
            assert reader._transport is writer._transport
            assert writer._protocol._paused is False
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert reader._transport is writer._transport is writer.transport
        assert writer._protocol._paused is False and reader._loop is loop
        assert isinstance(reader._buffer, bytearray) and reader._eof is False
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        server.close()

    run(loop, main())


def test_of_a_connection(loop, stream_kind):
    error = OSError("by hand")
    with connected(loop, stream_kind) as (transport, protocol, _):
        assert transport._protocol is protocol and transport._protocol_connected is True
        assert transport._server is None and transport._loop is loop
        transport._force_close(error)
        run_until(loop, lambda: protocol.lost)
        assert protocol.error is error
        assert transport._protocol is None and transport._protocol_connected is True


def test_of_an_accepted_connection(loop):
    served = Recorder()
    server = run(loop, loop.create_server(lambda: served, "127.0.0.1", 0))
    with socket.create_connection(server.sockets[0].getsockname()):
        run_until(loop, lambda: served.transport)
        assert served.transport._server is server
        assert served.transport._protocol is served
    run_until(loop, lambda: served.lost)
    server.close()
    assert served.transport._server is None


def test_a_server_by_hand(loop, stream_kind):
    class Server:
        def __init__(self):
            self.calls = []

        def _detach(self, *transports):
            self.calls.append(transports)

    server = Server()
    with connected(loop, stream_kind) as (transport, protocol, _):
        transport._server = server
        assert transport._server is server
        transport.abort()
        run_until(loop, lambda: protocol.lost)
        assert len(server.calls) == 1 and transport._server is None


def test_a_server_that_closing_the_socket_takes_away(loop):
    calls = []

    class Server:
        def _detach(self, *transports):
            calls.append("detached")

        def __del__(self):
            calls.append("freed")

    class Socket(socket.socket):
        transport = None

        def close(self):
            if self.transport is not None:
                self.transport._server = None
            super().close()

    plain, far = socket.socketpair()
    near = Socket(fileno=plain.detach())
    with far:
        near.transport, protocol = run(loop, loop.create_connection(Recorder, sock=near))
        near.transport._server = Server()
        near.transport.close()
        run_until(loop, lambda: protocol.lost)
        assert calls == ["freed"]
        near.transport = None


def test_extra_is_replaced_while_a_name_is_compared(loop):
    class Name(str):
        def __hash__(self):
            return hash("socket")

        def __eq__(self, other):
            transport._extra = {}
            return False

    with connected(loop, "tcp") as (transport, _, _):
        assert transport._extra["socket"] is not None
        assert transport.get_extra_info(Name("x"), "absent") == "absent"
        assert transport._extra == {}


def test_a_server_that_is_set_while_it_attaches(loop):
    served = Recorder()
    server = run(loop, loop.create_server(lambda: served, "127.0.0.1", 0))
    there = weakref.ref(server)

    def attached(*transports):
        for transport in transports:
            transport._server = there()
        return type(there())._attach(there(), *transports)

    server._attach = attached
    with socket.create_connection(server.sockets[0].getsockname()):
        run_until(loop, lambda: served.transport)
        assert served.transport._server is server
    run_until(loop, lambda: served.lost)
    server.close()
    settle(loop)
    del server
    gc.collect()
    assert there() is None


@pytest.mark.parametrize("side", ["read", "write"])
def test_of_pipes(loop, side):
    ends = [open(end, mode, 0) for end, mode in zip(os.pipe(), ("rb", "wb"), strict=True)]
    ours, theirs = ends if side == "read" else ends[::-1]
    protocol = Recorder()
    with theirs:
        connect = getattr(loop, f"connect_{side}_pipe")
        transport, _ = run(loop, connect(lambda: protocol, ours))
        assert transport._protocol is protocol and transport._pipe is ours
        assert transport._loop is loop and transport._fileno == ours.fileno()
        transport.close()
        run_until(loop, lambda: protocol.lost)
        assert transport._protocol is None and transport._pipe is None


def test_a_timer_may_be_said_to_be_scheduled_or_not(loop):
    """Clocks of tests do so, which take timers out of a loop and run them."""
    timer = loop.call_later(100, int)
    for answer in (False, True):
        timer._scheduled = answer
        assert timer._scheduled is answer
    timer.cancel()


@pytest.mark.hotloop_only(reason="asyncio has other ones")
@pytest.mark.parametrize(
    "name", ["listen", "open_stream", "open_datagram", "sendfile", "getaddrinfo", "getnameinfo"]
)
def test_a1_inner_calls_check_what_they_get(loop, name):
    method = getattr(loop, f"_{name}")
    for args, kwargs in [((), {}), ((1,), {"nonsense": 2})]:
        with pytest.raises(TypeError):
            method(*args, **kwargs)


@pytest.mark.hotloop_only(reason="asyncio has other ones")
def test_a1_inner_functions_check_what_they_get(loop):
    for call in (_core.feed_streams, lambda: _core.own_methods(int), lambda: _core.own_methods(1)):
        with pytest.raises(TypeError):
            call()
    near, far = socket.socketpair()
    with near, far, open(__file__, "rb") as file, pytest.raises(ValueError, match="negative"):
        loop._sendfile(near, file, -1, 10)
    with pytest.raises(TypeError):
        loop._add_reader(0, int, context=42)
