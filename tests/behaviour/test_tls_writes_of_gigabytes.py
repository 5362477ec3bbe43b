# SPDX-License-Identifier: MIT
"""One write over TLS that is longer than an int counts: all of it arrives, and then the end."""

import os
import threading

import pytest

from tests.tls import contexts, opening
from tests.tools import LIMIT, Recorder, run, run_until, socket_pair

SIZE = (1 << 31) + 12_345
SPACE = 6 << 30


class Reader(threading.Thread):
    """Shakes hands and, from `go` on, reads to the end, in a thread of its own."""

    def __init__(self, sock, context, server):
        super().__init__()
        self.sock, self.context, self.server = sock, context, server
        self.go = threading.Event()
        self.size = 0
        self.is_right = True

    def run(self):
        name = None if self.server else "localhost"
        with self.context.wrap_socket(
            self.sock, server_side=self.server, server_hostname=name
        ) as sock:
            self.go.wait(LIMIT)
            buffer, zeros = bytearray(1 << 16), bytes(1 << 16)
            while size := sock.recv_into(buffer):
                self.is_right = self.is_right and zeros.startswith(buffer[:size])
                self.size += size


@pytest.mark.slow
@pytest.mark.no_sanitizer
@pytest.mark.timeout(240)
@pytest.mark.skipif(
    os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") < SPACE, reason="too little memory"
)
@pytest.mark.hotloop_only("asyncio encrypts all of it at once, and needs as much memory again")
def test_tls17_more_than_an_int_counts(loop, certificates, side):
    near, far = socket_pair("unix")
    near.setblocking(False)
    far.settimeout(LIMIT)
    ours, theirs = contexts(certificates, side)
    reader = Reader(far, theirs, side == "client")
    reader.start()
    protocol = Recorder()
    transport, _ = run(loop, opening(loop, side, lambda: protocol, near, ours))
    transport.write(bytes(SIZE))  # zeros that nobody has touched: no memory yet
    assert SIZE - (1 << 20) <= transport.get_write_buffer_size() <= SIZE + (1 << 20)
    reader.go.set()
    transport.close()
    run_until(loop, lambda: protocol.lost, 200)
    reader.join()
    assert protocol.error is None
    assert reader.size == SIZE and reader.is_right
