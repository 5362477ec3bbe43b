# SPDX-License-Identifier: MIT
"""Sockets whose methods are somebody else's are asked by them; the coroutines of sock_* by hand."""

import asyncio
import contextlib
import gc
import os
import socket
import time
import warnings

import pytest

from tests.datagrams import close_all, endpoint
from tests.tools import assert_usable, connected, run, run_until, settle, turns


class Wrapped(socket.socket):
    """What libraries do: a subclass that counts, and refuses now and then."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.calls = []

    def _note(self, name):
        self.calls.append(name)
        if len(self.calls) % 2:
            raise BlockingIOError

    def recv(self, *args):
        self._note("recv")
        return super().recv(*args)

    def recv_into(self, *args):
        self._note("recv_into")
        return super().recv_into(*args)

    def send(self, data, *args):
        self._note("send")
        return super().send(data[:1000], *args)

    def accept(self):
        self._note("accept")
        sock, address = super().accept()
        return Wrapped(sock.family, sock.type, 0, sock.detach()), address

    def connect(self, address):
        self.calls.append("connect")
        return super().connect(address)

    def getsockopt(self, *args):
        self.calls.append("getsockopt")
        return super().getsockopt(*args)


def wrapped(sock):
    sock.setblocking(False)
    other = Wrapped(sock.family, sock.type, 0, sock.detach())
    other.setblocking(False)
    return other


@pytest.fixture
def pair():
    near, far = map(wrapped, socket.socketpair())
    with near, far:
        yield near, far


def test_its_own_methods_are_called(loop, pair):
    near, far = pair

    async def main():
        await loop.sock_sendall(near, b"x" * 5000)
        data = b""
        while len(data) < 3000:
            data += await loop.sock_recv(far, 3000 - len(data))
        into = bytearray(2000)
        got = await loop.sock_recv_into(far, into)
        return data, bytes(into[:got])

    data, into = run(loop, main())
    assert data == b"x" * 3000 and into == b"x" * 2000
    assert {"recv", "recv_into"} == set(far.calls) and set(near.calls) == {"send"}
    assert near.calls.count("send") >= 6


def test_accepting_and_connecting(loop):
    with Wrapped() as listener, Wrapped() as client:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        client.setblocking(False)

        async def main():
            accepting = loop.create_task(loop.sock_accept(listener))
            await loop.sock_connect(client, listener.getsockname())
            return await accepting

        sock, address = run(loop, main())
        with sock:
            assert isinstance(sock, Wrapped) and address == client.getsockname()
            assert sock.gettimeout() == 0
        assert "accept" in listener.calls and client.calls[0] == "connect"


def test_what_they_raise_comes_out(loop, pair):
    near, _ = pair

    def fails(*args):
        raise ZeroDivisionError

    near.send = near.recv = near.recv_into = fails
    for call in (
        loop.sock_sendall(near, b"x"),
        loop.sock_recv(near, 1),
        loop.sock_recv_into(near, bytearray(1)),
    ):
        with pytest.raises(ZeroDivisionError):
            run(loop, call)
    assert_usable(loop)


# The coroutines that sock_* return


def reading(loop):
    near, far = socket.socketpair()
    near.setblocking(False)
    return loop.sock_recv(near, 10), near, far


def test_driven_by_hand(loop):
    async def main():
        coroutine, near, far = reading(loop)
        with near, far:
            with pytest.raises(TypeError):
                coroutine.send("something")
            future = coroutine.send(None)
            assert asyncio.isfuture(future)
            far.send(b"hello")
            await asyncio.wait([future])
            with pytest.raises(StopIteration) as stopped:
                coroutine.send(None)
            assert stopped.value.value == b"hello"
            with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
                coroutine.send(None)

    run(loop, main())


@pytest.mark.parametrize("begun", [False, True])
def test_thrown_into(loop, begun):
    async def main():
        coroutine, near, far = reading(loop)
        with near, far:
            if begun:
                coroutine.send(None)
            with pytest.raises(ZeroDivisionError):
                coroutine.throw(ZeroDivisionError())
            with pytest.raises((RuntimeError, ZeroDivisionError)):
                coroutine.throw(ZeroDivisionError())

    run(loop, main())
    assert_usable(loop)


def test_a_stop_iteration_of_the_socket_is_no_result(loop):
    class Stopped(socket.socket):
        def recv(self, size):
            raise StopIteration(17)

    async def main():
        with Stopped() as sock:
            sock.setblocking(False)
            with pytest.raises(RuntimeError, match="coroutine raised StopIteration"):
                await loop.sock_recv(sock, 10)

    run(loop, main())


def test_a_stop_iteration_after_a_throw_is_no_result(loop, monkeypatch):
    """Thrown into the look-up, which answers nevertheless; then the socket raises it."""

    class Stopped(socket.socket):
        def connect(self, address):
            raise StopIteration(17)

    async def getaddrinfo(*_, **__):
        with contextlib.suppress(KeyError):
            await asyncio.Future(loop=loop)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))]

    async def main():
        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        with Stopped() as sock:
            sock.setblocking(False)
            call = loop.sock_connect(sock, ("a name", 1))
            call.send(None)
            with pytest.raises((RuntimeError, TypeError), match="StopIteration"):
                call.throw(KeyError())

    run(loop, main())


@pytest.mark.parametrize("begun", [False, True])
def test_closed(loop, begun):
    async def main():
        coroutine, near, far = reading(loop)
        with near, far:
            if begun:
                coroutine.send(None)
            assert coroutine.close() is None
            assert coroutine.close() is None
            far.send(b"not lost")
            return await loop.sock_recv(near, 100)

    assert run(loop, main()) == b"not lost"


def test_thrown_nonsense(loop):
    coroutine, near, far = reading(loop)
    with near, far:
        for junk in (42, int, "x"):
            with pytest.raises(TypeError):
                coroutine.throw(junk)
        with pytest.raises(TypeError):
            coroutine.throw()
        coroutine.close()
        far.send(b"x")
        assert run(loop, loop.sock_recv(near, 1)) == b"x"


def test_never_awaited(loop):
    coroutine, near, far = reading(loop)
    assert "sock_recv" in repr(coroutine)
    with near, far, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        del coroutine
        gc.collect()
    assert len(seen) == 1 and "was never awaited" in str(seen[0].message)
    assert seen[0].category is RuntimeWarning


def test_a_cycle_through_it_is_collected(loop):
    coroutine, near, far = reading(loop)
    with near, far, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        near_list = [coroutine]
        near_list.append(near_list)
        del coroutine, near_list
        gc.collect()
    assert_usable(loop)


# Descriptors that live on behind the loop's back (T6)


@pytest.mark.hotloop_only("asyncio spins, and never hears of the new one")
def test_t6_a_registration_that_outlives_its_number(loop):
    """The file is closed under add_reader() but lives on in a duplicate, and stays readable."""
    near, far = socket.socketpair()
    called = []
    loop.add_reader(near.fileno(), called.append, "old")
    settle(loop)
    number, duplicate = near.fileno(), os.dup(near.fileno())
    other, peer = socket.socketpair()
    near.close()
    try:
        os.dup2(other.fileno(), number)
        loop.remove_reader(number)
        loop.add_reader(number, called.append, "new")
        far.send(b"for nobody")
        settle(loop)
        assert called == []
        started = time.process_time()
        run(loop, asyncio.sleep(0.1))
        assert time.process_time() - started < 0.08, "a stale registration must not wake the loop"
        peer.send(b"x")
        run_until(loop, lambda: called)
        assert called[0] == "new"
        loop.remove_reader(number)
    finally:
        os.close(number)
        os.close(duplicate)
        for sock in (far, other, peer):
            sock.close()


@pytest.mark.hotloop_only("asyncio raises ValueError since the number is gone")
def test_t5_a_closed_socket_is_still_found(loop):
    near, far = socket.socketpair()
    with far:
        loop.add_reader(near, int)
        near.close()
        assert loop.remove_reader(near) is True


# The dictionary of extra information, which libraries read and replace


def test_extra_is_a_dictionary(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, _, _):
        assert set(transport._extra) >= {"socket", "sockname", "peername"}
        assert transport._extra["sockname"] == transport.get_extra_info("sockname")
        transport._extra["mine"] = 42
        assert transport.get_extra_info("mine") == 42
        transport._extra = {"peername": "another"}
        assert transport.get_extra_info("peername") == "another"
        assert transport.get_extra_info("nothing", 1) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [(17, TypeError), ((17, ("127.0.0.1", 1)), AttributeError), (KeyError, KeyError)],
    ids=["no pair", "no socket", "an error"],
)
def test_an_accept_that_answers_nonsense(loop, answer, error):
    class Odd(socket.socket):
        def accept(self):
            if answer is KeyError:
                raise KeyError("x")
            return answer

    with Odd() as listener:
        listener.setblocking(False)
        with pytest.raises(error):
            run(loop, loop.sock_accept(listener))
    assert_usable(loop)


def test_a_send_that_answers_nonsense(loop):
    class Odd(socket.socket):
        def send(self, data, flags=0):
            return "much"

    near, far = socket.socketpair()
    with far, Odd(fileno=near.detach()) as odd:
        odd.setblocking(False)
        with pytest.raises(TypeError):
            run(loop, loop.sock_sendall(odd, b"hello"))
    assert_usable(loop)


class Moody(socket.socket):
    """Of datagrams: each call takes the next of `moves`, if there is one."""

    moves: list

    def _move(self, usual):
        move = self.moves.pop(0) if self.moves else usual
        if move is usual:
            return usual()
        if isinstance(move, BaseException):
            raise move
        return move

    def recvfrom(self, *args):
        return self._move(lambda: socket.socket.recvfrom(self, *args))

    def sendto(self, *args):
        return self._move(lambda: socket.socket.sendto(self, *args))


@pytest.fixture
def moody(loop):
    """(transport, protocol, socket) of an endpoint over a Moody, and a plain socket."""
    sock = Moody(type=socket.SOCK_DGRAM)
    sock.moves = []
    sock.bind(("127.0.0.1", 0))
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(20)
        transport, protocol = endpoint(loop, sock=sock)
        yield transport, protocol, sock, other
        close_all(loop, transport)


@pytest.mark.parametrize("kind", [BlockingIOError, InterruptedError])
def test_nothing_to_receive_after_all(loop, moody, kind):
    _, protocol, sock, other = moody
    sock.moves.append(kind())
    other.sendto(b"x", sock.getsockname())
    run_until(loop, lambda: protocol.data)
    assert protocol.events[1:] == [("data", b"x")]


def test_an_error_of_receiving_reaches_the_protocol(loop, moody):
    _, protocol, sock, other = moody
    sock.moves.append(ConnectionRefusedError("asked"))
    other.sendto(b"x", sock.getsockname())
    run_until(loop, lambda: protocol.data)
    assert protocol.events[1:] == [("error", ConnectionRefusedError), ("data", b"x")]


def test_a_datagram_that_is_no_pair(loop, moody, reports):
    _, protocol, sock, other = moody
    sock.moves.append((1, 2, 3))
    other.sendto(b"x", sock.getsockname())
    run_until(loop, lambda: protocol.lost or reports)
    assert isinstance(reports[0]["exception"], ValueError)


@pytest.mark.parametrize("kind", [BlockingIOError, InterruptedError])
def test_datagrams_that_must_wait_leave_later(loop, moody, kind):
    transport, _, sock, other = moody
    sock.moves += [kind(), kind()]
    transport.sendto(b"one", other.getsockname())
    turns(loop)
    transport.sendto(b"two", other.getsockname())
    gc.collect()
    other.setblocking(False)
    got = []

    def both():
        with contextlib.suppress(BlockingIOError):
            got.append(other.recv(10))
        return len(got) == 2

    run_until(loop, both)
    assert got == [b"one", b"two"]
