# SPDX-License-Identifier: MIT
"""Any method of a datagram endpoint with any argument, from any of its callbacks, in any order.

The seeds are fixed and the rounds counted. After each the loop works, the ends have come exactly
once, and no descriptor is left.
"""

import contextlib
import logging
import random
import tempfile
import warnings

from tests.datagrams import Datagrams, endpoint
from tests.lifetimes.kit import collect, loop_of_the_kind, open_descriptors, settle, socket, steady
from tests.tools import assert_usable, turns

ROUNDS = 60
warnings.simplefilter("ignore")
logging.disable()


class Evil:
    """Raises whatever is done to it, and calls back when it dies."""

    def __init__(self, last_word):
        self.last_word = last_word

    def __eq__(self, other):
        raise ZeroDivisionError

    __hash__ = None

    def __bool__(self):
        raise ZeroDivisionError

    __index__ = __len__ = __bool__

    def __del__(self):
        self.last_word()


class Fire(Datagrams):
    """Each callback does something, and some raise."""

    def act(self):
        if self.transport is not None and self.left > 0:
            self.left -= 1
            self.deed()
            if self.random.random() < 0.1:
                raise LookupError("on purpose")

    def connection_made(self, transport):
        super().connection_made(transport)
        self.act()

    def datagram_received(self, data, addr):
        super().datagram_received(data, addr)
        self.act()

    def error_received(self, exc):
        super().error_received(exc)
        self.act()

    def pause_writing(self):
        super().pause_writing()
        self.act()

    def resume_writing(self):
        super().resume_writing()
        self.act()


def deeds(loop, protocol, dice, addresses):
    """A function that does one thing at random to the protocol's transport."""
    transport = protocol.transport
    junk = [None, 7, (), "x", ("::1", 9), ("127.0.0.1", 99_999), (b"\0", 1), b"/nowhere", [1, 2]]

    def last_word():
        with contextlib.suppress(Exception):
            transport.sendto(b"from the grave", dice.choice(addresses))

    def evil():
        return Evil(last_word)

    def deed():
        for _ in range(dice.randrange(1, 4)):
            what = dice.randrange(12)
            try:
                if what < 5:
                    data = dice.choice([b"x", b"", b"y" * 70_000, bytearray(b"z" * 600)])
                    transport.sendto(data, dice.choice(addresses))
                elif what == 5:
                    transport.sendto(dice.choice([b"x", "x", None, evil()]), dice.choice(junk))
                elif what == 6:
                    transport.sendto(b"x", evil())
                elif what == 7:
                    dice.choice([transport.pause_reading, transport.resume_reading])()
                elif what == 8:
                    transport.set_write_buffer_limits(dice.choice([0, 10, 100_000]))
                elif what == 9:
                    dice.choice([repr, str, bool])(transport)
                    transport.get_write_buffer_size()
                    transport.get_extra_info(dice.choice(["socket", "peername", "x"]))
                elif what == 10:
                    transport.set_protocol(protocol)
                elif dice.random() < 0.15:
                    dice.choice([transport.close, transport.abort])()
            except (TypeError, ValueError, OverflowError, OSError, ZeroDivisionError):
                pass
            except LookupError:
                pass  # asyncio lets what error_received() raises out of sendto()
            except AttributeError:
                assert protocol.lost or transport.is_closing()  # asyncio's own, at the end

    return deed


def fire(loop, seed, folder):
    """Four endpoints, of three kinds, at each other."""
    dice = random.Random(seed)
    unix = [f"{folder}/{seed}-{n}" for n in range(2)]
    protocols = [Fire() for _ in range(4)]
    for protocol in protocols:
        protocol.left, protocol.random, protocol.deed = 0, dice, None
    first, _ = endpoint(loop, protocols[0], local_addr=("127.0.0.1", 0))
    name = first.get_extra_info("sockname")
    endpoint(loop, protocols[1], remote_addr=name)
    for protocol, path in zip(protocols[2:], unix, strict=True):
        endpoint(loop, protocol, local_addr=path, family=socket.AF_UNIX)
    for protocol in protocols:
        addresses = unix if protocol in protocols[2:] else [name, None]
        protocol.deed = deeds(loop, protocol, dice, [*addresses, f"{folder}/nobody"])
        protocol.left = 40
    for _ in range(10):
        for protocol in protocols:
            protocol.deed()
            loop.call_soon(protocol.deed)
        turns(loop, 2)
    for protocol in protocols:
        if not protocol.lost:
            protocol.transport.abort()
    settle(loop)
    for protocol in protocols:
        ends = [event for event in protocol.events if event[0] == "lost"]
        assert len(ends) == 1, (seed, protocol.events)
        protocol.transport = protocol.deed = None


loop = loop_of_the_kind()
loop.set_exception_handler(lambda loop, context: None)
before = steady(loop)
with tempfile.TemporaryDirectory() as folder:
    for seed in range(ROUNDS):
        fire(loop, seed, folder)
        collect()
    assert_usable(loop)
left = {fd: path for fd, path in open_descriptors().items() if fd not in before}
assert not left, left
loop.close()
print("fine")
