# SPDX-License-Identifier: MIT
"""P10: the process is stopped and continued while timers wait: each fires once, in order."""

import os
import signal
import subprocess

from tests.lifetimes.kit import asyncio, loop_of_the_kind, pair, time

STATE = f"/proc/{os.getpid()}/status"
# Sent before we are stopped, SIGCONT would do nothing and nobody would send another.
CONTINUE = f"""
until grep -q '^State:.T' {STATE}; do sleep 0.01; done
sleep 0.05
kill -CONT {os.getpid()}
"""


def stop():
    """Stop this process until a child has seen that, and a little longer."""
    with subprocess.Popen(["sh", "-c", CONTINUE]):
        os.kill(os.getpid(), signal.SIGSTOP)


loop = loop_of_the_kind()
transport, protocol, far = pair(loop)
continued, fired = [], []
loop.add_signal_handler(signal.SIGCONT, continued.append, "continued")
for number in range(20):
    loop.call_later(0.001 * (number + 1), fired.append, number)
loop.call_soon(far.send, b"while it was stopped")
loop.call_soon(stop)
stopped_for = time.monotonic()
loop.run_until_complete(asyncio.sleep(0.03))
assert time.monotonic() - stopped_for >= 0.05
assert fired == list(range(20)), fired
assert continued == ["continued"] and protocol.data == b"while it was stopped"
loop.remove_signal_handler(signal.SIGCONT)
transport.abort()
loop.run_until_complete(asyncio.sleep(0))
far.close()
loop.close()
print("fine")
