"""What does one connection cost: accept, one small message there and back, close?"""

# SPDX-License-Identifier: MIT

from echo_tcp import serve
from harness import Serve, main

ROWS = [
    Serve(
        "16",
        "accept + one message + close, TCP, 16 at a time",
        {"uvloop": 1.2, "c": 1.3},
        serve=serve,
        load="churn",
        size=64,
        conns=16,
    )
]

if __name__ == "__main__":
    main(__file__)
