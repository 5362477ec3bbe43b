# SPDX-License-Identifier: MIT
"""Between handshake and shutdown OpenSSL is called directly, and nobody can tell (TLS items)."""

import contextlib
import gc
import random
import ssl
import subprocess
import sys
import sysconfig

import pytest

from tests.tls import Peer, begun, contexts, secured, shake_hands_and_send, talk
from tests.tools import Recorder, run_until, settle

GENUINE = ssl.OPENSSL_VERSION.startswith("OpenSSL 3.") and not sysconfig.get_config_var(
    "Py_GIL_DISABLED"
)
EXPECTED = pytest.mark.skipif(
    not GENUINE, reason="this OpenSSL, or a Python without a GIL, is left to the ssl module"
)


LATE = "APPLICATION_DATA_AFTER_CLOSE_NOTIFY"


def is_direct(transport) -> bool:
    return getattr(transport, "_is_direct", False)


def test_it_is_done_where_it_is_allowed(loop, certificates, side, version, tls_driver):
    with secured(loop, certificates, side=side, version=version) as (transport, _, peer):
        assert is_direct(transport) is (tls_driver == "hotloop" and GENUINE)
        transport.write(b"a")
        talk(loop, peer, lambda: peer.data == b"a")


@EXPECTED
@pytest.mark.parametrize("who", ["ours", "theirs"])
def test_a_context_that_calls_python_is_left_to_the_ssl_module(
    loop, certificates, side, version, who, tls_driver
):
    """What _msg_callback raises can be raised by the ssl module only."""
    near, far = contexts(certificates, side, version)
    seen = []
    (near if who == "ours" else far)._msg_callback = lambda *args: seen.append(args[1:])
    with secured(loop, certificates, side=side, near=near, far=far) as (transport, _, peer):
        assert is_direct(transport) is (who == "theirs" and tls_driver == "hotloop")
        before = len(seen)
        transport.write(b"watched")
        talk(loop, peer, lambda: peer.data == b"watched")
        assert len(seen) > before


@EXPECTED
def test_a_context_that_asks_for_certificates_later(loop, certificates, tls_driver):
    near, far = contexts(certificates, "client")
    near.post_handshake_auth = True
    near.load_cert_chain(certificates.path("good"), certificates.path("good", "key"))
    far.verify_mode = ssl.CERT_OPTIONAL
    far.post_handshake_auth = True
    far.load_verify_locations(certificates.path("ca"))
    with secured(loop, certificates, near=near, far=far) as (transport, protocol, peer):
        assert not is_direct(transport)
        assert peer.tls.getpeercert() is None
        peer.tls._sslobj.verify_client_post_handshake()
        peer.send(b"who are you?")
        talk(loop, peer, lambda: protocol.data == b"who are you?" and peer.tls.getpeercert())


def test_a_server_name_brings_another_context(loop, certificates, version):
    near, far = contexts(certificates, "server", version)
    other = certificates.server("other", version)
    other._msg_callback = lambda *_: None
    near.sni_callback = lambda tls, *_: setattr(tls, "context", other)
    with begun(loop, "tcp", "server", Recorder, near) as (task, sock):
        peer = Peer(sock, far, server=False, server_hostname="other.example")
        run_until(loop, lambda: peer.step() and peer.shaken and task.done())
        transport, _ = task.result()
        assert not is_direct(transport)
        transport.write(b"by the other one")
        talk(loop, peer, lambda: peer.data == b"by the other one")
        transport.abort()


def test_data_behind_the_last_message_of_the_handshake(loop, certificates, version):
    """A client's first data lie in the same segment as its Finished: nothing of it is lost."""
    near, far = contexts(certificates, "server", version)
    protocol = Recorder()
    data = random.Random(1).randbytes(40_000)
    with begun(loop, "tcp", "server", lambda: protocol, near) as (task, sock):
        peer = Peer(sock, far, server=False)
        shake_hands_and_send(loop, peer, data)
        run_until(loop, lambda: peer.step() and task.done() and len(protocol.data) == len(data))
        assert protocol.data == data
        task.result()[0].abort()


@pytest.mark.parametrize("size", [1, 4, 5, 6, 1000, 16_383, 16_406, 16_407, 50_000])
def test_records_come_in_any_pieces(loop, certificates, side, size):
    """Headers and records that are cut anywhere, or lie several in one read."""
    data = random.Random(size).randbytes(300 if size < 10 else 100_000)
    with secured(loop, certificates, side=side) as (_, protocol, peer):
        wire = peer.encrypted(data[:50]) + peer.encrypted(data[50:])
        for start in range(0, len(wire), size):
            peer.sock.setblocking(True)
            peer.sock.sendall(wire[start : start + size])
            settle(loop)
        peer.sock.setblocking(False)
        talk(loop, peer, lambda: len(protocol.data) == len(data))
        assert protocol.data == data


@pytest.mark.parametrize(
    "pieces",
    [
        [1],
        [16_384],
        [16_385],
        [65_536],
        [65_535, 3],
        [3, 65_535],
        [16_384] * 9,
        [1000] * 200,
        [17_000, 1, 40_000, 2, 90_000],
        [1_000_000],
    ],
    ids=str,
)
def test_writes_of_any_sizes_arrive_in_order(loop, certificates, side, version, pieces):
    source = random.Random(len(pieces))
    data = [source.randbytes(size) for size in pieces]
    with secured(loop, certificates, side=side, version=version) as (transport, _, peer):
        for piece in data:
            transport.write(piece)
        talk(loop, peer, lambda: len(peer.data) == sum(pieces))
        assert peer.data == b"".join(data)


def told(error: ssl.SSLError):
    """What an SSLError says, without the line of _ssl.c."""
    return type(error), error.library, error.reason, error.errno, str(error).partition(" (_ssl")[0]


@pytest.mark.parametrize("what", ["ciphertext", "header", "an alert in clear", "no TLS at all"])
def test_broken_records_end_with_the_exception_of_the_ssl_module(
    loop, certificates, side, version, what, reports
):
    junk = {
        "header": b"\x17\x09\x09\x00\x05hello",
        "an alert in clear": b"\x15\x03\x03\x00\x02\x02\x28",
        "no TLS at all": b"GET / HTTP/1.1\r\n\r\n",
    }
    # The same junk for an SSLObject that is driven by hand: the oracle for every loop.
    near, far = contexts(certificates, side, version)
    with secured(loop, certificates, side=side, near=near, far=far) as (_, protocol, peer):
        record = bytearray(peer.encrypted(b"good data"))
        record[-1] ^= 1
        bad = junk.get(what, bytes(record))
        peer.sock.send(bad)
        run_until(loop, lambda: protocol.lost)
        ours = told(protocol.error)
        assert protocol.data == b""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    name = {} if side == "server" else {"server_hostname": "localhost"}
    oracle = near.wrap_bio(incoming, outgoing, server_side=side == "server", **name)
    other_in, other_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    name = {} if side == "client" else {"server_hostname": "localhost"}
    other = far.wrap_bio(other_in, other_out, server_side=side == "client", **name)
    for _ in range(4):
        for tls, into, out in ((oracle, other_in, outgoing), (other, incoming, other_out)):
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
            into.write(out.read())
    other.write(b"good data")
    record = bytearray(other_out.read())
    record[-1] ^= 1
    incoming.write(junk.get(what, bytes(record)))
    with pytest.raises(ssl.SSLError) as caught:
        oracle.read(100)
    assert ours == told(caught.value)


@pytest.mark.hotloop_only("asyncio loses them: docs/differences.md")
def test_whole_records_before_a_broken_one_are_delivered(loop, certificates, side, reports):
    with secured(loop, certificates, side=side) as (_, protocol, peer):
        good = peer.encrypted(b"good")
        bad = bytearray(peer.encrypted(b"bad"))
        bad[-1] ^= 1
        peer.sock.send(good + bytes(bad))
        run_until(loop, lambda: protocol.lost)
        assert protocol.data == b"good" and protocol.error.reason is not None


def test_keys_are_changed_on_the_way(loop, certificates, side):
    """Many records under one key, and the peer's messages that carry no data in between."""
    with secured(loop, certificates, side=side, version=None) as (transport, protocol, peer):
        total = b""
        for round_ in range(30):
            piece = bytes([round_]) * 20_000
            total += piece
            peer.send(piece)
            transport.write(piece)
            talk(loop, peer, lambda: len(protocol.data) == len(peer.data) == len(total))  # noqa: B023
        assert protocol.data == peer.data == total


def test_the_ssl_object_may_be_used_as_well(loop, certificates, side, version):
    """Who takes the ssl_object and reads or writes takes part in the same session."""
    with secured(loop, certificates, side=side, version=version) as (transport, protocol, peer):
        tls = transport.get_extra_info("ssl_object")
        assert tls.pending() == 0
        with pytest.raises(ssl.SSLWantReadError):
            tls.read(100)
        assert tls.write(b"by the object, ") == 15
        transport.write(b"by the transport")
        talk(loop, peer, lambda: peer.data == b"by the object, by the transport")
        peer.send(b"and back")
        run_until(loop, lambda: protocol.data == b"and back")
        assert tls.version() == peer.tls.version() and tls.cipher() == peer.tls.cipher()


def test_the_ssl_object_says_goodbye(loop, certificates, side, version):
    with secured(loop, certificates, side=side, version=version) as (transport, protocol, peer):
        tls = transport.get_extra_info("ssl_object")
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()
        transport.close()
        talk(loop, peer, lambda: peer.notified)
        peer.notify()
        talk(loop, peer, lambda: protocol.lost)
        assert protocol.error is None


@pytest.mark.parametrize("out", [False, True], ids=["", "out"])
@pytest.mark.parametrize("left", ["nothing", "half a record", "a record"])
def test_what_is_under_way_goes_back_with_the_session(loop, certificates, side, version, left, out):
    """close() gives the session back to the ssl module, with all that OpenSSL has not taken yet."""
    with secured(loop, certificates, side=side, version=version) as (transport, protocol, peer):
        record = peer.encrypted(b"comes late") if left != "nothing" else b""
        first = len(record) if left == "a record" else len(record) // 2
        if left == "a record":
            transport.pause_reading()  # then it waits in the wire, and not in OpenSSL
        peer.sock.send(record[:first])
        settle(loop)
        if out:
            transport.get_extra_info("ssl_object").write(b"by the object")
        transport.close()
        talk(loop, peer, lambda: peer.notified or protocol.lost)
        if not protocol.lost:
            assert peer.data == (b"by the object" if out else b"")
            peer.sock.send(record[first:])
            peer.notify()
            talk(loop, peer, lambda: protocol.lost)
        assert protocol.data == b""
        late = left != "nothing"
        assert protocol.names == (["made", "lost"] if late else ["made", "eof", "lost"])
        assert getattr(protocol.error, "reason", None) == (LATE if late else None)


def ended_session(loop, certificates, side, version, end):
    """The ssl_object of a connection that has ended, and of which nothing else is left."""
    protocol = Recorder()
    with secured(loop, certificates, side=side, version=version, protocol=protocol) as parts:
        transport, _, peer = parts
        tls = transport.get_extra_info("ssl_object")
        peer.send(b"half of")
        run_until(loop, lambda: protocol.data == b"half of")
        tls.write(b"never sent")
        if end == "peer":
            peer.notify()
        else:
            getattr(transport, end)()
        talk(loop, peer, lambda: protocol.lost or peer.notify())
    protocol.transport = None
    return tls


@pytest.mark.parametrize("end", ["close", "abort", "peer"])
def test_the_ssl_object_outlives_everything(new_loop, certificates, side, version, end):
    own = new_loop()
    tls = ended_session(own, certificates, side, version, end)
    own.close()
    del own
    gc.collect()
    assert tls.version() and tls.cipher() and tls.pending() == 0
    for method, *arguments in (tls.read, 10), (tls.write, b"x"), (tls.unwrap,):
        with contextlib.suppress(ssl.SSLError):
            method(*arguments)


SCRIPT = """
import asyncio, ssl, sys
import hotloop
{before}
from hotloop import _core

certificate, key, authority = sys.argv[1:]
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain(certificate, key)
client = ssl.create_default_context(cafile=authority)

async def main():
    async def echo(reader, writer):
        while data := await reader.read(100_000):
            writer.write(data)
        writer.close()

    listener = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server)
    port = listener.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=client, server_hostname="localhost"
    )
    print(_core.tls_driver(), writer.transport._is_direct)
    data = b"0123456789" * 20_000
    writer.write(data)
    assert await reader.readexactly(len(data)) == data
    writer.close()
    await writer.wait_closed()
    listener.close()

hotloop.run(main())
"""


def run_module(*arguments):
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def program(certificates, before):
    """What a program says whose process differs by the lines `before`."""
    files = certificates.path("good"), certificates.path("good", "key"), certificates.path("ca")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(before=before), *files],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.hotloop_only("about what hotloop does behind the ssl module's back")
@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("import _ssl; _ssl.__file__ = '/nowhere/_ssl.so'", "its functions cannot be reached"),
        ("import _ssl; _ssl.__file__ = 42", "its functions cannot be reached"),
        (
            "import _ssl; _ssl.__file__ = hotloop._core.__file__",
            "its functions cannot be reached",
        ),
        (
            "import _ssl; _ssl.MemoryBIO = bytearray",
            "the objects of the ssl module are not as expected",
        ),
        (
            "import _ssl; _ssl._SSLContext = dict",
            "the objects of the ssl module are not as expected",
        ),
        ("import os; os.environ['HOTLOOP_TRICKS'] = 'none'", "HOTLOOP_TRICKS says so"),
        ("import os; os.environ['HOTLOOP_TRICKS'] = 'lazy,openssl'", "HOTLOOP_TRICKS says so"),
    ],
)
def test_what_is_not_as_expected_is_left_to_the_ssl_module(
    loop_kind, tls_driver, certificates, before, why
):
    if GENUINE and tls_driver == "hotloop":
        assert program(certificates, before) == f"the ssl module ({why}) False"


@EXPECTED
@pytest.mark.hotloop_only("about what hotloop does behind the ssl module's back")
def test_programs_are_told_who_does_it(loop_kind, tls_driver, certificates):
    if tls_driver == "hotloop":
        assert program(certificates, "") == f"{ssl.OPENSSL_VERSION}, called directly True"
        said = run_module("hotloop", "--version")
        assert said.endswith(f"TLS by {ssl.OPENSSL_VERSION}, called directly")
    else:
        assert program(certificates, "") == "the ssl module (HOTLOOP_TRICKS says so) False"
