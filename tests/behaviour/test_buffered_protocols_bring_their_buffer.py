# SPDX-License-Identifier: MIT
"""BufferedProtocol: get_buffer, buffer_updated, and buffers that misbehave (U7, U8)."""

import socket
import threading

import pytest

from tests.tools import BufferedRecorder, connected, run_until


def test_data_lands_in_the_protocols_buffer(loop, stream_kind):
    with connected(loop, stream_kind, BufferedRecorder()) as (_, protocol, peer):
        peer.sendall(b"hello")
        run_until(loop, lambda: protocol.data == b"hello")
        peer.shutdown(socket.SHUT_WR)
        run_until(loop, lambda: protocol.lost)
        assert protocol.events[0] == "made" and protocol.events[-2:] == ["eof", "lost"]
        assert protocol.error is None and all(hint == -1 for hint in protocol.hints)


@pytest.mark.parametrize("size", [1, 7, 4096, 1_000_000])
def test_a_megabyte_through_buffers_of_any_size(loop, stream_kind, size):
    total = 1_000_000 if size > 10 else 20_000
    data = bytes(range(256)) * (total // 256 + 1)
    with connected(loop, stream_kind, BufferedRecorder(size)) as (_, protocol, peer):
        thread = threading.Thread(target=peer.sendall, args=(data,))
        thread.start()
        run_until(loop, lambda: len(protocol.data) == len(data))
        thread.join()
        assert protocol.data == data


class Evil(BufferedRecorder):
    """get_buffer gives what `give` makes."""

    give = staticmethod(lambda self: bytearray(10))

    def get_buffer(self, sizehint):
        return self.give(self)


@pytest.mark.parametrize(
    "give",
    [
        lambda self: bytearray(),
        lambda self: b"read only",
        lambda self: None,
        lambda self: 42,
        lambda self: "text",
        lambda self: memoryview(b"x" * 10),
        lambda self: 1 / 0,
    ],
    ids=["empty", "bytes", "none", "int", "str", "read-only view", "raises"],
)
def test_u7_a_bad_buffer_is_fatal_to_the_connection(loop, stream_kind, reports, give):
    protocol = Evil()
    protocol.give = give
    with connected(loop, stream_kind, protocol) as (_, _, peer):
        peer.sendall(b"x" * 100)
        run_until(loop, lambda: protocol.lost)
        assert isinstance(protocol.error, Exception)
        (report,) = reports
        assert report["exception"] is protocol.error
        assert report["message"] in (
            "Fatal error: protocol.get_buffer() call failed.",
            "Fatal read error on socket transport",
        )


def test_u7_the_empty_buffers_message(loop, stream_kind, reports):
    protocol = Evil()
    protocol.give = lambda self: bytearray()
    with connected(loop, stream_kind, protocol) as (_, _, peer):
        peer.sendall(b"x")
        run_until(loop, lambda: protocol.lost)
        assert str(protocol.error) == "get_buffer() returned an empty buffer"


def test_u7_a_view_that_is_not_contiguous(loop, stream_kind, reports):
    protocol = Evil()
    protocol.give = lambda self: memoryview(bytearray(100))[::2]
    with connected(loop, stream_kind, protocol) as (_, _, peer):
        peer.sendall(b"x" * 100)
        run_until(loop, lambda: protocol.lost or protocol.data)
        assert protocol.lost == bool(reports)


def test_u7_a_view_that_is_released_behind_our_back(loop, stream_kind, asyncio_log):
    class Releases(BufferedRecorder):
        def get_buffer(self, sizehint):
            self.view = memoryview(self.buffer)
            return self.view

        def buffer_updated(self, nbytes):
            super().buffer_updated(nbytes)
            self.view.release()

    with connected(loop, stream_kind, Releases()) as (_, protocol, peer):
        for _ in range(10):
            peer.sendall(b"x" * 100)
            size = len(protocol.data)
            run_until(loop, lambda size=size: len(protocol.data) > size)
        assert set(protocol.data) == {ord("x")}


def test_u7_a_buffer_resized_between_reads(loop, stream_kind):
    class Resizes(BufferedRecorder):
        def buffer_updated(self, nbytes):
            super().buffer_updated(nbytes)
            self.buffer.clear()
            self.buffer.extend(bytes(1 + len(self.data) % 50))

    with connected(loop, stream_kind, Resizes()) as (_, protocol, peer):
        peer.sendall(b"x" * 3000)
        run_until(loop, lambda: len(protocol.data) == 3000)


def test_u8_buffer_updated_that_raises(loop, stream_kind, reports):
    class Fails(BufferedRecorder):
        def buffer_updated(self, nbytes):
            raise ZeroDivisionError

    with connected(loop, stream_kind, Fails()) as (_, protocol, peer):
        peer.sendall(b"x")
        run_until(loop, lambda: protocol.lost)
        assert isinstance(protocol.error, ZeroDivisionError)
        assert reports[0]["message"] == "Fatal error: protocol.buffer_updated() call failed."


@pytest.mark.parametrize("how", ["close", "abort"])
def test_u8_get_buffer_that_closes_the_transport(loop, stream_kind, how, asyncio_log):
    class Leaves(BufferedRecorder):
        def get_buffer(self, sizehint):
            getattr(self.transport, how)()
            return super().get_buffer(sizehint)

    with connected(loop, stream_kind, Leaves()) as (_, protocol, peer):
        peer.sendall(b"x")
        run_until(loop, lambda: protocol.lost)
        assert protocol.events.count("lost") == 1


@pytest.mark.parametrize("how", ["close", "abort"])
def test_buffer_updated_that_closes_the_transport(loop, stream_kind, how):
    class Leaves(BufferedRecorder):
        def buffer_updated(self, nbytes):
            super().buffer_updated(nbytes)
            getattr(self.transport, how)()

    with connected(loop, stream_kind, Leaves()) as (_, protocol, peer):
        peer.sendall(b"x" * 10_000)
        run_until(loop, lambda: protocol.lost)
        assert protocol.events == ["made", "data", "lost"] and protocol.error is None


def test_pausing_in_buffer_updated(loop, stream_kind):
    class Pauses(BufferedRecorder):
        def buffer_updated(self, nbytes):
            super().buffer_updated(nbytes)
            self.transport.pause_reading()
            self.transport.get_extra_info("socket")
            resume.append(self.transport.resume_reading)

    resume = []
    with connected(loop, stream_kind, Pauses(100)) as (_, protocol, peer):
        peer.sendall(b"x" * 1000)
        for number in range(1, 11):
            run_until(loop, lambda number=number: len(protocol.data) == 100 * number)
            resume.pop()()
