# SPDX-License-Identifier: MIT
"""What the tests of datagrams share."""

from __future__ import annotations

import asyncio

from tests.tools import run, settle


class Datagrams(asyncio.DatagramProtocol):
    """Notes every call in `events`; datagrams in `data`, as (bytes, address)."""

    def __init__(self):
        self.events: list = []
        self.data: list = []
        self.errors: list = []
        self.transport = None

    @property
    def lost(self) -> bool:
        return any(event[0] == "lost" for event in self.events)

    def connection_made(self, transport):
        self.transport = transport
        self.events.append("made")

    def datagram_received(self, data, addr):
        self.data.append((data, addr))
        self.events.append(("data", data))

    def error_received(self, exc):
        self.errors.append(exc)
        self.events.append(("error", type(exc)))

    def connection_lost(self, exc):
        self.events.append(("lost", exc))

    def pause_writing(self):
        self.events.append("pause")

    def resume_writing(self):
        self.events.append("resume")


def endpoint(loop, protocol=None, **options):
    """(transport, protocol) of a new endpoint."""
    protocol = protocol or Datagrams()
    return run(loop, loop.create_datagram_endpoint(lambda: protocol, **options))


def pair(loop, near=None, far=None):
    """Two endpoints on the loopback, the first connected to the second."""
    there, theirs = endpoint(loop, far, local_addr=("127.0.0.1", 0))
    here, ours = endpoint(loop, near, remote_addr=there.get_extra_info("sockname"))
    return here, ours, there, theirs


def close_all(loop, *transports):
    """Close, and let connection_lost() come."""
    for transport in transports:
        transport.close()
    settle(loop)
