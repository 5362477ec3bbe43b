# SPDX-License-Identifier: MIT
"""start_tls in the middle of a stream, on both sides, by loop and by StreamWriter (TLS7, TLS8)."""

import asyncio
import contextlib
import socket
import ssl

import pytest

from tests.certificates import NAME
from tests.tls import HIGH, Peer, contexts, talk
from tests.tools import (
    BufferedRecorder,
    Recorder,
    connected,
    run,
    run_until,
    settle,
    shrink_buffers,
)


def upgrading(loop, transport, protocol, context, side, **options):
    if side == "client":
        options.setdefault("server_hostname", NAME)
    return loop.create_task(
        loop.start_tls(transport, protocol, context, server_side=side == "server", **options)
    )


@contextlib.contextmanager
def upgraded(loop, certificates, kind, side, protocol=None, version=None):
    """A stream that spoke in the clear first; gives the TLS transport, protocol and peer."""
    near, far = contexts(certificates, side, version)
    with connected(loop, kind, protocol) as (plain, protocol, sock):
        plain.write(b"in the clear")
        run_until(loop, lambda: sock.recv(100) == b"in the clear")
        task = upgrading(loop, plain, protocol, near, side)
        peer = Peer(sock, far, server=side == "client")
        run_until(loop, lambda: peer.step() and task.done() and peer.shaken)
        transport = task.result()
        try:
            yield transport, protocol, peer
        finally:
            if not protocol.lost:
                transport.abort()
                settle(loop)


def test_a_stream_is_upgraded(loop, certificates, stream_kind, side, version):
    with upgraded(loop, certificates, stream_kind, side, version=version) as parts:
        transport, protocol, peer = parts
        assert protocol.names == ["made"], "connection_made comes once"
        assert transport is not protocol.transport and transport.get_protocol() is protocol
        peer.send(b"encrypted")
        transport.write(b"too" * 100_000)
        talk(loop, peer, lambda: protocol.data == b"encrypted" and len(peer.data) == 300_000)
        assert transport.get_extra_info("ssl_object").version() == f"TLSv{version}"
        assert transport.get_extra_info("socket").fileno() >= 0
        transport.close()
        talk(loop, peer, lambda: peer.notified)
        peer.notify()
        run_until(loop, lambda: protocol.lost)
        assert protocol.error is None


def test_the_transport_below_belongs_to_tls(loop, certificates, side):
    with upgraded(loop, certificates, "tcp", side) as (transport, protocol, _):
        below = protocol.transport
        assert below.get_protocol() is not protocol
        below.abort()
        run_until(loop, lambda: protocol.lost)
        assert transport.is_closing()


def test_tls7_what_came_in_the_clear_stays_in_the_clear(loop, certificates, side):
    """Bytes in the same segment as the wish to upgrade are not taken for decrypted ones."""
    near, _ = contexts(certificates, side)

    class Upgrades(Recorder):
        task = None

        def data_received(self, data):
            super().data_received(data)
            self.transport.pause_reading()
            self.task = upgrading(loop, self.transport, self, near, side)

    with connected(loop, "tcp", Upgrades()) as (_, protocol, sock):
        sock.sendall(b"STARTTLS\r\n" + b"injected\r\n")
        run_until(loop, lambda: protocol.task)
        assert protocol.data == b"STARTTLS\r\ninjected\r\n"
        sock.sendall(b"more that is not TLS\r\n" * 10)
        run_until(loop, protocol.task.done)
        assert isinstance(protocol.task.exception(), ssl.SSLError)
        assert protocol.data == b"STARTTLS\r\ninjected\r\n"


def test_tls8_a_hello_that_is_there_already(loop, certificates):
    """The peer did not wait: its ClientHello lies in the kernel when start_tls is called."""
    near, far = contexts(certificates, "server")
    with connected(loop, "tcp") as (plain, protocol, sock):
        plain.pause_reading()
        peer = Peer(sock, far, server=False)
        peer.step()
        task = upgrading(loop, plain, protocol, near, "server")
        run_until(loop, lambda: peer.step() and task.done() and peer.shaken)
        peer.send(b"at last")
        run_until(loop, lambda: protocol.data == b"at last")
        task.result().abort()
        run_until(loop, lambda: protocol.lost)


def test_a_failed_upgrade(loop, certificates, side):
    near, far = contexts(certificates, side)
    with connected(loop, "tcp") as (plain, protocol, _sock):
        task = upgrading(loop, plain, protocol, near, side, ssl_handshake_timeout=0.05)
        run_until(loop, task.done)
        assert type(task.exception()) is ConnectionAbortedError
        assert plain.is_closing()
        settle(loop)
        assert "data" not in protocol.names and far is not None
        protocol.events.append("lost")  # asyncio tells nobody of the end


def test_tls14_cancelled_upgrades_close(loop, certificates, side):
    near, _ = contexts(certificates, side)
    with connected(loop, "tcp") as (plain, protocol, sock):
        task = upgrading(loop, plain, protocol, near, side)
        settle(loop)
        task.cancel()
        run_until(loop, task.done)
        assert task.cancelled() and plain.is_closing()
        settle(loop)
        sock.settimeout(10)
        while sock.recv(65536):
            pass
        protocol.events.append("lost")


def test_a_buffered_protocol_is_upgraded(loop, certificates, side):
    protocol = BufferedRecorder(100_000)
    with upgraded(loop, certificates, "tcp", side, protocol) as (_, _, peer):
        peer.send(b"b" * 50_000)
        run_until(loop, lambda: peer.step() and len(protocol.data) == 50_000)


def test_what_start_tls_refuses(loop, certificates):
    context = certificates.client()
    with connected(loop, "tcp") as (plain, protocol, _):
        for wrong in (True, None, "context", 42):
            with pytest.raises(TypeError, match="sslcontext is expected to be an instance of"):
                run(loop, loop.start_tls(plain, protocol, wrong))
        with pytest.raises(TypeError, match="is not supported by start_tls"):
            run(loop, loop.start_tls(object(), protocol, context))
        with pytest.raises(TypeError, match="is not supported by start_tls"):
            run(loop, loop.start_tls(None, protocol, context))
        assert not plain.is_closing()


@pytest.mark.hotloop_only(reason="asyncio waits for ever")
@pytest.mark.parametrize("how", ["close", "abort"])
def test_a_stream_that_is_closing(loop, certificates, how):
    context = certificates.client()
    with connected(loop, "tcp") as (plain, protocol, _):
        getattr(plain, how)()
        task = upgrading(loop, plain, protocol, context, "client", ssl_handshake_timeout=0.05)
        run_until(loop, task.done)
        assert isinstance(task.exception(), (OSError, RuntimeError))
        settle(loop)
        protocol.events.append("lost")


def test_writes_before_the_upgrade_leave_in_the_clear(loop, certificates, side):
    near, far = contexts(certificates, side)
    with connected(loop, "unix") as (plain, protocol, sock):
        shrink_buffers(plain.get_extra_info("socket"), sock)
        plain.set_write_buffer_limits(1 << 20)
        plain.write(b"c" * 300_000)
        task = upgrading(loop, plain, protocol, near, side)
        sock.setblocking(False)
        left = 300_000

        def drain():
            nonlocal left
            with contextlib.suppress(BlockingIOError):
                data = sock.recv(min(left, 65536))
                assert data.strip(b"c") == b""
                left -= len(data)
            return not left

        run_until(loop, drain)
        peer = Peer(sock, far, server=side == "client")
        run_until(loop, lambda: peer.step() and task.done() and peer.shaken)
        task.result().write(b"and now encrypted")
        talk(loop, peer, lambda: peer.data == b"and now encrypted")
        task.result().abort()
        run_until(loop, lambda: protocol.lost)


def test_stream_writers_start_tls(loop, certificates):
    near, far = contexts(certificates, "client")

    async def answer(reader, writer):
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go ahead\n")
        await writer.drain()
        await writer.start_tls(far)
        writer.write(await reader.readexactly(100_000))
        await writer.drain()
        assert await reader.read() == b""
        writer.close()

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"go ahead\n"
        await writer.start_tls(near, server_hostname=NAME)
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        writer.write(b"s" * 100_000)
        assert await reader.readexactly(100_000) == b"s" * 100_000
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(loop, main())
    settle(loop)


def test_tls14_tls_in_tls(loop, certificates, side):
    """A proxy over TLS: the inner connection runs through the outer one."""
    near, far = contexts(certificates, side)
    with upgraded(loop, certificates, "tcp", side) as (outer, protocol, outer_peer):
        task = upgrading(loop, outer, protocol, near, side)
        inner = Peer(Nothing(), far, server=side == "client")

        def step():
            outer_peer.step()
            inner.incoming.write(bytes(outer_peer.data))
            outer_peer.data.clear()
            with contextlib.suppress(BlockingIOError):
                inner.step()
            if inner.unsent:
                outer_peer.send(bytes(inner.unsent))
                inner.unsent.clear()
            return True

        run_until(loop, lambda: step() and task.done() and inner.shaken)
        transport = task.result()
        transport.write(b"inside" * 10_000)
        inner.tls.write(b"the other way")
        run_until(
            loop,
            lambda: step() and len(inner.data) == 60_000 and protocol.data == b"the other way",
        )
        assert transport.get_extra_info("ssl_object").version() == "TLSv1.3"
        transport.abort()
        run_until(loop, lambda: protocol.lost)


class Nothing:
    """A socket that never has anything and takes nothing."""

    def setblocking(self, _):
        pass

    def recv(self, _):
        raise BlockingIOError

    send = recv


def test_the_high_water_mark_of_tls_holds(loop, certificates):
    with upgraded(loop, certificates, "tcp", "client") as (transport, _, _):
        assert transport.get_write_buffer_limits() == (HIGH // 4, HIGH)
        assert isinstance(transport.get_extra_info("socket").family, socket.AddressFamily)


@pytest.mark.hotloop_only(reason="asyncio loses it before 3.13.12, and the handshake never ends")
def test_tls8_a_hello_that_a_stream_reader_has_read(loop, certificates):
    near, far = contexts(certificates, "server")
    reader = asyncio.StreamReader(loop=loop)
    reading = asyncio.StreamReaderProtocol(reader, loop=loop)
    with connected(loop, "tcp", reading) as (plain, _, sock):
        peer = Peer(sock, far, server=False)
        peer.step()
        run_until(loop, lambda: reader._buffer)
        task = upgrading(loop, plain, reading, near, "server")
        run_until(loop, lambda: peer.step() and task.done() and peer.shaken)
        peer.send(b"at last")
        assert run(loop, reader.readexactly(7)) == b"at last"
        tls = task.result()
        with pytest.raises(TypeError):
            tls._feed(42)
        tls.abort()
        run_until(loop, lambda: reader.at_eof())
        settle(loop)
        assert tls._feed(b"too late") is None


def test_a_side_without_a_truth(loop, certificates):
    class NoTruth:
        def __bool__(self):
            raise ZeroDivisionError

    with connected(loop, "tcp") as (plain, protocol, _):
        with pytest.raises(ZeroDivisionError):
            run(
                loop,
                loop.start_tls(
                    plain,
                    protocol,
                    certificates.client(),
                    server_side=NoTruth(),
                    server_hostname=NAME,
                ),
            )


@pytest.mark.hotloop_only(reason="asyncio's has no transport to show before the handshake")
class TestBeforeTheStream:
    def test_little_is_known(self, loop, certificates):
        context = certificates.client()
        tls = loop._make_tls(Recorder(), context, None, False, NAME)
        assert tls.get_extra_info("sslcontext") is context
        assert tls.get_extra_info("socket", 7) == 7
        assert tls.get_extra_info("cipher") is None
        assert repr(tls) and not tls.is_closing()
        tls.abort()
        with pytest.raises(TypeError):
            loop._make_tls()

    def test_it_is_closed_and_the_stream_ends_with_it(self, loop, certificates):
        near, far = socket.socketpair()
        with far:
            near.setblocking(False)
            far.settimeout(20)
            protocol = Recorder()
            tls = loop._make_ssl_transport(
                near, protocol, certificates.client(), None, server_hostname=NAME
            )
            tls.close()
            settle(loop)
            assert tls.is_closing() and far.recv(1) == b""
            assert "made" not in protocol.names

    def test_one_that_is_closed_takes_no_stream(self, loop, certificates):
        with connected(loop, "tcp") as (plain, protocol, far):
            tls = loop._make_tls(Recorder(), certificates.client(), None, False, NAME)
            tls.abort()
            plain.set_protocol(tls)
            assert tls.connection_made(plain) is None
            plain.set_protocol(protocol)
            far.send(b"plain")
            run_until(loop, lambda: protocol.data == b"plain")

    def test_a_stream_that_is_not_its_own_is_refused(self, loop, certificates):
        with connected(loop, "tcp") as (plain, _, _far):
            tls = loop._make_tls(Recorder(), certificates.client(), None, False, NAME)
            for other in plain, None:
                with pytest.raises(RuntimeError, match="is not the protocol of"):
                    tls.connection_made(other)
            tls.abort()
