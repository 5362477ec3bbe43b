# SPDX-License-Identifier: MIT
"""asyncio's own streams over our transports: lines, limits, drain, servers, ends."""

import asyncio
import inspect
import random

import pytest

from tests.tools import PY, run


async def echo_server(handler=None, **options):
    async def echo(reader, writer):
        while data := await reader.read(1000):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(handler or echo, "127.0.0.1", 0, **options)
    return server, server.sockets[0].getsockname()


async def finish(server, *writers):
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    server.close()
    await server.wait_closed()
    while len(asyncio.all_tasks()) > 2:  # the handlers; the test and its limit stay
        await asyncio.sleep(0.001)


def test_echo(loop):
    async def main():
        server, address = await echo_server()
        reader, writer = await asyncio.open_connection(*address)
        for number in range(100):
            writer.write(b"%d" % number)
            await writer.drain()
            assert await reader.readexactly(len(b"%d" % number)) == b"%d" % number
        writer.write_eof()
        assert await reader.read() == b""
        assert reader.at_eof()
        await finish(server, writer)

    run(loop, main())


def test_lines(loop):
    async def main():
        server, address = await echo_server()
        reader, writer = await asyncio.open_connection(*address)
        lines = [b"x" * n + b"\n" for n in (0, 1, 100, 5000)] + [b"last without end"]
        writer.writelines(lines)
        writer.write_eof()
        assert [line async for line in reader] == lines
        await finish(server, writer)

    run(loop, main())


def test_read_until_and_exactly(loop):
    async def main():
        server, address = await echo_server()
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"key=value;rest")
        assert await reader.readuntil(b"=") == b"key="
        assert await reader.readuntil(b";") == b"value;"
        assert await reader.readexactly(4) == b"rest"
        writer.write(b"ab")
        writer.write_eof()
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await reader.readexactly(10)
        assert caught.value.partial == b"ab"
        await finish(server, writer)

    run(loop, main())


def test_a_limit(loop):
    async def main():
        server, address = await echo_server()
        reader, writer = await asyncio.open_connection(*address, limit=100)
        writer.write(b"x" * 1000 + b"\nshort\n")
        with pytest.raises(ValueError):
            await reader.readline()
        await finish(server, writer)

    run(loop, main())


def test_a_megabyte_each_way_with_pauses(loop):
    async def main():
        server, address = await echo_server()
        reader, writer = await asyncio.open_connection(*address, limit=10_000)
        data = random.Random(6).randbytes(2_000_000)

        async def send():
            for start in range(0, len(data), 50_000):
                writer.write(data[start : start + 50_000])
                await writer.drain()
            writer.write_eof()

        sending = asyncio.ensure_future(send())
        got = bytearray()
        while chunk := await reader.read(30_000):
            got += chunk
        await sending
        assert got == data
        await finish(server, writer)

    run(loop, main())


@pytest.mark.skipif(
    "Unhandled exception in client" not in inspect.getsource(asyncio.StreamReaderProtocol),
    reason="the first versions of 3.11 leave it to the garbage collector",
)
def test_a_handler_that_fails_is_reported(loop, reports):
    async def fails(reader, writer):
        raise ZeroDivisionError

    async def main():
        server, address = await echo_server(fails)
        reader, writer = await asyncio.open_connection(*address)
        if PY >= (3, 12):
            assert await reader.read() == b""
        else:
            while not reports:
                await asyncio.sleep(0.001)
        writer.close()
        server.close()
        await asyncio.sleep(0.005)

    run(loop, main())
    loop.run_until_complete(asyncio.sleep(0.002))
    import gc

    gc.collect()
    assert any(isinstance(report.get("exception"), ZeroDivisionError) for report in reports)


def test_extra_info_and_is_closing(loop):
    async def main():
        server, address = await echo_server()
        _, writer = await asyncio.open_connection(*address)
        assert writer.get_extra_info("peername") == address
        assert writer.can_write_eof() and not writer.is_closing()
        writer.close()
        assert writer.is_closing()
        await writer.wait_closed()
        await finish(server)

    run(loop, main())


def test_cancelled_reads_lose_nothing(loop):
    async def main():
        server, address = await echo_server()
        reader, writer = await asyncio.open_connection(*address)
        for number in range(20):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(reader.readline(), 0.001)
            writer.write(b"%d\n" % number)
            assert await reader.readline() == b"%d\n" % number
        await finish(server, writer)

    run(loop, main())


def test_two_reads_at_once_are_refused(loop):
    async def main():
        server, address = await echo_server()
        reader, writer = await asyncio.open_connection(*address)
        first = asyncio.ensure_future(reader.read(1))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="called while another coroutine is already waiting"):
            await reader.read(1)
        first.cancel()
        await asyncio.wait([first])
        await finish(server, writer)

    run(loop, main())


def test_a_reset_reaches_the_reader(loop):
    async def resets(reader, writer):
        writer.transport.abort()

    async def main():
        server, address = await echo_server(resets)
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"x" * 100)
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            pass
        writer.close()
        server.close()
        await asyncio.sleep(0.002)

    run(loop, main())


def test_unix_streams(loop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    async def main():
        async def echo(reader, writer):
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_unix_server(echo, "sock")
        reader, writer = await asyncio.open_unix_connection("sock")
        writer.write(b"hello\n")
        assert await reader.read() == b"hello\n"
        await finish(server, writer)

    run(loop, main())


def test_l3_three_hundred_connections(loop):
    async def main():
        server, address = await echo_server(backlog=512)
        streams = await asyncio.gather(*(asyncio.open_connection(*address) for _ in range(300)))
        for number, (_, writer) in enumerate(streams):
            writer.write(b"%04d" % number)
        answers = await asyncio.gather(*(reader.readexactly(4) for reader, _ in streams))
        assert answers == [b"%04d" % number for number in range(300)]
        await finish(server, *(writer for _, writer in streams))

    run(loop, main())
