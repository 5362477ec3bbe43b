"""What does one request cost a FastAPI application under uvicorn that answers JSON?"""

# SPDX-License-Identifier: MIT

from harness import Serve, main
from uvicorn_plaintext import run as run_uvicorn


def run(factory, sock):
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/json")
    async def answer():
        return {"message": "Hello, world!"}

    run_uvicorn(factory, sock, app)


ROWS = [
    Serve(
        "50",
        "FastAPI JSON, 50 connections",
        {"uvloop": 1.08},
        run=run,
        load="http",
        path="/json",
        conns=50,
        limit=None,
    )
]

if __name__ == "__main__":
    main(__file__)
