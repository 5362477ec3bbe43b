"""What does one request cost uvicorn with an ASGI application that answers a fixed text?"""

# SPDX-License-Identifier: MIT

import asyncio

from harness import Serve, main

HEADERS = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"13")]


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"Hello, world!"})


def run(factory, sock, application=app):
    """Run uvicorn for ever on a listening socket and a loop of that factory."""
    import uvicorn  # only this process needs it

    config = uvicorn.Config(application, lifespan="off", access_log=False, log_level="warning")
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(uvicorn.Server(config).serve(sockets=[sock]))


ROWS = [
    Serve(
        "50",
        "uvicorn plaintext, 50 connections",
        {"uvloop": 1.1},
        run=run,
        load="http",
        conns=50,
        limit=None,
    )
]

if __name__ == "__main__":
    main(__file__)
