# SPDX-License-Identifier: MIT
"""What goes wrong with a datagram is told and the endpoint goes on; what cannot be sent ends it."""

from __future__ import annotations

import errno
import socket
import time

import pytest

from tests.datagrams import Datagrams, close_all, endpoint, pair
from tests.tools import assert_usable, run, run_until, settle, turns

IP_RECVERR = 11  # Linux; the socket module has no name for it in 3.11


@pytest.fixture
def dead():
    """An address where nobody listens."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        name = sock.getsockname()
    return name


def test_n11_a_port_where_nobody_listens(loop, dead):
    transport, protocol = endpoint(loop, remote_addr=dead)
    transport.sendto(b"anybody?")
    run_until(loop, lambda: protocol.errors)
    assert [type(error) for error in protocol.errors] == [ConnectionRefusedError]
    assert not transport.is_closing()
    transport.sendto(b"and now?")
    run_until(loop, lambda: len(protocol.errors) == 2)
    close_all(loop, transport)
    assert protocol.events[-1] == ("lost", None)


def test_the_endpoint_goes_on_after_an_error(loop, dead):
    transport, protocol = endpoint(loop, remote_addr=dead)
    transport.sendto(b"lost")
    run_until(loop, lambda: protocol.errors)
    with socket.socket(type=socket.SOCK_DGRAM) as late:
        late.bind(dead)
        late.settimeout(10)
        transport.sendto(b"heard")
        settle(loop)
        data, address = late.recvfrom(100)
        assert data == b"heard"
        late.sendto(b"answer", address)
        run_until(loop, lambda: protocol.data)
    close_all(loop, transport)


def test_35_one_that_is_too_large(loop):
    near, ours, far, theirs = pair(loop)

    async def main():
        near.sendto(b"before")
        near.sendto(b"x" * 70_000)
        assert [error.errno for error in ours.errors] == [errno.EMSGSIZE]
        near.sendto(b"after")

    run(loop, main())
    run_until(loop, lambda: len(theirs.data) == 2)
    assert [data for data, _ in theirs.data] == [b"before", b"after"]
    close_all(loop, near, far)


def test_one_bad_datagram_among_good_ones(loop, tmp_path):
    """Each has its own chance: a unix path that is not there fails alone."""
    far, theirs = endpoint(loop, local_addr=str(tmp_path / "far"), family=socket.AF_UNIX)
    near, ours = endpoint(loop, local_addr=str(tmp_path / "near"), family=socket.AF_UNIX)

    async def main():
        near.sendto(b"1", str(tmp_path / "far"))
        near.sendto(b"2", str(tmp_path / "nobody"))
        near.sendto(b"3", str(tmp_path / "far").encode())

    run(loop, main())
    run_until(loop, lambda: len(theirs.data) == 2 and ours.errors)
    assert [data for data, _ in theirs.data] == [b"1", b"3"]
    assert [type(error) for error in ours.errors] == [FileNotFoundError]
    close_all(loop, near, far)


def test_a_name_that_does_not_exist(loop):
    transport, protocol = endpoint(loop, local_addr=("127.0.0.1", 0))
    transport.sendto(b"x", ("no such host", 9))
    assert [type(error) for error in protocol.errors] == [socket.gaierror]
    assert not transport.is_closing()
    close_all(loop, transport)


@pytest.mark.parametrize("data", ["text", 7, None, [1]])
def test_what_is_no_bytes(loop, data):
    transport, _ = endpoint(loop, local_addr=("127.0.0.1", 0))
    kind = type(data).__name__
    with pytest.raises(TypeError, match=f"data argument must be a bytes-like object, not '{kind}'"):
        transport.sendto(data, ("127.0.0.1", 9))
    close_all(loop, transport)


@pytest.mark.parametrize(
    ("address", "error"),
    [
        (None, TypeError),
        (7, TypeError),
        (("127.0.0.1",), TypeError),
        ((5, 80), TypeError),
        (("127.0.0.1", 99_999), OverflowError),
        (("127.0.0.1", 1 << 70), OverflowError),
        (("127.0.0.1", "9"), TypeError),
        ((b"127.0.0.1\0", 9), (TypeError, ValueError)),
        (("::1", 9), OSError),
    ],
)
def test_an_address_that_is_none_ends_the_endpoint(loop, reports, address, error):
    transport, protocol = endpoint(loop, local_addr=("127.0.0.1", 0))
    transport.sendto(b"x", address)
    settle(loop)
    if error is OSError:
        assert [isinstance(error, OSError) for error in protocol.errors] == [True]
        close_all(loop, transport)
        return
    [report] = reports
    assert report["message"] == "Fatal write error on datagram transport"
    assert isinstance(report["exception"], error)
    assert report["transport"] is transport
    assert protocol.events == ["made", ("lost", report["exception"])]


def test_a_buffer_with_holes_ends_the_endpoint(loop, reports):
    transport, protocol = endpoint(loop, local_addr=("127.0.0.1", 0))
    transport.sendto(memoryview(b"abcd")[::2], ("127.0.0.1", 9))
    settle(loop)
    assert [type(report["exception"]) for report in reports] == [BufferError]
    assert protocol.lost


def test_another_address_than_the_connected_one(loop):
    near, _, far, theirs = pair(loop)
    name = far.get_extra_info("sockname")
    with pytest.raises(ValueError, match="Invalid address: must be None or"):
        near.sendto(b"x", ("127.0.0.1", 9))
    near.sendto(b"same", (name[0], name[1]))
    near.sendto(data=b"by name", addr=name)
    run_until(loop, lambda: len(theirs.data) == 2)
    close_all(loop, near, far)


def test_a_protocol_that_raises_is_reported(loop, reports):
    class Failing(Datagrams):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            raise LookupError(data)

    near, _, far, theirs = pair(loop, far=Failing())
    near.sendto(b"1")
    near.sendto(b"2")
    run_until(loop, lambda: len(theirs.data) == 2)
    assert [report["exception"].args[0] for report in reports] == [b"1", b"2"]
    assert all("Exception in callback" in report["message"] for report in reports)
    assert not far.is_closing()
    close_all(loop, near, far)


def test_error_received_that_raises_is_reported(loop, reports, dead):
    class Failing(Datagrams):
        def error_received(self, exc):
            super().error_received(exc)
            raise LookupError("as well")

    transport, protocol = endpoint(loop, Failing(), remote_addr=dead)
    transport.sendto(b"x")
    run_until(loop, lambda: protocol.errors)
    settle(loop)
    assert [type(report["exception"]) for report in reports] == [LookupError]
    close_all(loop, transport)


@pytest.mark.parametrize("missing", ["datagram_received", "error_received", "connection_lost"])
def test_a_method_that_is_missing_is_reported(loop, reports, dead, missing):
    class Partial:
        def connection_made(self, transport):
            pass

        def __getattr__(self, name):
            if name == missing:
                raise AttributeError(name)
            return lambda *args: None

    transport, _ = endpoint(loop, Partial(), local_addr=("127.0.0.1", 0))
    transport.sendto(b"x", transport.get_extra_info("sockname"))
    settle(loop)
    close_all(loop, transport)
    refused, _ = endpoint(loop, Partial(), remote_addr=dead)
    refused.sendto(b"x")
    settle(loop)
    close_all(loop, refused)
    kinds = {type(report["exception"]) for report in reports}
    assert kinds == {AttributeError}, reports


@pytest.mark.parametrize("leaving", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("method", ["datagram_received", "error_received"])
def test_exits_leave_the_loop(loop, dead, leaving, method):
    class Leaving(Datagrams):
        armed = True

        def leave(self):
            if self.armed:
                self.armed = False
                raise leaving("leaving")

        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            self.leave()

        def error_received(self, exc):
            super().error_received(exc)
            self.leave()

    if method == "error_received":
        transport, protocol = endpoint(loop, Leaving(), remote_addr=dead)
        transport.sendto(b"x")
    else:
        transport, protocol = endpoint(loop, Leaving(), local_addr=("127.0.0.1", 0))
        for number in b"abc":
            transport.sendto(bytes([number]), transport.get_extra_info("sockname"))
    loop.call_later(10, loop.stop)
    with pytest.raises(leaving, match="leaving"):
        loop.run_forever()
    if method == "datagram_received":
        run_until(loop, lambda: len(protocol.data) == 3)  # the rest of the batch is not lost
        assert [data for data, _ in protocol.data] == [b"a", b"b", b"c"]
    assert_usable(loop)
    close_all(loop, transport)


def test_after_the_end_sending_does_nothing(loop, asyncio_log):
    near, ours, far, theirs = pair(loop)
    close_all(loop, near)
    for _ in range(5):
        near.sendto(b"x")
    assert "socket.send() raised exception." in asyncio_log.messages
    settle(loop)
    assert theirs.data == []
    near.close()
    near.abort()
    settle(loop)
    assert ours.events == ["made", ("lost", None)]
    close_all(loop, far)


@pytest.mark.hotloop_only("asyncio raises AttributeError")
def test_after_the_end_of_an_unconnected_one(loop, asyncio_log):
    transport, _ = endpoint(loop, local_addr=("127.0.0.1", 0))
    name = transport.get_extra_info("sockname")
    close_all(loop, transport)
    for _ in range(5):
        transport.sendto(b"x", name)
    assert asyncio_log.messages == ["socket.send() raised exception."]


@pytest.mark.hotloop_only("asyncio recurses until RecursionError")
def test_error_received_that_sends_again(loop, tmp_path):
    class Stubborn(Datagrams):
        def error_received(self, exc):
            super().error_received(exc)
            self.transport.sendto(b"again", str(tmp_path / "nobody"))

    transport, protocol = endpoint(
        loop, Stubborn(), local_addr=str(tmp_path / "s"), family=socket.AF_UNIX
    )
    transport.sendto(b"once", str(tmp_path / "nobody"))
    run_until(loop, lambda: len(protocol.errors) > 3)
    assert_usable(loop)
    transport.abort()
    settle(loop)


@pytest.mark.parametrize("method", ["close", "abort"])
def test_error_received_that_ends_the_endpoint(loop, tmp_path, method):
    class Ending(Datagrams):
        def error_received(self, exc):
            super().error_received(exc)
            getattr(self.transport, method)()

    transport, protocol = endpoint(
        loop, Ending(), local_addr=str(tmp_path / "s"), family=socket.AF_UNIX
    )
    transport.sendto(b"x", str(tmp_path / "nobody"))
    settle(loop)
    assert [event for event in protocol.events if event[0] == "lost"] == [("lost", None)]
    assert len(protocol.errors) == 1


@pytest.mark.hotloop_only("asyncio spins")
def test_an_error_queue_that_nobody_reads_does_not_spin(loop, dead):
    transport, protocol = endpoint(loop, local_addr=("127.0.0.1", 0))
    transport.get_extra_info("socket").setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    transport.sendto(b"x", dead)
    run_until(loop, lambda: protocol.errors)
    assert [type(error) for error in protocol.errors] == [ConnectionRefusedError]
    turns(loop, 100)
    loop.call_later(0.2, loop.stop)
    start = time.process_time()
    loop.run_forever()
    assert time.process_time() - start < 0.15
    close_all(loop, transport)


@pytest.mark.hotloop_only("asyncio closes the socket under what is sent after abort()")
def test_error_received_that_drops_the_queue_and_sends(loop, tmp_path):
    """What is in the queue afterwards is another queue, and a shorter one."""

    class Dropping(Datagrams):
        def error_received(self, exc):
            super().error_received(exc)
            self.transport.abort()
            self.transport.sendto(b"late", str(tmp_path / "nobody"))

    transport, protocol = endpoint(
        loop, Dropping(), local_addr=str(tmp_path / "s"), family=socket.AF_UNIX
    )

    async def main():
        for _ in range(20):
            transport.sendto(b"x", str(tmp_path / "nobody"))

    run(loop, main())
    settle(loop)
    assert len(protocol.errors) >= 1
    assert protocol.events[-1] == ("lost", None)


@pytest.mark.parametrize(
    ("address", "kind"),
    [(("<broadcast>", 9), PermissionError), (("127.0.0.1", 65536), OverflowError),
     (("127.0.0.1", "x"), (TypeError, OSError)), (17, TypeError), (("127.0.0.1",), TypeError)],
    ids=str,
)  # fmt: skip
def test_an_address_that_cannot_be_sent_to(loop, address, kind):
    """What is an OSError goes to the protocol and the endpoint goes on; what is none ends it."""
    contexts = []
    loop.set_exception_handler(lambda _, context: contexts.append(context))
    transport, protocol = endpoint(loop, local_addr=("127.0.0.1", 0))
    transport.sendto(b"x", address)
    settle(loop)
    told = protocol.errors or [context["exception"] for context in contexts]
    assert len(told) == 1 and isinstance(told[0], kind)
    assert transport.is_closing() is not isinstance(told[0], OSError)
    close_all(loop, transport)


def test_the_empty_host_is_this_machine(loop):
    transport, protocol = endpoint(loop, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    transport.sendto(b"x", ("", port))
    run_until(loop, lambda: protocol.data)
    close_all(loop, transport)


def test_too_few_arguments(loop):
    transport, _ = endpoint(loop, local_addr=("127.0.0.1", 0))
    with pytest.raises(TypeError):
        transport.sendto()
    close_all(loop, transport)
