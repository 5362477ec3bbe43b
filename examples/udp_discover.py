# SPDX-License-Identifier: MIT
"""Who is there? One datagram asks, everybody answers to where it came from.

python examples/udp_discover.py        two services and a client, all on this machine
"""

import asyncio

import hotloop

QUESTION = b"who is there?"


class Service(asyncio.DatagramProtocol):
    """Answers the question with its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data == QUESTION:
            self.transport.sendto(self.name.encode(), addr)


class Client(asyncio.DatagramProtocol):
    """Collects the answers."""

    def __init__(self) -> None:
        self.found: asyncio.Queue[tuple[str, tuple[str, int]]] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.found.put_nowait((data.decode(), addr))


async def main() -> None:
    loop = asyncio.get_running_loop()
    services = []
    for name in ("printer", "lamp"):
        service, _ = await loop.create_datagram_endpoint(
            lambda name=name: Service(name), local_addr=("127.0.0.1", 0)
        )
        services.append(service)
    client, answers = await loop.create_datagram_endpoint(Client, local_addr=("127.0.0.1", 0))
    for service in services:  # in a network: one to ("<broadcast>", port), with allow_broadcast
        client.sendto(QUESTION, service.get_extra_info("sockname"))
    for _ in services:
        name, (host, port) = await asyncio.wait_for(answers.found.get(), timeout=5)
        print(f"{name} is at {host} port {port}")
    for transport in (client, *services):
        transport.close()


if __name__ == "__main__":
    hotloop.run(main())
