# SPDX-License-Identifier: MIT
"""Five thousand connections on one loop, without a thread each."""

import asyncio
import resource
import sys
import threading

NUMBER = 5_000


class Echo(asyncio.Protocol):
    open_now = 0

    def connection_made(self, transport):
        self.transport = transport
        Echo.open_now += 1

    def data_received(self, data):
        self.transport.write(data)

    def connection_lost(self, exc):
        Echo.open_now -= 1


async def main(number):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=1024)
    address = server.sockets[0].getsockname()
    streams = []
    for _ in range(0, number, 250):
        streams += await asyncio.gather(*(asyncio.open_connection(*address) for _ in range(250)))
    while Echo.open_now < number:
        await asyncio.sleep(0.001)
    print("open", Echo.open_now, "threads", threading.active_count())
    for index, (_, writer) in enumerate(streams):
        writer.write(b"%05d" % index)
    answers = await asyncio.gather(*(reader.readexactly(5) for reader, _ in streams))
    print("answered", answers == [b"%05d" % index for index in range(number)])
    for _, writer in streams:
        writer.close()
    while Echo.open_now:
        await asyncio.sleep(0.001)
    server.close()
    await server.wait_closed()
    print("all closed")


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * NUMBER + 100
    if hard != resource.RLIM_INFINITY and hard < wanted:
        print("too few descriptors", file=sys.stderr)
        sys.exit(77)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    asyncio.run(main(NUMBER))
