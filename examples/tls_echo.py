# SPDX-License-Identifier: MIT
"""An echo server over TLS.

python examples/tls_echo.py [port [certificate key]]
then, elsewhere: openssl s_client -connect 127.0.0.1:PORT

Without a certificate it makes one for itself, by the command openssl; no client trusts that one.
"""

import asyncio
import pathlib
import ssl
import subprocess
import sys
import tempfile

import hotloop


class Echo(asyncio.Protocol):
    """Knows nothing of TLS: plain bytes come, plain bytes go."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


def self_signed(folder: str) -> tuple[str, str]:
    """Make a certificate for localhost; return its file and that of its key."""
    cert, key = (str(pathlib.Path(folder) / name) for name in ("cert.pem", "key.pem"))
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7"
    files = ["-subj", "/CN=localhost", "-keyout", key, "-out", cert]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    return cert, key


def context(files: list[str]) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        made.load_cert_chain(*(files or self_signed(folder)))
    return made


async def main(port: int, files: list[str]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", port, ssl=context(files))
    print("listening on 127.0.0.1 port", server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        hotloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8443, sys.argv[2:4]))
    except KeyboardInterrupt:
        print("stopped")
