# SPDX-License-Identifier: MIT
"""sock_recv, sock_recv_into, sock_sendall, sock_connect, sock_accept (A26, A27)."""

import asyncio
import contextlib
import os
import socket
import threading

import pytest

from tests.tools import assert_usable, receive_exactly, run, shrink_buffers, socket_pair, until


@pytest.fixture
def pair(stream_kind):
    near, far = socket_pair(stream_kind)
    near.setblocking(False)
    far.settimeout(20)
    with near, far:
        yield near, far


def test_receive_what_is_there_and_what_comes(loop, pair):
    near, far = pair

    async def main():
        far.send(b"there")
        assert await loop.sock_recv(near, 100) == b"there"
        loop.call_later(0.005, far.send, b"comes")
        assert await loop.sock_recv(near, 3) == b"com"
        assert await loop.sock_recv(near, 3) == b"es"
        far.shutdown(socket.SHUT_WR)
        assert await loop.sock_recv(near, 100) == b""
        assert await loop.sock_recv(near, 0) == b""

    run(loop, main())


def test_receive_into(loop, pair):
    near, far = pair

    async def main():
        buffer = bytearray(10)
        far.send(b"hello")
        assert await loop.sock_recv_into(near, buffer) == 5
        assert buffer == b"hello\0\0\0\0\0"
        loop.call_later(0.005, far.send, b"later")
        assert await loop.sock_recv_into(near, memoryview(buffer)[5:]) == 5
        assert buffer == b"hellolater"

    run(loop, main())


def test_send_all(loop, pair):
    near, far = pair
    received = []

    async def main():
        data = bytes(range(256)) * 20_000
        thread = threading.Thread(target=lambda: received.append(receive_exactly(far, len(data))))
        thread.start()
        assert await loop.sock_sendall(near, data) is None
        await asyncio.to_thread(thread.join)
        assert received == [data]

    run(loop, main())


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_send_any_buffer(loop, pair, kind):
    near, far = pair
    run(loop, loop.sock_sendall(near, kind(b"hello")))
    assert far.recv(10) == b"hello"
    run(loop, loop.sock_sendall(near, kind(b"")))


def test_connect_and_accept(loop):
    async def main():
        with socket.socket() as listener, socket.socket() as client:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            listener.setblocking(False)
            client.setblocking(False)
            accepting = asyncio.ensure_future(loop.sock_accept(listener))
            await asyncio.sleep(0)
            assert await loop.sock_connect(client, listener.getsockname()) is None
            server, address = await accepting
            with server:
                assert address == client.getsockname()
                assert server.gettimeout() == 0
                await loop.sock_sendall(client, b"hello")
                assert await loop.sock_recv(server, 10) == b"hello"

    run(loop, main())


def test_connect_takes_the_error_before_the_address_goes(loop):
    """An address that only the call holds, and whose end sets errno."""

    class Host(str):
        def __del__(self):
            with contextlib.suppress(OSError):
                os.stat("/there is no such file")

    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as sock:
            sock.setblocking(False)
            port = listener.getsockname()[1]
            await loop.sock_connect(sock, (Host("127.0.0.1"), port))
            assert sock.getpeername()[1] == port

    run(loop, main())


def test_connect_by_name(loop):
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, ("localhost", listener.getsockname()[1]))

    run(loop, main())


def test_connect_to_a_unix_path(loop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    async def main():
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            listener.bind("sock")
            listener.listen()
            client.setblocking(False)
            await loop.sock_connect(client, "sock")

    run(loop, main())


def test_connect_refused(loop):
    with socket.socket() as reserved, socket.socket() as client:
        reserved.bind(("127.0.0.1", 0))
        client.setblocking(False)
        with pytest.raises(ConnectionRefusedError):
            run(loop, loop.sock_connect(client, reserved.getsockname()))
    assert_usable(loop)


@pytest.mark.hotloop_only(reason="asyncio claims success")
def test_a_full_unix_backlog_is_an_error_and_no_false_success(loop, tmp_path, monkeypatch):
    """The kernel says EAGAIN, and waiting for writability would then claim success."""
    monkeypatch.chdir(tmp_path)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind("sock")
        listener.listen(0)
        refused = None
        for _ in range(5):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            try:
                run(loop, loop.sock_connect(client, "sock"))
            except OSError as error:
                refused = error
            else:
                assert client.getpeername() == "sock"
        assert refused is not None


def test_a26_a_blocking_socket_in_debug_mode(loop):
    loop.set_debug(True)
    with socket.socket() as sock:
        for call in (
            lambda: loop.sock_recv(sock, 1),
            lambda: loop.sock_recv_into(sock, bytearray(1)),
            lambda: loop.sock_sendall(sock, b"x"),
            lambda: loop.sock_connect(sock, ("127.0.0.1", 1)),
            lambda: loop.sock_accept(sock),
        ):
            with pytest.raises(ValueError, match="the socket must be non-blocking"):
                run(loop, call())


def test_a26_junk(loop, pair):
    near, _ = pair
    with pytest.raises((TypeError, AttributeError)):
        run(loop, loop.sock_recv(None, 10))
    with pytest.raises(TypeError):
        run(loop, loop.sock_recv(near, "text"))
    with pytest.raises(TypeError):
        run(loop, loop.sock_sendall(near, None))
    with pytest.raises(TypeError):
        run(loop, loop.sock_sendall(near, "text"))
    with pytest.raises((TypeError, BufferError)):
        run(loop, loop.sock_recv_into(near, b"read only"))
    with pytest.raises((ValueError, OverflowError)):
        run(loop, loop.sock_recv(near, -1))
    assert_usable(loop)


def test_a26_a_closed_socket(loop):
    near, far = socket.socketpair()
    far.close()
    near.setblocking(False)
    near.close()
    with pytest.raises((OSError, ValueError)):
        run(loop, loop.sock_recv(near, 10))
    with pytest.raises((OSError, ValueError)):
        run(loop, loop.sock_sendall(near, b"x"))
    assert_usable(loop)


def test_a26_a_tls_socket_is_refused(loop):
    import ssl

    near, far = socket.socketpair()
    near.setblocking(False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    wrapped = context.wrap_socket(near, do_handshake_on_connect=False)
    with far, wrapped, pytest.raises(TypeError, match="Socket cannot be of type SSLSocket"):
        run(loop, loop.sock_recv(wrapped, 10))


def test_a27_a_second_receive_replaces_the_first(loop, pair):
    near, far = pair

    async def main():
        first = asyncio.ensure_future(loop.sock_recv(near, 10))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(loop.sock_recv(near, 10))
        await asyncio.sleep(0)
        far.send(b"x")
        assert await second == b"x"
        await asyncio.sleep(0.002)
        assert not first.done()
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()

    run(loop, main())
    assert_usable(loop)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a27_cancelled_in_either_order(loop, pair, order):
    near, far = pair

    async def main():
        tasks = []
        for _ in range(2):
            tasks.append(asyncio.ensure_future(loop.sock_recv(near, 10)))
            await asyncio.sleep(0)
        for index in order:
            tasks[index].cancel()
            await asyncio.sleep(0)
        await asyncio.wait(tasks)
        far.send(b"again")
        assert await loop.sock_recv(near, 10) == b"again"

    run(loop, main())


def test_cancelling_leaves_the_data(loop, pair):
    near, far = pair

    async def main():
        task = asyncio.ensure_future(loop.sock_recv(near, 10))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        far.send(b"kept")
        assert await loop.sock_recv(near, 10) == b"kept"

    run(loop, main())


def test_cancelling_a_send_in_the_middle(loop, pair):
    near, far = pair
    shrink_buffers(near, far)

    async def main():
        task = asyncio.ensure_future(loop.sock_sendall(near, b"x" * 20_000_000))
        await asyncio.sleep(0.002)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(loop, main())
    assert_usable(loop)


def test_send_and_receive_on_one_socket_at_once(loop, pair):
    near, far = pair
    shrink_buffers(near, far)

    async def main():
        sending = asyncio.ensure_future(loop.sock_sendall(near, b"o" * 3_000_000))
        receiving = asyncio.ensure_future(loop.sock_recv(near, 10))
        await asyncio.sleep(0)
        far.setblocking(False)
        await loop.sock_sendall(far, b"in")
        assert await receiving == b"in"
        got = 0
        while got < 3_000_000:
            got += len(await loop.sock_recv(far, 1 << 20))
        await sending

    run(loop, main())


def test_the_peer_resets(loop):
    near, far = socket_pair("tcp")
    near.setblocking(False)

    async def main():
        task = asyncio.ensure_future(loop.sock_recv(near, 10))
        await asyncio.sleep(0)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        far.close()
        with pytest.raises(ConnectionResetError):
            await task

    with near:
        run(loop, main())


def test_closing_the_loop_with_waits_pending(new_loop):
    loop = new_loop()
    near, far = socket.socketpair()
    near.setblocking(False)
    task = loop.create_task(loop.sock_recv(near, 10))
    loop.call_soon(loop.stop)
    loop.run_forever()
    task._log_destroy_pending = False
    loop.close()
    near.close()
    far.close()


def test_an_echo_of_many_sockets(loop):
    async def main():
        with contextlib.ExitStack() as stack:
            pairs = [socket.socketpair() for _ in range(50)]
            for near, far in pairs:
                near.setblocking(False)
                far.setblocking(False)
                stack.enter_context(near)
                stack.enter_context(far)

            async def echo(sock):
                while data := await loop.sock_recv(sock, 1000):
                    await loop.sock_sendall(sock, data)

            async def ask(sock, number):
                for round_ in range(20):
                    message = b"%d/%d" % (number, round_)
                    await loop.sock_sendall(sock, message)
                    assert await loop.sock_recv(sock, 100) == message
                sock.shutdown(socket.SHUT_WR)

            echoes = [asyncio.ensure_future(echo(near)) for near, _ in pairs]
            await asyncio.gather(*(ask(far, number) for number, (_, far) in enumerate(pairs)))
            await until(lambda: all(task.done() for task in echoes))

    run(loop, main())


@pytest.mark.parametrize(
    "name",
    [
        "sock_recv",
        "sock_recv_into",
        "sock_recvfrom",
        "sock_recvfrom_into",
        "sock_sendall",
        "sock_sendto",
        "sock_connect",
        "sock_accept",
    ],
)
def test_a26_too_few_arguments_or_unknown_ones(loop, name):
    method = getattr(loop, name)
    for args, kwargs in [((), {}), ((1,), {"nonsense": 2})]:
        with pytest.raises(TypeError):
            method(*args, **kwargs)


def test_arguments_by_name(loop, pair):
    near, far = pair
    far.send(b"hello")
    assert run(loop, loop.sock_recv(sock=near, n=3)) == b"hel"
    assert run(loop, loop.sock_recv_into(sock=near, buf=bytearray(2))) == 2
    run(loop, loop.sock_sendall(sock=near, data=b"you"))
    assert receive_exactly(far, 3) == b"you"


def test_an_empty_host_is_nobody(loop):
    with socket.socket() as sock:
        sock.setblocking(False)
        with pytest.raises(socket.gaierror):
            run(loop, loop.sock_connect(sock, ("", 1)))
    assert_usable(loop)


@pytest.mark.parametrize("answer", [5, [()]])
def test_a_look_up_that_answers_nonsense(loop, answer, monkeypatch):
    async def later(*args, **kwargs):
        return answer

    monkeypatch.setattr(loop, "getaddrinfo", later if answer != 5 else lambda *_, **__: answer)
    with socket.socket() as sock:
        sock.setblocking(False)
        with pytest.raises((TypeError, ValueError, IndexError)):
            run(loop, loop.sock_connect(sock, ("localhost", 1)))
    assert_usable(loop)


class Timed(socket.socket):
    """Tells its timeout in its own way."""

    def gettimeout(self):
        return self.answer()


def test_debug_mode_asks_the_socket_for_its_timeout(loop):
    near, far = socket.socketpair()
    with far, Timed(near.family, near.type, 0, near.detach()) as timed:
        far.send(b"x")
        timed.setblocking(False)
        loop.set_debug(True)
        timed.answer = int
        assert run(loop, loop.sock_recv(timed, 1)) == b"x"
        timed.answer = lambda: 1 // 0
        with pytest.raises(ZeroDivisionError):
            run(loop, loop.sock_recv(timed, 1))


@pytest.mark.hotloop_only(reason="asyncio lets nobody else run while there is something to receive")
def test_a_long_series_that_never_waits_lets_others_run(loop, pair):
    near, far = pair
    far.sendall(b"x" * 300)
    turned = []

    async def main():
        waiting = asyncio.ensure_future(loop.sock_recv(near, 300))
        await waiting
        waiting = asyncio.ensure_future(loop.sock_recv(near, 300))
        await asyncio.sleep(0)
        far.sendall(b"x" * 300)
        far.sendall(b"x" * len(await waiting))
        loop.call_soon(turned.append, 1)
        for _ in range(300):
            assert await loop.sock_recv(near, 1) == b"x"
            if turned:
                return True
        return False

    assert run(loop, main())
