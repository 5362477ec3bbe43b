"""What does one TLS connection cost: accept, a full handshake, one small echo, close?"""

# SPDX-License-Identifier: MIT

from harness import Serve, main
from tls_echo import serve

ROWS = [
    Serve(
        "16",
        "accept + TLS handshake + one message + close, 16 at a time",
        {"uvloop": 1.05, "c": 1.1},
        serve=serve,
        load="churn",
        size=64,
        conns=16,
        tls=True,
    )
]

if __name__ == "__main__":
    main(__file__)
