# SPDX-License-Identifier: MIT
"""OpenSSL's own s_client and s_server at the other end, in a process of their own (TLS4, TLS9)."""

import asyncio
import contextlib
import fcntl
import hashlib
import socket
import struct
import subprocess
import termios

import pytest

from tests.certificates import NAME, OPENSSL
from tests.tools import Recorder, run_until, settle

VERSIONS = {"1.2": "-tls1_2", "1.3": "-tls1_3"}
ALLOW_CLIENT_RENEGOTIATION = 1 << 8  # SSL_OP_ALLOW_CLIENT_RENEGOTIATION of OpenSSL 3


class Echo(Recorder):
    def data_received(self, data):
        super().data_received(data)
        self.transport.write(data)


@contextlib.contextmanager
def openssl(*arguments):
    process = subprocess.Popen(
        [OPENSSL, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
    )
    try:
        yield process
    finally:
        process.kill()
        process.stdin.close()
        process.stdout.close()
        process.wait()


@contextlib.contextmanager
def s_client(loop, certificates, version, protocol, *options, quiet=True, context=None):
    """s_client, connected to a server of the loop whose protocol is given."""
    context = context or certificates.server("good", version)
    server = loop.run_until_complete(loop.create_server(protocol, "127.0.0.1", 0, ssl=context))
    port = server.sockets[0].getsockname()[1]
    arguments = ["s_client", "-connect", f"127.0.0.1:{port}", "-servername", NAME]
    arguments += ["-CAfile", certificates.path("ca"), "-verify_return_error", VERSIONS[version]]
    try:
        with openssl(*arguments, *(["-quiet"] if quiet else []), *options) as process:
            run_until(loop, lambda: protocol.events)
            yield process
            process.kill()
            run_until(loop, lambda: protocol.lost)
    finally:
        server.close()
        loop.run_until_complete(server.wait_closed())
        settle(loop)


def command(loop, process, line):
    """Type a command, which has to come in a read of its own."""
    process.stdin.write(line)

    def unread():
        return struct.unpack("i", fcntl.ioctl(process.stdin, termios.FIONREAD, b"\0" * 4))[0]

    run_until(loop, lambda: not unread())


def read_in_thread(loop, stream, size):
    def read():
        data = b""
        while len(data) < size and (chunk := stream.read(size - len(data))):
            data += chunk
        return data

    return loop.run_until_complete(asyncio.wait_for(loop.run_in_executor(None, read), 20))


def test_s_client_is_echoed(loop, certificates, version):
    protocol = Echo()
    with s_client(loop, certificates, version, protocol) as process:
        process.stdin.write(b"from another program\n")
        assert read_in_thread(loop, process.stdout, 21) == b"from another program\n"
        data = bytes(range(256)) * 2000
        loop.run_in_executor(None, process.stdin.write, data)
        got = read_in_thread(loop, process.stdout, len(data))
        assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()


def test_s_client_says_goodbye(loop, certificates, version):
    protocol = Recorder()
    with s_client(loop, certificates, version, protocol, quiet=False) as process:
        process.stdin.write(b"Q\n")
        run_until(loop, lambda: protocol.lost)
        assert protocol.error is None and protocol.names == ["made", "eof", "lost"]


def test_we_say_goodbye_to_s_client(loop, certificates, version):
    protocol = Recorder()
    with s_client(loop, certificates, version, protocol) as process:
        protocol.transport.write(b"x" * 100_000)
        protocol.transport.close()
        assert read_in_thread(loop, process.stdout, 1 << 20) == b"x" * 100_000
        run_until(loop, lambda: protocol.lost)
        assert protocol.error is None


def test_tls4_renegotiation_is_not_for_clients(loop, certificates):
    """s_client's R asks for it; the connection goes on or ends, but never spins or hangs."""
    protocol = Echo()
    with s_client(
        loop, certificates, "1.2", protocol, "-legacy_renegotiation", quiet=False
    ) as process:
        process.stdin.write(b"before\n")
        run_until(loop, lambda: protocol.data == b"before\n")
        command(loop, process, b"R\n")
        with contextlib.suppress(BrokenPipeError):  # it may leave when it is refused
            process.stdin.write(b"after\n")
        run_until(loop, lambda: protocol.lost or protocol.data == b"before\nafter\n")
        context = protocol.transport.get_extra_info("sslcontext")
        assert context.session_stats()["accept_good"] == 1


def test_tls4_a_server_that_allows_it_shakes_hands_again(loop, certificates):
    """The second handshake comes while data is read, and calls Python from inside OpenSSL."""
    protocol = Echo()
    context = certificates.server("good", "1.2")
    context.options |= ALLOW_CLIENT_RENEGOTIATION
    names = []
    context.sni_callback = lambda tls, name, context: names.append(name)
    with s_client(loop, certificates, "1.2", protocol, quiet=False, context=context) as process:
        process.stdin.write(b"before\n")
        run_until(loop, lambda: protocol.data == b"before\n")
        command(loop, process, b"R\n")
        run_until(loop, lambda: len(names) == 2)
        process.stdin.write(b"after\n")
        run_until(loop, lambda: protocol.lost or protocol.data == b"before\nafter\n")
        assert not protocol.lost and names == [NAME, NAME]
        assert context.session_stats()["accept_good"] == 2
        protocol.transport.write(b"and more")
        run_until(loop, lambda: protocol.transport.get_write_buffer_size() == 0)


def test_tls4_key_updates_after_the_handshake(loop, certificates):
    """s_client's K changes its keys, and asks that we change ours."""
    protocol = Echo()
    with s_client(loop, certificates, "1.3", protocol, quiet=False) as process:
        for number in range(3):
            command(loop, process, b"K\n")
            wanted = b"after update %d\n" % number
            process.stdin.write(wanted)
            run_until(loop, lambda wanted=wanted: protocol.data.endswith(wanted))
        assert not protocol.lost


@contextlib.contextmanager
def s_server(loop, certificates, version, *options):
    """s_server, and a transport of the loop that is connected to it."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    arguments = ["s_server", "-accept", f"127.0.0.1:{port}", "-cert", certificates.path("good")]
    arguments += ["-key", certificates.path("good", "key"), VERSIONS[version], *options]
    protocol = Recorder()
    with openssl(*arguments) as process:
        transport = loop.run_until_complete(
            asyncio.wait_for(connect(loop, certificates, version, port, protocol), 20)
        )
        try:
            yield process, transport, protocol
        finally:
            transport.abort()
            run_until(loop, lambda: protocol.lost)
            settle(loop)


async def connect(loop, certificates, version, port, protocol):
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            transport, _ = await loop.create_connection(
                lambda: protocol,
                "127.0.0.1",
                port,
                ssl=certificates.client(version),
                server_hostname=NAME,
            )
            return transport
        await asyncio.sleep(0.01)


def test_s_server_turns_lines_round(loop, certificates, version):
    with s_server(loop, certificates, version, "-rev", "-quiet") as (_, transport, protocol):
        transport.write(b"stressed\n")
        run_until(loop, lambda: protocol.data == b"desserts\n")


def test_s_server_serves_a_file(loop, certificates, version):
    """-WWW ends each connection after its answer, with or without close_notify."""
    options = ("-HTTP", "-quiet")
    folder = certificates.folder
    (folder / "page").write_bytes(b"HTTP/1.0 200 ok\r\n\r\n" + b"p" * 500_000)
    with in_folder(folder), s_server(loop, certificates, version, *options) as parts:
        _, transport, protocol = parts
        transport.write(b"GET /page HTTP/1.0\r\n\r\n")
        run_until(loop, lambda: protocol.lost)
        assert protocol.data.endswith(b"p" * 500_000)
        assert protocol.error is None and protocol.names[-2:] == ["eof", "lost"]


@contextlib.contextmanager
def in_folder(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


def test_a_session_of_s_server_has_a_ticket(loop, certificates):
    """It comes after the handshake. asyncio has no way to bring it to the next connection."""
    with s_server(loop, certificates, "1.3", "-rev", "-quiet") as (_, transport, protocol):
        transport.write(b"ab\n")
        run_until(loop, lambda: protocol.data == b"ba\n")
        tls = transport.get_extra_info("ssl_object")
        assert tls.session is not None and tls.session.has_ticket


def command_and_line(loop, process, transport, protocol, letter, number):
    """Give s_server a command, let it say a line, answer that."""
    command(loop, process, letter + b"\n")
    wanted = b"line %d\n" % number
    process.stdin.write(wanted)
    run_until(loop, lambda: protocol.data.endswith(wanted))
    transport.write(b"an answer\n")


def test_tls4_s_server_wants_another_handshake(loop, certificates):
    """r of s_server: a HelloRequest, which a client of TLS 1.2 answers while it reads."""
    with s_server(loop, certificates, "1.2") as (process, transport, protocol):
        for number in range(3):
            command_and_line(loop, process, transport, protocol, b"r", number)
            counted = transport.get_extra_info("sslcontext").session_stats()
            assert counted["connect_renegotiate"] == number + 1
        settle(loop)
        assert not protocol.lost


def test_s_server_asks_for_a_new_key(loop, certificates):
    """K of s_server: a KeyUpdate that wants an answer."""
    with s_server(loop, certificates, "1.3") as (process, transport, protocol):
        for number in range(3):
            command_and_line(loop, process, transport, protocol, b"K", number)
        settle(loop)
        assert not protocol.lost


def test_a_client_without_our_authority_turns_away(loop, certificates):
    """The alert of a foreign client ends the handshake on our side, quietly."""
    context = certificates.server("good", "1.2")
    made = []

    def factory():
        made.append(Recorder())
        return made[-1]

    server = loop.run_until_complete(loop.create_server(factory, "127.0.0.1", 0, ssl=context))
    port = server.sockets[0].getsockname()[1]
    arguments = ["s_client", "-connect", f"127.0.0.1:{port}", "-verify_return_error", "-quiet"]
    with openssl(*arguments, "-CAfile", certificates.path("stranger")) as process:
        run_until(loop, lambda: process.poll() is not None)
        assert process.returncode != 0
    server.close()
    loop.run_until_complete(server.wait_closed())
    settle(loop)
    assert len(made) == 1 and made[0].events == []
