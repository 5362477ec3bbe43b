# SPDX-License-Identifier: MIT
"""create_server, create_connection, their unix twins and the streams, with ssl= at both ends."""

import asyncio
import ssl

import pytest

from tests.certificates import NAME
from tests.tls import contexts
from tests.tools import Recorder, run, run_until, settle


class Echo(Recorder):
    def data_received(self, data):
        super().data_received(data)
        self.transport.write(data)


async def listen(loop, kind, folder, factory, **options):
    """A server and what a client of it passes to its own call."""
    if kind == "unix":
        path = str(folder / "s")
        return await loop.create_unix_server(factory, path, **options), (path,)
    server = await loop.create_server(factory, "127.0.0.1", 0, **options)
    return server, server.sockets[0].getsockname()


async def connect(loop, kind, factory, address, **options):
    if kind == "unix":
        return await loop.create_unix_connection(factory, *address, **options)
    return await loop.create_connection(factory, *address, **options)


def test_a_server_and_a_client(loop, certificates, stream_kind, tmp_path, version):
    client, server = contexts(certificates, "client", version)
    made = []

    def factory():
        made.append(Echo())
        return made[-1]

    async def main():
        listener, address = await listen(loop, stream_kind, tmp_path, factory, ssl=server)
        transport, protocol = await connect(
            loop, stream_kind, Recorder, address, ssl=client, server_hostname=NAME
        )
        assert protocol.names == ["made"] and protocol.transport is transport
        transport.write(b"x" * 200_000)
        while len(protocol.data) < 200_000:
            await asyncio.sleep(0)
        assert transport.get_extra_info("ssl_object").version() == f"TLSv{version}"
        transport.close()
        while not (protocol.lost and made[0].lost):
            await asyncio.sleep(0)
        listener.close()
        await listener.wait_closed()
        return protocol

    protocol = run(loop, main())
    assert protocol.data == b"x" * 200_000
    assert protocol.error is None and made[0].error is None and len(made) == 1


def test_many_clients_at_once(loop, certificates):
    client, server = contexts(certificates, "client")

    async def visit(address, number):
        reader, writer = await asyncio.open_connection(*address, ssl=client, server_hostname=NAME)
        writer.write(b"%d\n" % number)
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line

    async def answer(reader, writer):
        writer.write(b"you are " + await reader.readline())
        await writer.drain()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()

    async def main():
        listener = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server)
        address = listener.sockets[0].getsockname()
        lines = await asyncio.gather(*(visit(address, number) for number in range(20)))
        listener.close()
        await listener.wait_closed()
        return lines

    assert run(loop, main()) == [b"you are %d\n" % number for number in range(20)]


def test_streams_over_a_unix_socket(loop, certificates, tmp_path):
    client, server = contexts(certificates, "client")

    async def answer(reader, writer):
        writer.write(await reader.readexactly(100_000))
        writer.close()

    async def main():
        path = str(tmp_path / "s")
        listener = await asyncio.start_unix_server(answer, path, ssl=server)
        reader, writer = await asyncio.open_unix_connection(path, ssl=client, server_hostname=NAME)
        writer.write(b"y" * 100_000)
        assert await reader.read(-1) == b"y" * 100_000
        writer.close()
        await writer.wait_closed()
        listener.close()
        await listener.wait_closed()

    run(loop, main())


def test_open_connection_checks_the_name_of_its_host(loop, certificates):
    client, server = contexts(certificates, "client")

    async def main():
        listener = await loop.create_server(Recorder, "127.0.0.1", 0, ssl=server)
        port = listener.sockets[0].getsockname()[1]
        transport, _ = await loop.create_connection(Recorder, "127.0.0.1", port, ssl=client)
        assert transport.get_extra_info("ssl_object").server_hostname == "127.0.0.1"
        transport.abort()
        listener.close()
        await listener.wait_closed()

    run(loop, main())
    settle(loop)


def test_server_close_leaves_its_tls_connections(loop, certificates):
    client, server = contexts(certificates, "client")
    accepted = Echo()

    async def main():
        listener = await loop.create_server(accepted, "127.0.0.1", 0, ssl=server)
        address = listener.sockets[0].getsockname()
        transport, protocol = await loop.create_connection(
            Recorder, *address, ssl=client, server_hostname=NAME
        )
        listener.close()
        transport.write(b"still there")
        while protocol.data != b"still there":
            await asyncio.sleep(0)
        transport.close()
        while not (protocol.lost and accepted.lost):
            await asyncio.sleep(0)
        await listener.wait_closed()

    run(loop, main())


@pytest.mark.hotloop_only(reason="asyncio leaves that connection open")
def test_a_factory_that_fails_costs_only_its_connection(loop, certificates, reports):
    """X6."""
    client, server = contexts(certificates, "client")
    outcomes = [ZeroDivisionError, None]

    def factory():
        if outcome := outcomes.pop(0):
            raise outcome
        return Echo()

    async def main():
        listener = await loop.create_server(factory, "127.0.0.1", 0, ssl=server)
        address = listener.sockets[0].getsockname()
        options = {"ssl": client, "server_hostname": NAME}
        with pytest.raises(OSError):
            await loop.create_connection(Recorder, *address, **options)
        transport, protocol = await loop.create_connection(Recorder, *address, **options)
        transport.write(b"second")
        while protocol.data != b"second":
            await asyncio.sleep(0)
        transport.abort()
        listener.close()
        await listener.wait_closed()

    run(loop, main())
    run_until(loop, lambda: reports)
    assert type(reports[0]["exception"]) is ZeroDivisionError
    settle(loop)


def test_ssl_true_is_the_default_context(loop, certificates, monkeypatch):
    _, server = contexts(certificates, "client")
    monkeypatch.setenv("SSL_CERT_FILE", certificates.path("ca"))

    async def main():
        listener = await loop.create_server(Recorder, "127.0.0.1", 0, ssl=server)
        address = listener.sockets[0].getsockname()
        transport, _ = await loop.create_connection(
            Recorder, *address, ssl=True, server_hostname=NAME
        )
        context = transport.get_extra_info("sslcontext")
        assert context.check_hostname and context.verify_mode == ssl.CERT_REQUIRED
        transport.abort()
        listener.close()
        await listener.wait_closed()

    run(loop, main())
    settle(loop)
