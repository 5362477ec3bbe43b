# SPDX-License-Identifier: MIT
"""isinstance and subclassing: loops, futures, tasks, handles, transports, servers."""

import asyncio
import weakref

import pytest

from tests.tools import Recorder, connected, run, turns


async def nothing():
    pass


def test_loop(loop):
    assert isinstance(loop, asyncio.AbstractEventLoop)


def test_future_and_task(loop):
    task = loop.create_task(nothing())
    assert isinstance(loop.create_future(), asyncio.Future)
    assert isinstance(task, asyncio.Task) and isinstance(task, asyncio.Future)
    assert asyncio.isfuture(task)
    turns(loop, 2)


def test_handles(loop):
    assert isinstance(loop.call_soon(int), asyncio.Handle)
    assert isinstance(loop.call_later(9, int), asyncio.TimerHandle)
    assert isinstance(loop.call_soon_threadsafe(int), asyncio.Handle)


def test_transports(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, _, _):
        assert isinstance(transport, asyncio.Transport)
        assert isinstance(transport, asyncio.ReadTransport)
        assert isinstance(transport, asyncio.WriteTransport)
        assert isinstance(transport, asyncio.BaseTransport)


def test_server(loop):
    server = run(loop, loop.create_server(Recorder, "127.0.0.1", 0))
    assert isinstance(server, asyncio.AbstractServer)
    server.close()


def test_a_loop_takes_attributes_and_weak_references_and_hashes(loop):
    """Sentry, New Relic, Home Assistant and many more store things on the loop."""
    loop.mine = 1
    assert loop.mine == 1 and loop.__dict__["mine"] == 1
    del loop.mine
    assert weakref.ref(loop)() is loop
    assert {loop: 1}[loop] == 1
    assert loop == loop and loop != object()


@pytest.mark.parametrize("name", ["call_soon", "call_later", "create_task", "time", "close"])
def test_a_method_replaced_on_the_instance_is_what_callers_get(loop, name):
    original = getattr(loop, name)
    calls = []

    def mine(*args, **kwargs):
        calls.append(name)
        return original(*args, **kwargs)

    setattr(loop, name, mine)
    try:
        if name == "create_task":
            loop.run_until_complete(_create())
        elif name == "time":
            loop.time()
        elif name == "close":
            loop.close()
        elif name == "call_later":
            loop.run_until_complete(asyncio.sleep(0.001))
        else:
            loop.call_soon(int)
    finally:
        delattr(loop, name)
    assert calls


async def _create():
    await asyncio.create_task(nothing())


def test_create_future_replaced_on_the_instance_is_used_by_sleep(loop):
    made = []
    original = loop.create_future

    def mine():
        made.append(original())
        return made[-1]

    loop.create_future = mine
    run(loop, asyncio.sleep(0.001))
    assert made


def test_a_subclass_of_the_loop(loop):
    class Mine(type(loop)):
        def __init__(self):
            super().__init__()
            self.closed_by = []

        def close(self):
            self.closed_by.append("me")
            super().close()

    mine = Mine()
    assert mine.run_until_complete(asyncio.sleep(0, 42)) == 42
    mine.close()
    assert mine.is_closed() and mine.closed_by == ["me"]


def test_private_names_of_the_loop(loop):
    handle = loop.call_soon(int)
    timer = loop.call_later(60, int)
    assert len(loop._ready) == 1 and handle in loop._ready
    assert list(loop._scheduled) == [timer]
    assert loop._clock_resolution > 0
    assert loop._debug is loop.get_debug()
    assert loop._task_factory is None and loop._exception_handler is None
    assert loop._default_executor is None
    assert loop._closed is False and loop._stopping is False
    assert loop._check_closed() is None and loop._check_running() is None
    turns(loop)
    assert handle not in loop._ready


def test_current_handle_in_debug_mode(loop):
    seen = []
    loop.set_debug(True)
    handle = loop.call_soon(lambda: seen.append(loop._current_handle))
    turns(loop)
    assert seen == [handle] and loop._current_handle is None


def test_repr_of_the_loop(loop):
    assert "running=False closed=False debug=False" in repr(loop)
    loop.set_debug(True)
    assert "debug=True" in repr(loop)


def test_a_replaced_handle_run_is_honoured(loop, monkeypatch):
    """aiodebug, logfire and others watch callbacks through this hook."""
    seen = []
    original = asyncio.events.Handle._run

    def watching(self):
        seen.append(self)
        return original(self)

    monkeypatch.setattr(asyncio.events.Handle, "_run", watching)
    handle = loop.call_soon(int)
    task = loop.create_task(nothing())
    turns(loop, 2)
    assert handle in seen and len(seen) >= 2
    assert task.done()
