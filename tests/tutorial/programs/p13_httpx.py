# SPDX-License-Identifier: MIT
"""httpx.AsyncClient asks a server of our own."""

import asyncio

import httpx


async def serve(reader, writer):
    request = await reader.readuntil(b"\r\n\r\n")
    print(request.split(b"\r\n")[0].decode())
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
    await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"http://127.0.0.1:{port}/page")
        print(response.status_code, response.text)


if __name__ == "__main__":
    asyncio.run(main())
