# SPDX-License-Identifier: MIT
"""loop.getaddrinfo() and getnameinfo() answer what the socket module answers, to the last flag."""

import asyncio
import itertools
import socket

import pytest

from tests.tools import assert_usable, child_output, run

# Answered by the machine itself: any other name would ask a name server for every row.
HOSTS = [
    None, "", "127.0.0.1", b"127.0.0.1", "::1", "::ffff:10.0.0.1", "10.1", "0x7f.1", "2130706433",
    "255.255.255.255", "::1%lo", "fe80::1%1", "fe80::1%nonsense",
    "127.0.0.01", "0:0:0:0:0:0:0:1", "FE80::A", "::ffff:0:0",
    "localhost", b"localhost", "LOCALHOST", "0", "127.0.0.1\0x",
]  # fmt: skip
PORTS = [None, 0, 80, 65535, 65536, -1, "80", b"80", "080", "http", b"http", "nonsense", "", "8 "]
KINDS = [
    (0, 0, 0),
    (socket.AF_INET, socket.SOCK_STREAM, 0),
    (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP),
    (0, socket.SOCK_DGRAM, 0),
    (0, socket.SOCK_STREAM, socket.IPPROTO_UDP),
    (socket.AF_INET, 0, socket.IPPROTO_TCP),
    (socket.AF_INET, socket.SOCK_RAW, 0),
    (socket.AF_UNIX, 0, 0),
    (77, 0, 0),
    (0, 77, 0),
]
FLAGS = [
    0,
    socket.AI_PASSIVE,
    socket.AI_CANONNAME,
    socket.AI_NUMERICHOST,
    socket.AI_NUMERICSERV,
    socket.AI_PASSIVE | socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    socket.AI_V4MAPPED | socket.AI_ALL,
    socket.AI_ADDRCONFIG,
    1 << 29,
]


async def asked(coroutine):
    """The answer, or the type and the arguments of the error."""
    try:
        return await coroutine
    except Exception as error:
        return type(error), error.args


def answered(function, *args):
    """The same of a plain function."""
    try:
        return function(*args)
    except Exception as error:
        return type(error), error.args


@pytest.mark.parametrize("host", HOSTS, ids=repr)
def test_getaddrinfo(loop, host):
    async def compare():
        asked_for = 0
        for port, (family, kind, proto), flags in itertools.product(PORTS, KINDS, FLAGS):
            if host in ("localhost", b"localhost", "LOCALHOST") and asked_for % 7:
                asked_for += 1  # a look-up costs a thread: a part of them is enough
                continue
            asked_for += 1
            expected = answered(socket.getaddrinfo, host, port, family, kind, proto, flags)
            found = await asked(
                loop.getaddrinfo(host, port, family=family, type=kind, proto=proto, flags=flags)
            )
            assert found == expected, (host, port, family, kind, proto, flags)
        return asked_for

    assert run(loop, compare(), 50) == len(PORTS) * len(KINDS) * len(FLAGS)


def test_types_are_the_enums(loop):
    found = run(loop, loop.getaddrinfo("127.0.0.1", 80))
    assert [(type(family), type(kind)) for family, kind, *_ in found] == [
        (socket.AddressFamily, socket.SocketKind)
    ] * len(found)
    assert found


@pytest.mark.parametrize("host", ["x" * 64 + ".invalid", "a..b", "\udcff", 1, ["x"]], ids=ascii)
def test_hosts_that_are_no_names(loop, host):
    expected = answered(socket.getaddrinfo, host, 80)
    found = run(loop, asked(loop.getaddrinfo(host, 80)))
    assert found[0] is expected[0]


@pytest.mark.parametrize("port", [1.5, ["80"], "\udcff"], ids=ascii)
def test_ports_that_are_none(loop, port):
    expected = answered(socket.getaddrinfo, "127.0.0.1", port)
    found = run(loop, asked(loop.getaddrinfo("127.0.0.1", port)))
    assert found == expected or found[0] is expected[0] is UnicodeEncodeError


@pytest.mark.parametrize(
    "sockaddr",
    [
        ("127.0.0.1", 80), ("::1", 80), ("::1", 80, 0, 0), ("127.0.0.1", 80, 0, 0),
        ("::1", 80, 1 << 20), ("127.0.0.1",), ("127.0.0.1", "80"), ["127.0.0.1", 80],
        ("localhost", 80), ("127.0.0.1", 65536), ("127.0.0.1", -1), "127.0.0.1",
    ],
    ids=repr,
)  # fmt: skip
def test_getnameinfo(loop, sockaddr):
    numbers = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    for flags in (0, numbers, socket.NI_NUMERICHOST, socket.NI_NUMERICSERV | socket.NI_DGRAM):
        expected = answered(socket.getnameinfo, sockaddr, flags)
        found = run(loop, asked(loop.getnameinfo(sockaddr, flags)))
        assert found == expected or found[0] is expected[0]


def test_many_at_once(loop):
    async def ask():
        return await asyncio.gather(*[loop.getaddrinfo("localhost", port) for port in range(50)])

    for port, infos in enumerate(run(loop, ask())):
        assert infos == socket.getaddrinfo("localhost", port)


def test_a_cancelled_look_up_is_dropped(loop):
    async def ask():
        task = asyncio.ensure_future(loop.getaddrinfo("localhost", 80))
        await asyncio.sleep(0)
        if task.cancel():  # on a busy machine the answer may be there already
            with pytest.raises(asyncio.CancelledError):
                await task
        return await loop.getaddrinfo("localhost", 80)

    assert run(loop, ask()) == socket.getaddrinfo("localhost", 80)
    assert_usable(loop)


@pytest.mark.hotloop_only("asyncio's executor threads belong to the process, not to the loop")
def test_a_loop_closes_while_its_look_ups_run(loop_kind):
    output = child_output(
        """
        import asyncio, gc

        async def ask(loop):
            for port in range(50):
                loop.create_task(loop.getaddrinfo("localhost", port))
            await asyncio.sleep(0)

        for _ in range(20):
            loop = make_loop()
            loop.run_until_complete(ask(loop))
            for task in asyncio.all_tasks(loop):
                task._log_destroy_pending = False
            loop.close()
            del loop
            gc.collect()
        print("closed")
        """,
        kind=loop_kind,
    )
    assert output == "closed\n"
