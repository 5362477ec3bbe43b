# SPDX-License-Identifier: MIT
"""Functions and objects that programs and test tools put in the place of the stdlib's are used."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from unittest import mock

import pytest

from tests.tools import Recorder, run, run_until, settle, turns


def test_a_replaced_getaddrinfo_is_asked(loop, monkeypatch):
    asked = []
    original = socket.getaddrinfo

    def answer(host, *args, **kwargs):
        asked.append(host)
        return original("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    found = run(loop, loop.getaddrinfo("my.test", 80, type=socket.SOCK_STREAM))
    assert asked == ["my.test"] and found[0][4] == ("127.0.0.1", 80)

    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        port = listener.getsockname()[1]
        transport, _ = run(loop, loop.create_connection(Recorder, "other.test", port))
        transport.abort()
        settle(loop)
    assert asked == ["my.test", "other.test"]


def test_a_replaced_getnameinfo_is_asked(loop, monkeypatch):
    monkeypatch.setattr(socket, "getnameinfo", lambda address, flags: ("name", str(address[1])))
    assert run(loop, loop.getnameinfo(("127.0.0.1", 80))) == ("name", "80")


def test_the_logger_of_slow_callbacks_is_looked_up(loop):
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0
    with mock.patch("asyncio.base_events.logger") as logger:
        loop.call_soon(len, "")
        turns(loop)
        loop.set_debug(False)
    assert "Executing %s took %.3f seconds" in [call.args[0] for call in logger.warning.mock_calls]


class Stand:
    """Behaves like a connected socket, and is none; it has one as its insides."""

    family, type, proto = socket.AF_UNIX, socket.SOCK_STREAM, 0

    def __init__(self, sock):
        self.sock = sock
        self.calls = []

    def __getattr__(self, name):
        self.calls.append(name)
        return getattr(self.sock, name)


def test_what_only_behaves_like_a_socket_is_a_transports(loop):
    near, far = socket.socketpair()
    near.setblocking(False)
    stand = Stand(near)
    with far:
        far.settimeout(10)
        recorder = Recorder()
        transport, _ = run(loop, loop.create_unix_connection(lambda: recorder, sock=stand))
        transport.write(b"hello")
        far.sendall(b"world")
        run_until(loop, lambda: recorder.data == b"world")
        assert far.recv(10) == b"hello"
        assert {"recv", "send"} <= set(stand.calls), "through its methods"
        transport.close()
        run_until(loop, lambda: recorder.lost)
    assert near.fileno() == -1


def test_a_server_of_what_has_no_descriptor(loop):
    sock = mock.Mock(type=socket.SOCK_STREAM)
    sock.fileno.return_value = None
    with pytest.raises(ValueError, match="Invalid file object"):
        run(loop, loop.create_server(Recorder, sock=sock))


def test_the_signal_check_has_asyncios_name(loop):
    loop._check_signal(signal.SIGINT)
    with pytest.raises(TypeError):
        loop._check_signal("1")
    with pytest.raises(ValueError):
        loop._check_signal(signal.NSIG + 1)


@pytest.mark.parametrize("when", [123, 123.0, 0, -1])
def test_a_timer_shows_the_number_that_it_was_given(loop, loop_kind, when):
    kind = asyncio.TimerHandle
    if loop_kind == "hotloop":
        import hotloop

        kind = hotloop.TimerHandle
    timer = kind(when, len, ("",), loop)
    assert timer.when() == when and type(timer.when()) is type(when)
    assert f"when={when} " in repr(timer)
    timer._when = 7
    assert timer.when() == timer._when == 7
    assert timer < kind(8, len, ("",), loop)


def test_a_replaced_task_class_is_used(loop, monkeypatch):
    """nest_asyncio puts asyncio's Task in Python there; others a subclass of their own."""
    made = []

    class Mine(asyncio.Task):
        def __init__(self, coro, **kwargs):
            made.append(kwargs)
            super().__init__(coro, **kwargs)

    async def main():
        inner = asyncio.create_task(asyncio.sleep(0, 42), name="inner")
        assert type(inner) is Mine and inner.get_name() == "inner"
        assert inner in asyncio.all_tasks()
        assert type(asyncio.current_task()) is Mine
        return await inner

    with monkeypatch.context() as patch:
        patch.setattr(asyncio.tasks, "Task", Mine)
        assert loop.run_until_complete(main()) == 42
        assert len(made) == 2 and all(kwargs["loop"] is loop for kwargs in made)
        loop.set_task_factory(lambda loop, coro, **kwargs: asyncio.Task(coro, loop=loop))
        assert type(loop.create_task(asyncio.sleep(0))) is asyncio.Task
        turns(loop, 3)
        loop.set_task_factory(None)
    stock = loop.create_task(asyncio.sleep(0, 43))
    assert type(stock) is not Mine and loop.run_until_complete(stock) == 43
    assert len(made) == 2


@pytest.mark.parametrize("cls", ["_PyTask", "_CTask"])
def test_asyncios_own_task_classes_may_be_put_there(loop, monkeypatch, cls):
    cls = getattr(asyncio.tasks, cls)

    async def main():
        task = loop.create_task(asyncio.sleep(0.001, 42))
        assert isinstance(task, cls)
        return await task

    monkeypatch.setattr(asyncio.tasks, "Task", cls)
    assert loop.run_until_complete(main()) == 42


@pytest.mark.parametrize("junk", [None, 1, int])
def test_what_is_no_task_class(loop, monkeypatch, junk):
    coroutine = asyncio.sleep(0)
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.tasks, "Task", junk)
        with pytest.raises(TypeError):
            loop.create_task(coroutine)
        turns(loop)
        patch.delattr(asyncio.tasks, "Task")
        with pytest.raises((AttributeError, NameError)):
            loop.create_task(coroutine)
    coroutine.close()
    assert run(loop, asyncio.sleep(0, 42)) == 42


@pytest.fixture
def with_plain_futures(loop):
    """The loop, with a create_future() that makes asyncio's own futures."""

    def create_future():
        return asyncio.Future(loop=loop)

    loop.create_future = create_future
    yield loop
    del loop.create_future


def test_a_replaced_create_future_is_asked(with_plain_futures):
    """What waits for a connection is then a future of another class."""
    loop = with_plain_futures

    contexts = []
    loop.set_exception_handler(lambda _, context: contexts.append(context["exception"]))
    near, far = socket.socketpair()
    near.setblocking(False)
    with far:
        recorder = Recorder()
        transport, _ = run(loop, loop.create_unix_connection(lambda: recorder, sock=near))
        transport.write(b"hello")
        run_until(loop, lambda: transport.get_write_buffer_size() == 0)
        assert far.recv(10) == b"hello"
        transport.close()
        run_until(loop, lambda: recorder.lost)
    ends = os.pipe()
    with open(ends[1], "wb", 0) as file:
        transport, _ = run(loop, loop.connect_read_pipe(Recorder, open(ends[0], "rb", 0)))
        file.write(b"x")
        transport.close()
        turns(loop, 3)
    assert run(loop, loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM))
    endpoint, _ = run(
        loop, loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
    )
    endpoint.close()
    turns(loop, 3)
    assert contexts == []
