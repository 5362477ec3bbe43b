# SPDX-License-Identifier: MIT
"""send(), throw() and close() on what `await` drives: iterators of futures, the sock_* calls."""

from __future__ import annotations

import asyncio
import collections.abc
import inspect
import socket
import sys
import warnings

import pytest

from tests.tools import PY, run, turns


class Odd(ValueError):
    def __new__(cls, *args):
        return 17


def traceback_of_an_error():
    try:
        raise KeyError("elsewhere")
    except KeyError:
        return sys.exc_info()[2]


def thrown(iterator, *args):
    """What throw(*args) raises, as a pair that can be compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            iterator.throw(*args)
        except BaseException as error:
            return type(error), error.args, error.__traceback__
    return None


def test_a_future_takes_an_exception_in_all_three_forms(loop):
    future = loop.create_future()
    cases = [
        ((ValueError("x"),), (ValueError, ("x",))),
        ((ValueError,), (ValueError, ())),
        ((ValueError, "x"), (ValueError, ("x",))),
        ((ValueError, ("x", "y")), (ValueError, ("x", "y"))),
        ((ValueError, ValueError("x")), (ValueError, ("x",))),
        ((ValueError, None, None), (ValueError, ())),
    ]
    for args, (kind, values) in cases:
        iterator = iter(future)
        assert next(iterator) is future
        future._asyncio_future_blocking = False
        assert thrown(iterator, *args)[:2] == (kind, values)


def test_a_future_keeps_the_traceback_that_is_thrown(loop):
    traceback = traceback_of_an_error()
    found = thrown(iter(loop.create_future()), ValueError, ValueError("x"), traceback)[2]
    while found is not None and found is not traceback:
        found = found.tb_next
    assert found is traceback


@pytest.mark.parametrize(
    "args",
    [(), (int,), (17,), (ValueError("x"), "y"), (ValueError, "x", 17), (Odd,), (1, 2, 3, 4)],
    ids=["nothing", "no exception", "a number", "two values", "no traceback", "odd", "too much"],
)
def test_a_future_refuses_to_throw_what_is_no_exception(loop, args):
    assert thrown(iter(loop.create_future()), *args)[0] is TypeError


@pytest.mark.skipif(PY < (3, 12), reason="deprecated from 3.12 on")
def test_the_old_forms_of_throw_are_deprecated(loop):
    with pytest.warns(DeprecationWarning), pytest.raises(ValueError):
        iter(loop.create_future()).throw(ValueError, "x")


def test_a_future_that_is_sent_to_stops_with_its_result(loop):
    for value in (None, 1, (1, 2), ValueError("x")):
        future = loop.create_future()
        iterator = iter(future)
        assert iterator.send(None) is future
        future.set_result(value)
        with pytest.raises(StopIteration) as stop:
            iterator.send(None)
        assert stop.value.value is value


@pytest.mark.hotloop_only(reason="asyncio's own crashes here on 3.14.8")
def test_an_iterator_that_was_closed_or_thrown_into_is_at_its_end(loop):
    future = loop.create_future()
    for end in (lambda it: it.close(), lambda it: thrown(it, ValueError("x"))):
        iterator = iter(future)
        end(iterator)
        with pytest.raises(StopIteration):
            next(iterator)


# ------------------------------------------------------------------------------ the sock_* calls


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        yield near, far


def test_a_call_tells_its_name_and_state(loop, pair):
    call = loop.sock_recv(pair[0], 10)
    assert call.__name__ == "sock_recv"
    assert call.__qualname__.endswith(".sock_recv")
    assert call.cr_running is False
    assert inspect.iscoroutine(call) or isinstance(call, collections.abc.Coroutine)
    call.close()
    call.close()
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        call.send(None)


def waiting(loop, call):
    """Drive a call until it waits; the future that it waits for."""

    async def first_step():
        return call.send(None)

    return run(loop, first_step())


def test_a_waiting_call_is_thrown_into_and_ends_with_that(loop, pair):
    near, _ = pair
    for args in ((ValueError("x"),), (ValueError,), (ValueError, "x"), (ValueError, None, None)):
        call = loop.sock_recv(near, 10)
        waiting(loop, call)
        assert thrown(call, *args)[0] is ValueError
        with pytest.raises(RuntimeError):
            call.send(None)


@pytest.mark.parametrize(
    "args", [(), (17,), (ValueError("x"), "y"), (1, 2, 3, 4)],
    ids=["nothing", "a number", "two values", "too much"],
)  # fmt: skip
def test_a_waiting_call_refuses_to_throw_what_is_no_exception(loop, pair, args):
    near, _ = pair
    call = loop.sock_recv(near, 10)
    waiting(loop, call)
    assert thrown(call, *args)[0] is TypeError
    call.close()


def test_a_call_cannot_be_driven_from_inside_itself(loop, pair):
    """The socket's own fileno() is where Python code runs within a call."""
    seen = []

    class Nosy(socket.socket):
        def recv(self, size):
            if calls:
                seen.append(calls[0].cr_running)
                for drive in (lambda: calls[0].send(None), lambda: calls[0].throw(KeyError)):
                    with pytest.raises(ValueError, match="coroutine already executing"):
                        drive()
                with pytest.raises(ValueError):
                    calls[0].close()
            return super().recv(size)

    near = Nosy(fileno=pair[0].detach())
    with near:
        pair[1].send(b"hello")
        calls = [loop.sock_recv(near, 10)]
        assert run(loop, calls[0]) == b"hello"
    assert seen == [True]


@pytest.mark.parametrize("end", ["throw", "close", "cancel"])
def test_a_call_that_looks_a_name_up_can_be_ended(loop, end):
    looked_up = []

    class Resolver:
        async def getaddrinfo(self, *args, **kwargs):
            looked_up.append(1)
            try:
                await asyncio.sleep(20)
            finally:
                looked_up.append(2)

    loop.getaddrinfo = Resolver().getaddrinfo
    sock = socket.socket()
    sock.setblocking(False)
    with sock:
        if end == "cancel":

            async def main():
                task = asyncio.ensure_future(loop.sock_connect(sock, ("name.invalid", 80)))
                while not looked_up:
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

            run(loop, main())
        else:
            call = loop.sock_connect(sock, ("name.invalid", 80))
            waiting(loop, call)
            if end == "throw":
                assert thrown(call, KeyError("x"))[:2] == (KeyError, ("x",))
            else:
                call.close()
        turns(loop, 2)
    assert looked_up == [1, 2]
    del loop.getaddrinfo
