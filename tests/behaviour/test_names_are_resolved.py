# SPDX-License-Identifier: MIT
"""getaddrinfo and getnameinfo: literals give exactly what the socket module gives (D4 to D6)."""

import asyncio
import functools
import itertools
import random
import socket
import traceback

import pytest

from tests.tools import assert_usable, child_output, run

HOSTS = [
    "127.0.0.1",
    b"127.0.0.1",
    "::1",
    "0.0.0.0",
    "::",
    "255.255.255.255",
    "1.2.3.4",
    "::ffff:1.2.3.4",
    "fe80::1%lo",
    "127.1",
    "0x7f000001",
    "0177.0.0.1",
    "2130706433",
    "1.2.3.256",
    "1.2.3.4.5",
    "::1::",
    "",
    None,
    "[::1]",
    " 127.0.0.1",
    "127.0.0.1 ",
    "127.0.0.1.",
]
PORTS = [
    0,
    80,
    65535,
    65536,
    70000,
    -1,
    "80",
    b"80",
    "65536",
    "http",
    b"http",
    "nonsense",
    "",
    None,
]
FAMILIES = [0, socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, 99]
TYPES = [0, socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW]
PROTOS = [0, socket.IPPROTO_TCP, socket.IPPROTO_UDP]
FLAGS = [0, socket.AI_PASSIVE, socket.AI_NUMERICHOST | socket.AI_NUMERICSERV, socket.AI_CANONNAME]


def outcome(call):
    """A list of addresses, or what kind of error it was."""
    try:
        return call()
    except (OSError, OverflowError, UnicodeError, ValueError, TypeError) as error:
        return type(error), getattr(error, "errno", None)


def combinations():
    """Every host with every port and family; types, protocols and flags with a few hosts."""
    for host, port, family in itertools.product(HOSTS, PORTS, FAMILIES):
        yield host, port, family, socket.SOCK_STREAM, 0, 0
    few = ["127.0.0.1", "::1", None, "1.2.3.256"]
    for host, kind, proto, flags in itertools.product(few, TYPES, PROTOS, FLAGS):
        yield host, 80, 0, kind, proto, flags
        yield host, "http", socket.AF_INET, kind, proto, flags


def needs_a_resolver(host, port, family, kind, proto, flags):
    """Names that libc would ask a server for; tests ask nobody."""
    if host in ("1.2.3.256", "1.2.3.4.5", "::1::", "[::1]", "127.0.0.1.", " 127.0.0.1"):
        return not flags & socket.AI_NUMERICHOST
    return host == "127.0.0.1 "


def test_literals_are_exactly_the_socket_modules(loop):
    wrong = []

    async def main():
        for combination in combinations():
            if needs_a_resolver(*combination):
                continue
            host, port, family, kind, proto, flags = combination
            theirs = outcome(functools.partial(socket.getaddrinfo, *combination))
            try:
                ours = await loop.getaddrinfo(
                    host, port, family=family, type=kind, proto=proto, flags=flags
                )
            except (OSError, OverflowError, UnicodeError, ValueError, TypeError) as error:
                ours = type(error), getattr(error, "errno", None)
            if ours != theirs:
                wrong.append((combination, ours, theirs))

    loop.run_until_complete(main())
    assert not wrong, f"{len(wrong)} differ, for example {wrong[:3]}"


def test_the_types_are_the_socket_modules(loop):
    ((family, kind, proto, name, address),) = run(
        loop, loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
    )
    assert type(family) is socket.AddressFamily and type(kind) is socket.SocketKind
    assert (proto, name, address) == (6, "", ("127.0.0.1", 80))


def test_localhost(loop):
    expected = socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
    assert run(loop, loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)) == expected


def test_a_name_that_does_not_exist(loop):
    with pytest.raises(socket.gaierror) as caught:
        run(loop, loop.getaddrinfo("does.not.exist.invalid", 80))
    assert caught.value.errno in (socket.EAI_NONAME, socket.EAI_AGAIN)
    assert_usable(loop)


@pytest.mark.parametrize(
    "host", ["nul\0byte", "a" * 64 + ".com", "..", ".", "a..b", "\ud800", b"\xff\xfe", "-" * 300]
)
def test_d4_malformed_names_fail_as_in_the_socket_module(loop, host):
    async def ours():
        try:
            await loop.getaddrinfo(host, 80)
        except (OSError, UnicodeError, ValueError) as error:
            return type(error)

    theirs = outcome(lambda: socket.getaddrinfo(host, 80))
    assert run(loop, ours()) is theirs[0]


PIECES = [
    *".-_ 0aZ\0\t%[]@:/",
    *"\u00df\u0130\u200d\u3002\uff0e\u0301\u05d0\ud800\udcff\U0001f4a9",
    *("xn--", "xn--a", "xn--\u00e4", "a" * 63, "b" * 64, ".."),
]


def test_d6_random_names_fail_as_in_the_socket_module(loop):
    """Numeric hosts only, so nobody is asked; but each name is encoded before that is seen."""
    chance = random.Random(6)

    async def ours(host):
        try:
            return await loop.getaddrinfo(host, 80, flags=socket.AI_NUMERICHOST)
        except (OSError, UnicodeError, ValueError) as error:
            return type(error)

    for _ in range(3000):
        text = "".join(chance.choices(PIECES, k=chance.randrange(1, 12)))
        host = text.encode(errors="surrogatepass") if chance.random() < 0.3 else text
        try:
            theirs = socket.getaddrinfo(host, 80, flags=socket.AI_NUMERICHOST)
        except (OSError, UnicodeError, ValueError) as error:
            theirs = type(error)
        assert loop.run_until_complete(ours(host)) == theirs, ascii(host)


@pytest.mark.parametrize("kind", [str, str.encode])
def test_d5_a_name_of_more_than_256_characters_is_never_cut(loop, kind):
    """A released libuv cut it, and resolved the rest to 127.0.0.1: CVE-2024-24806."""
    host = kind("0x" + "0" * 246 + "7f000001.example.com")
    with pytest.raises((socket.gaierror, UnicodeError)):
        run(loop, loop.getaddrinfo(host, 80))


def test_junk_for_a_host(loop):
    for junk in (42, object(), ("127.0.0.1",)):
        with pytest.raises(TypeError):
            run(loop, loop.getaddrinfo(junk, 80))
    assert_usable(loop)


def test_many_at_once(loop):
    async def main():
        answers = await asyncio.gather(
            *(loop.getaddrinfo("localhost", port, type=socket.SOCK_STREAM) for port in range(1, 60))
        )
        return [answer[0][4][1] for answer in answers]

    assert run(loop, main()) == list(range(1, 60))


def test_d3_a_look_up_cancelled_and_a_loop_closed_meanwhile(loop_kind):
    source = """
    import asyncio, time
    for _ in range(20):
        loop = make_loop()

        async def main():
            task = asyncio.ensure_future(loop.getaddrinfo("localhost", 80))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])

        loop.run_until_complete(main())
        task = loop.create_task(loop.getaddrinfo("localhost", 80))
        loop.call_soon(loop.stop)
        loop.run_forever()
        task._log_destroy_pending = False
        loop.close()
        del task, loop
    time.sleep(0.05)
    print("fine")
    """
    assert child_output(source, kind=loop_kind, flags=["-W", "ignore"]).strip() == "fine"


@pytest.mark.hotloop_only(reason="_getaddrinfo() is ours")
def test_a_loop_that_is_closed_while_the_future_is_made(loop, monkeypatch):
    walk_stack = traceback.walk_stack

    def closing(*args):  # debug mode notes where a future was made
        loop.close()
        return walk_stack(*args)

    loop.set_debug(True)
    monkeypatch.setattr(traceback, "walk_stack", closing)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop._getaddrinfo("localhost", 80, 0, 0, 0, 0)


@pytest.mark.parametrize(
    "address", [("127.0.0.1", 80), ("::1", 80, 0, 0), ("127.0.0.1", 65535), ("0.0.0.0", 0)]
)
@pytest.mark.parametrize(
    "flags",
    [
        socket.NI_NUMERICHOST | socket.NI_NUMERICSERV,
        socket.NI_NUMERICHOST,
        socket.NI_NUMERICHOST | socket.NI_DGRAM,
    ],
)
def test_getnameinfo_is_the_socket_modules(loop, address, flags):
    assert run(loop, loop.getnameinfo(address, flags)) == socket.getnameinfo(address, flags)


def test_getnameinfo_junk(loop):
    for junk in (("not an address", 80), ("127.0.0.1",), "127.0.0.1", None, 42, ("127.0.0.1", "x")):
        with pytest.raises((OSError, TypeError, OverflowError)):
            run(loop, loop.getnameinfo(junk, 0))
    assert_usable(loop)
