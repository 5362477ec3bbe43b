# SPDX-License-Identifier: MIT
"""pause_writing and resume_writing over TLS: once each, at the marks, whatever they do."""

import pytest

from tests.tls import HIGH, secured, talk
from tests.tools import Recorder, run_until, settle, shrink_buffers


def write_pieces(transport, number, byte=b"x"):
    """So many megabytes: asyncio counts what the transport below holds only from the second on."""
    for _ in range(number):
        transport.write(byte * 1_000_000)


def test_a_slow_reader_pauses_the_writer_once(loop, certificates, stream_kind, side):
    with secured(loop, certificates, stream_kind, side) as (transport, protocol, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer.sock)
        pieces = 16 if stream_kind == "tcp" else 4  # the kernel takes megabytes for TCP
        write_pieces(transport, pieces)
        assert protocol.names == ["made", "pause"]
        assert transport.get_write_buffer_size() > HIGH
        settle(loop)
        assert protocol.names == ["made", "pause"]
        talk(loop, peer, lambda: len(peer.data) == pieces * 1_000_000)
        assert protocol.names == ["made", "pause", "resume"]
        assert transport.get_write_buffer_size() == 0


def test_a_writer_that_heeds_the_marks_needs_little_memory(loop, certificates, side):
    class Heeds(Recorder):
        left = 5_000_000
        may = True
        largest = 0

        def go_on(self):
            while self.may and self.left:
                self.left -= 50_000
                self.transport.write(b"x" * 50_000)
                self.largest = max(self.largest, self.transport.get_write_buffer_size())

        def pause_writing(self):
            self.may = False

        def resume_writing(self):
            self.may = True
            self.go_on()

    with secured(loop, certificates, "unix", side, Heeds()) as (_, protocol, peer):
        protocol.go_on()
        talk(loop, peer, lambda: len(peer.data) == 5_000_000)
        assert protocol.largest < HIGH + 200_000 and not protocol.left


def test_the_marks_can_be_set(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, protocol, peer):
        assert transport.get_write_buffer_limits() == (HIGH // 4, HIGH)
        transport.set_write_buffer_limits(high=4000)
        assert transport.get_write_buffer_limits() == (1000, 4000)
        transport.set_write_buffer_limits(low=1000)
        assert transport.get_write_buffer_limits() == (1000, 4000)
        transport.set_write_buffer_limits(high=20, low=10)
        assert transport.get_write_buffer_limits() == (10, 20)
        for wrong, high, low in (
            ({"high": 1, "low": 2}, 1, 2),
            ({"high": -5}, -5, -2),
            ({"low": -1}, -4, -1),
        ):
            with pytest.raises(ValueError) as caught:
                transport.set_write_buffer_limits(**wrong)
            assert str(caught.value) == f"high ({high}) must be >= low ({low}) must be >= 0"
        assert transport.get_write_buffer_limits() == (10, 20)
        assert protocol.names == ["made"]
        transport.write(b"z" * 1000)
        talk(loop, peer, lambda: len(peer.data) == 1000)


def test_a_mark_of_zero(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, protocol, peer):
        transport.set_write_buffer_limits(high=0)
        assert transport.get_write_buffer_limits() == (0, 0)
        for _ in range(3):
            transport.write(b"0" * 100)
            talk(loop, peer, lambda: peer.data.endswith(b"0"))
        settle(loop)
        # asyncio pauses at an empty buffer too, and resumes with whatever comes next.
        assert abs(protocol.names.count("pause") - protocol.names.count("resume")) <= 1


@pytest.mark.parametrize("name", ["pause_writing", "resume_writing"])
def test_x5_they_may_raise(loop, certificates, side, name, reports):
    def fails(self):
        self.events.append(name)
        raise ZeroDivisionError

    kind = type("Fails", (Recorder,), {name: fails})
    with secured(loop, certificates, "unix", side, kind()) as (transport, protocol, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer.sock)
        write_pieces(transport, 3)
        talk(loop, peer, lambda: len(peer.data) == 3_000_000)
        assert not protocol.lost and protocol.names.count(name) == 1
        assert [report["message"] for report in reports] == [f"protocol.{name}() failed"]
        assert type(reports[0]["exception"]) is ZeroDivisionError


def test_tls13_writing_in_resume_writing(loop, certificates, side):
    class More(Recorder):
        rounds = 0

        def resume_writing(self):
            super().resume_writing()
            if self.rounds < 3:
                self.rounds += 1
                write_pieces(self.transport, 3, b"%d" % self.rounds)

    with secured(loop, certificates, "unix", side, More()) as (transport, protocol, peer):
        write_pieces(transport, 3, b"0")
        wanted = b"".join(b"%d" % number * 3_000_000 for number in range(4))
        talk(loop, peer, lambda: len(peer.data) >= len(wanted))
        assert peer.data == wanted and protocol.rounds == 3


@pytest.mark.parametrize("how", ["close", "abort"])
def test_ending_in_pause_writing(loop, certificates, side, how):
    class Ends(Recorder):
        def pause_writing(self):
            super().pause_writing()
            getattr(self.transport, how)()

    with secured(loop, certificates, "unix", side, Ends()) as (transport, protocol, peer):
        shrink_buffers(transport.get_extra_info("socket"), peer.sock)
        transport.write(b"x" * 400_000)
        transport.write(b"x" * 1_600_000)  # this one pauses, on either loop
        run_until(loop, lambda: peer.step() and (protocol.lost or peer.notified))
        if how == "close":
            assert len(peer.data) == 2_000_000
            peer.notify()
            run_until(loop, lambda: protocol.lost)
        assert protocol.names.count("lost") == 1 and protocol.error is None
