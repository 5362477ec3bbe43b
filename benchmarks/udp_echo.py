"""What does it cost to answer a datagram, by clients and by how many of theirs are under way?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Serve, main


class Echo(asyncio.DatagramProtocol):
    """Sends every datagram back to where it came from."""

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)


async def serve(sock):
    return await asyncio.get_running_loop().create_datagram_endpoint(Echo, sock=sock)


ROWS = [
    Serve(
        f"{conns}-{flight}",
        f"UDP echo, 512 bytes, {conns} sockets with {flight} in flight",
        {"uvloop": 1.2, "c": 1.12} if (conns, flight) == (10, 8) else {},
        grid=(conns, flight) != (10, 8),
        serve=serve,
        family="udp",
        size=512,
        conns=conns,
        flight=flight,
    )
    for conns, flight in ((1, 1), (10, 1), (10, 8))
]

if __name__ == "__main__":
    main(__file__)
