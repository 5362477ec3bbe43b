# SPDX-License-Identifier: MIT
"""Calls with arguments that cannot be meant: the error is asyncio's, and the loop goes on."""

from __future__ import annotations

import asyncio
import contextvars
import socket

import pytest

from tests.tools import assert_usable, connected, run, turns

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outside")


class Stubborn:
    """Something goes wrong whatever is asked of it."""

    def __getattr__(self, name):
        raise KeyError(name)

    def fileno(self):
        raise KeyError("fileno")


async def nothing():
    pass


SCHEDULING = {
    "call_soon without anything": lambda loop: loop.call_soon(),
    "call_soon with a wrong name": lambda loop: loop.call_soon(int, other=1),
    "call_soon by name with a wrong one": lambda loop: loop.call_soon(callback=int, other=1),
    "call_soon twice": lambda loop: loop.call_soon(int, callback=int),
    "call_soon_threadsafe without anything": lambda loop: loop.call_soon_threadsafe(),
    "call_soon_threadsafe with a wrong name": lambda loop: loop.call_soon_threadsafe(int, other=1),
    "call_later without a callback": lambda loop: loop.call_later(1),
    "call_later twice the delay": lambda loop: loop.call_later(1, int, delay=1),
    "call_later by name with a wrong one": lambda loop: loop.call_later(
        delay=1, callback=int, other=1
    ),
    "call_later with a word": lambda loop: loop.call_later("soon", int),
    "call_at without a callback": lambda loop: loop.call_at(1),
    "call_at with a wrong name": lambda loop: loop.call_at(1, int, other=1),
    "create_task without anything": lambda loop: loop.create_task(),
    "create_task of no coroutine": lambda loop: loop.create_task(17),
    "create_task of what has no type to ask": lambda loop: loop.create_task(object()),
    "set_task_factory of no callable": lambda loop: loop.set_task_factory(17),
    "set_exception_handler of no callable": lambda loop: loop.set_exception_handler(17),
    "run_until_complete of no awaitable": lambda loop: loop.run_until_complete(17),
    "set_debug of nothing": lambda loop: loop.set_debug(),
    "a future with a loop that is none": lambda loop: type(loop.create_future())(loop=17),
}


@pytest.mark.parametrize("name", SCHEDULING)
def test_scheduling(loop, name):
    with pytest.raises((TypeError, AttributeError)):
        SCHEDULING[name](loop)
    assert_usable(loop)


def test_create_task_with_a_wrong_name(loop):
    coroutine = nothing()
    with pytest.raises(TypeError):
        loop.create_task(coroutine, other=1)
    coroutine.close()
    assert_usable(loop)


@pytest.mark.parametrize("method", ["call_soon", "call_soon_threadsafe", "call_later", "call_at"])
def test_all_by_name_and_in_a_context(loop, method):
    context = contextvars.copy_context()
    context.run(variable.set, "inside")
    seen = []
    first = {"call_later": {"delay": 0}, "call_at": {"when": loop.time()}}.get(method, {})
    schedule = getattr(loop, method)
    schedule(**first, callback=lambda: seen.append(variable.get()), context=context)
    schedule(**first, callback=lambda: seen.append(variable.get()))
    loop.call_later(0.005, loop.stop)
    loop.run_forever()
    assert seen == ["inside", "outside"]


WATCHING = {
    "without anything": (lambda add, sock: add(), TypeError),
    "without a callback": (lambda add, sock: add(sock), TypeError),
    "with a wrong name": (lambda add, sock: add(sock, int, other=1), TypeError),
    "of a word": (lambda add, sock: add("word", int), ValueError),
    "of what has no fileno": (lambda add, sock: add(object(), int), ValueError),
    "of what fails to say its number": (lambda add, sock: add(Stubborn(), int), KeyError),
    "of a negative number": (lambda add, sock: add(-1, int), ValueError),
    "of a closed socket": (lambda add, sock: add(closed(), int), ValueError),
    "of a number that is too large": (lambda add, sock: add(1 << 40, int), OverflowError),
}


def closed():
    sock = socket.socket()
    sock.close()
    return sock


@pytest.mark.parametrize("side", ["reader", "writer"])
@pytest.mark.parametrize("name", WATCHING)
def test_watching(loop, side, name):
    call, kind = WATCHING[name]
    near, far = socket.socketpair()
    with near, far:
        with pytest.raises(kind):
            call(getattr(loop, f"add_{side}"), near)
        assert getattr(loop, f"remove_{side}")(near) is False
    assert_usable(loop)


SOCKETS = {
    "sock_recv of a word": (lambda loop, sock: loop.sock_recv("word", 1), AttributeError),
    "sock_recv of a negative number": (lambda loop, sock: loop.sock_recv(sock, -1), ValueError),
    "sock_recv of no number": (lambda loop, sock: loop.sock_recv(sock, "x"), TypeError),
    "sock_recv_into of bytes": (lambda loop, sock: loop.sock_recv_into(sock, b"x"), TypeError),
    "sock_recvfrom of no number": (lambda loop, sock: loop.sock_recvfrom(sock, "x"), TypeError),
    "sock_sendall of a number": (lambda loop, sock: loop.sock_sendall(sock, 17), TypeError),
    "sock_sendto of a number": (lambda loop, sock: loop.sock_sendto(sock, 17, "x"), TypeError),
}


@pytest.mark.parametrize("name", SOCKETS)
def test_socket_calls(loop, name):
    call, kind = SOCKETS[name]

    async def main():
        await call(loop, near)

    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        with pytest.raises(kind):
            run(loop, main())
    assert_usable(loop)


@pytest.mark.parametrize(
    "address",
    [("127.0.0.1", 65536), ("127.0.0.1", -1), ("127.0.0.1", None), ("127.0.0.1", "x"), (), 17,
     ("127.0.0.1",), (17, 80), ("::1", 1, 1 << 20), ("::1", 1, -1), ("::1", 1, 0, "x")],
)  # fmt: skip
def test_connecting_to_what_is_no_address(loop, address):
    family = socket.AF_INET6 if "::1" in str(address) else socket.AF_INET

    async def main(sock):
        await asyncio.wait_for(loop.sock_connect(sock, address), 10)

    with socket.socket(family) as sock:
        sock.setblocking(False)
        with pytest.raises((OSError, TypeError, OverflowError, ValueError, IndexError)):
            run(loop, main(sock))
    assert_usable(loop)


@pytest.mark.parametrize(
    "options",
    [{"family": 1 << 40}, {"type": "x"}, {"proto": -(1 << 40)}, {"flags": None}],
    ids=str,
)
def test_looking_up_with_hints_that_are_no_numbers(loop, options):
    with pytest.raises((OverflowError, TypeError)):
        run(loop, loop.getaddrinfo("127.0.0.1", 80, **options))


@pytest.mark.parametrize(
    "address",
    [("127.0.0.1", 80, 0), ("127.0.0.1", "x"), ("::1", 80, 1 << 20), 17, ("no number", 80)],
    ids=str,
)
def test_looking_up_the_name_of_what_is_no_address(loop, address):
    with pytest.raises((OSError, TypeError, OverflowError)):
        run(loop, loop.getnameinfo(address))


TRANSPORTS = {
    "write": lambda transport: transport.write("word"),
    "writelines of a number": lambda transport: transport.writelines(17),
    "writelines of words": lambda transport: transport.writelines(["x"]),
    "write nothing": lambda transport: transport.write(),
    "get_extra_info": lambda transport: transport.get_extra_info(),
    "limits by word": lambda transport: transport.set_write_buffer_limits("x"),
    "limits with a wrong name": lambda transport: transport.set_write_buffer_limits(other=1),
    "set_protocol": lambda transport: transport.set_protocol(),
}


@pytest.mark.parametrize("name", TRANSPORTS)
def test_transports(loop, stream_kind, name):
    with connected(loop, stream_kind) as (transport, _, far):
        with pytest.raises(TypeError):
            TRANSPORTS[name](transport)
        transport.write(b"still here")
        turns(loop, 2)
        assert far.recv(100) == b"still here"


@pytest.mark.parametrize("limits", [{"high": 1, "low": 2}, {"high": -1}], ids=str)
def test_limits_the_wrong_way_round(loop, stream_kind, limits):
    with connected(loop, stream_kind) as (transport, *_):
        before = transport.get_write_buffer_limits()
        with pytest.raises(ValueError):
            transport.set_write_buffer_limits(**limits)
        assert transport.get_write_buffer_limits() == before


def test_futures(loop):
    future = loop.create_future()
    for call in (
        lambda: future.add_done_callback(),
        lambda: future.add_done_callback(int, other=1),
        lambda: future.set_result(),
        lambda: future.set_exception(17),
        lambda: future.cancel(1, 2),
        lambda: future.remove_done_callback(),
    ):
        with pytest.raises(TypeError):
            call()
    assert not future.done()
