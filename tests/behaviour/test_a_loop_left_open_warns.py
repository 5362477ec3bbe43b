# SPDX-License-Identifier: MIT
"""G2: a loop that is dropped without close() gives a ResourceWarning and its descriptors."""

import gc
import subprocess
import sys

import pytest

from tests.loops import make_loop, open_descriptors


def test_g2_dropped_open(loop_kind):
    before = open_descriptors()
    loop = make_loop(loop_kind)
    loop.call_soon(print)
    loop.call_later(60, print)
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        del loop
        gc.collect()
    assert open_descriptors() == before


def test_g2_dropped_after_close_is_silent(loop_kind, recwarn):
    loop = make_loop(loop_kind)
    loop.call_soon(print)
    loop.close()
    del loop
    gc.collect()
    assert not [w for w in recwarn if issubclass(w.category, ResourceWarning)]


def test_a_loop_keeps_no_reference_to_itself_after_close(loop_kind):
    import weakref

    loop = make_loop(loop_kind)
    loop.run_until_complete(loop.create_task(_nothing()))
    gone = weakref.ref(loop)
    loop.close()
    del loop
    gc.collect()
    assert gone() is None


async def _nothing():
    pass


LEFT = """
import asyncio, signal, sys
from tests.loops import make_loop

loop = make_loop(sys.argv[1])
asyncio.set_event_loop(loop)
if "debug" in sys.argv:
    loop.set_debug(True)
if "signals" in sys.argv:
    loop.add_signal_handler(signal.SIGUSR1, print)
if "executor" in sys.argv:
    loop.run_until_complete(loop.run_in_executor(None, int))
"""


@pytest.mark.parametrize("state", ["", "debug", "signals", "executor"])
def test_g2_left_as_the_current_loop_at_exit(loop_kind, state):
    """The policy holds it until the modules are gone: nothing but the warning may be said."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LEFT, loop_kind, state],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", LEFT, loop_kind, state],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
