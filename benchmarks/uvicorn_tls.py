"""What does one request over TLS cost uvicorn?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Serve, main
from native import certificate
from uvicorn_plaintext import app


def run(factory, sock):
    """Run uvicorn for ever on a listening socket and a loop of that factory."""
    import uvicorn  # only this process needs it

    cert, key = certificate()
    config = uvicorn.Config(
        app,
        lifespan="off",
        access_log=False,
        log_level="warning",
        ssl_certfile=cert,
        ssl_keyfile=key,
    )
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(uvicorn.Server(config).serve(sockets=[sock]))


ROWS = [
    Serve(
        "50",
        "uvicorn over TLS, 50 connections",
        {"uvloop": 1.08},
        run=run,
        load="http",
        conns=50,
        limit=None,
        tls=True,
    )
]

if __name__ == "__main__":
    main(__file__)
