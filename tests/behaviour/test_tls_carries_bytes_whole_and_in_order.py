# SPDX-License-Identifier: MIT
"""TLS on either side, either version, either kind of socket: the bytes are the same (TLS13, 15)."""

import hashlib

import pytest

from tests.tls import WANT, Peer, begun, contexts, secured, talk
from tests.tools import BufferedRecorder, Recorder, run_until, settle, turns

BIG = bytes(range(256)) * 256 * 48  # 3 MiB


class Echo(Recorder):
    def data_received(self, data):
        super().data_received(data)
        self.transport.write(data)


@pytest.fixture
def echoing(loop, certificates, stream_kind, side, version):
    with secured(loop, certificates, stream_kind, side, Echo(), version) as parts:
        yield parts


def test_an_echo(loop, echoing):
    _, protocol, peer = echoing
    assert protocol.names == ["made"]
    for size in (1, 1000, 16_384, 16_385, 100_000):
        peer.data.clear()
        peer.send(b"%d." % size * size)
        talk(loop, peer, lambda wanted=b"%d." % size * size: peer.data == wanted)
    assert protocol.names.count("made") == 1 and not protocol.lost


def test_megabytes_both_ways(loop, certificates, stream_kind, side):
    with secured(loop, certificates, stream_kind, side) as (transport, protocol, peer):
        transport.write(BIG)
        peer.send(BIG)
        talk(loop, peer, lambda: len(protocol.data) == len(peer.data) == len(BIG))
        wanted = hashlib.sha256(BIG).digest()
        assert hashlib.sha256(protocol.data).digest() == wanted
        assert hashlib.sha256(peer.data).digest() == wanted
        assert transport.get_write_buffer_size() == 0


def test_large_pieces_that_are_kept_stay_as_they_were(loop, certificates, side, version):
    class Keeps(Recorder):
        def data_received(self, data):
            super().data_received(data)
            digests.append((len(data), hash(data), data[-1]))

    digests: list[tuple[int, int, int]] = []
    with secured(loop, certificates, "tcp", side, Keeps(), version) as (_, protocol, peer):
        wanted = b""
        for turn, size in enumerate((16_384, 40_000, 65_536, 66_000, 65_536, 200_000, 33_000)):
            for records in (peer.encrypted(bytes([turn]) * size), peer.encrypted(b"end")):
                peer.unsent += records
            wanted += bytes([turn]) * size + b"end"
            talk(loop, peer, lambda wanted=wanted: len(protocol.data) == len(wanted))
        kept = [event[1] for event in protocol.events if event[0] == "data"]
        assert b"".join(kept) == wanted
        assert [(len(data), hash(bytes(bytearray(data))), data[-1]) for data in kept] == digests


def test_many_small_writes_keep_their_order(loop, certificates, side, version):
    with secured(loop, certificates, side=side, version=version) as (transport, _, peer):
        wanted = b"".join(b"%d," % number for number in range(3000))
        for number in range(3000):
            transport.write(b"%d," % number)
        talk(loop, peer, lambda: len(peer.data) >= len(wanted))
        assert peer.data == wanted


def test_writelines_is_as_if_joined(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, _, peer):
        transport.writelines([b"a", bytearray(b"bc"), memoryview(b"def"), b"g" * 20_000])
        transport.writelines(chunk for chunk in (b"h", b"i"))
        transport.writelines([])
        talk(loop, peer, lambda: len(peer.data) == 20_008)
        assert peer.data == b"abcdef" + b"g" * 20_000 + b"hi"


def test_the_kinds_of_bytes_that_write_takes(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, _, peer):
        for data in (b"a", bytearray(b"b"), memoryview(b"c"), memoryview(bytearray(b"d")), b""):
            transport.write(data)
        for wrong in ("text", None, 42, [b"x"]):
            with pytest.raises(TypeError):
                transport.write(wrong)
        talk(loop, peer, lambda: len(peer.data) >= 4)
        settle(loop)
        peer.step()
        assert peer.data == b"abcd"


def test_a_bytearray_may_change_after_write(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, _, peer):
        data = bytearray(b"x" * 1000)
        transport.write(data)
        data[:] = b""
        talk(loop, peer, lambda: len(peer.data) == 1000)
        assert peer.data == b"x" * 1000


def test_tls15_records_that_arrive_byte_by_byte(loop, certificates, side, version):
    with secured(loop, certificates, side=side, version=version) as (_, protocol, peer):
        records = peer.encrypted(b"one") + peer.encrypted(b"two")
        for number in range(len(records)):
            peer.sock.send(records[number : number + 1])
            if number % 7 == 0:
                settle(loop)
        run_until(loop, lambda: protocol.data == b"onetwo")
        assert [event for event in protocol.events[1:] if event[0] != "data"] == []


def test_tls15_a_record_split_at_every_place(loop, certificates, side):
    with secured(loop, certificates, side=side) as (_, protocol, peer):
        length = len(peer.encrypted(b"0")) or 1
        assert length < 40
    with secured(loop, certificates, side=side) as (_, protocol, peer):
        wanted = b""
        for cut in range(1, length):
            record = peer.encrypted(b"%d" % (cut % 10))
            peer.sock.send(record[:cut])
            turns(loop, 2)
            assert protocol.data == wanted
            wanted += b"%d" % (cut % 10)
            peer.sock.send(record[cut:])
            run_until(loop, lambda wanted=wanted: protocol.data == wanted)


def test_tls4_sixteen_thousand_records_of_a_byte_each(loop, certificates, side, version):
    with secured(loop, certificates, side=side, version=version) as (_, protocol, peer):
        wanted = bytes(range(256)) * 64
        peer.unsent += b"".join(peer.encrypted(bytes([byte])) for byte in wanted)
        talk(loop, peer, lambda: len(protocol.data) == len(wanted))
        assert protocol.data == wanted and not protocol.lost


def test_tls13_write_in_every_callback_keeps_the_order(loop, certificates, side):
    class Writes(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.write(b"[made]")
            transport.set_write_buffer_limits(0)

        def data_received(self, data):
            super().data_received(data)
            self.transport.write(b"[data]")
            self.transport.write(b"x" * 300_000)
            self.transport.write(b"[after]")

        def resume_writing(self):
            if "resume" not in self.names:
                self.transport.write(b"[resume]")
            super().resume_writing()

    with secured(loop, certificates, side=side, protocol=Writes()) as (_, _, peer):
        peer.send(b"?")
        wanted = b"[made][data]" + b"x" * 300_000 + b"[after]"
        talk(loop, peer, lambda: len(peer.data) >= len(wanted))
        got = bytes(peer.data).replace(b"[resume]", b"")
        assert got == wanted


class Views(BufferedRecorder):
    def get_buffer(self, sizehint):
        return memoryview(super().get_buffer(sizehint))


def fills_its_buffer(loop, secured_parts, size):
    transport, protocol, peer = secured_parts
    data = BIG[: min(size * 500, 1_000_000)]
    peer.send(data)
    talk(loop, peer, lambda: len(protocol.data) >= len(data))
    assert protocol.data == data
    transport.write(b"back")
    talk(loop, peer, lambda: peer.data == b"back")


@pytest.mark.parametrize("size", [1, 100, 65_536])
def test_buffered_protocols_fill_their_own_buffer(loop, certificates, stream_kind, side, size):
    with secured(loop, certificates, stream_kind, side, Views(size)) as parts:
        fills_its_buffer(loop, parts, size)


@pytest.mark.hotloop_only(reason="asyncio reads into a copy of a buffer that is no memoryview")
def test_a_bytearray_is_a_buffer(loop, certificates):
    with secured(loop, certificates, protocol=BufferedRecorder(100)) as parts:
        fills_its_buffer(loop, parts, 100)


def test_sent_with_the_last_message_of_the_handshake(loop, certificates, version):
    """Data may come in one segment with what ends the handshake: none of it waits or is lost."""
    near, far = contexts(certificates, "server", version)
    protocol = Recorder()
    with begun(loop, "tcp", "server", lambda: protocol, near) as (task, sock):
        peer = Peer(sock, far, server=False)
        peer.step()
        if version == "1.2":
            run_until(loop, lambda: peer.step() and peer.shaken)
        else:  # the client is done as soon as it has read the server's messages
            run_until(loop, lambda: _shaken(peer))
        peer.send(b"early")
        run_until(loop, lambda: peer.step() and protocol.data == b"early")
        assert protocol.names[0] == "made" and task.done()
        protocol.transport.abort()


def _shaken(peer):
    """Whether the peer is done; its last message stays unsent."""
    peer.fill()
    try:
        peer.tls.do_handshake()
    except WANT:
        return False
    peer.shaken = True
    return True
