# SPDX-License-Identifier: MIT
"""C1, C2, C5: clocks that are moved while the loop runs, or that count from long ago."""

import json

import pytest

from tests.c.build import preloaded
from tests.c.marks import PRELOADS
from tests.tools import child

pytestmark = PRELOADS
DAY = 86_400
HEAD = """
import asyncio, ctypes, json, sys, time
clocks = ctypes.CDLL(None)
clocks.clocks_move.argtypes = [ctypes.c_int64, ctypes.c_int64]
SECOND = 10**9
HOUR, DAY, YEAR = 3600, 86_400, 365 * 86_400

def move(monotonic=0, wall=0):
    clocks.clocks_move(int(monotonic * SECOND), int(wall * SECOND))
"""


def run_child(source, kind, *args):
    done = child(HEAD + source, *args, kind=kind, env=preloaded("clocks.c"))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


WALL = """
years = int(sys.argv[1])
loop = make_loop()
fired = []
for number in range(5):
    loop.call_later(0.01 * number, fired.append, number)
today = time.time()
loop.call_later(0.015, move, 0, years * YEAR)
before = loop.time()
loop.run_until_complete(asyncio.sleep(0.05))
took = loop.time() - before
print(json.dumps([fired, abs(time.time() - today) > YEAR / 2, 0.05 <= took < DAY]))
loop.close()
"""


@pytest.mark.parametrize("years", [1, -1])
def test_c1_the_wall_clock_has_no_influence(loop_kind, years):
    assert run_child(WALL, loop_kind, str(years)) == [[0, 1, 2, 3, 4], True, True]


JUMP = """
loop = make_loop()
fired = []
for hours in (23, 2, 25, 1, 1):
    loop.call_later(hours * HOUR, fired.append, hours)
cancelled = loop.call_later(3 * HOUR, fired.append, "cancelled")

def jump():
    cancelled.cancel()
    move(DAY)

loop.call_later(0.001, jump)
soon = loop.call_later(0.002, fired.append, "soon")

async def wait():
    while len(fired) < 5:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    return await asyncio.wait_for(asyncio.sleep(0.001, "in order"), 60)

answer = loop.run_until_complete(wait())
left = [round((timer.when() - loop.time()) / HOUR) for timer in loop._scheduled
        if not timer.cancelled() and timer.when() > loop.time() + 600]
print(json.dumps([fired, answer, left]))
loop.close()
"""


def test_c2_what_a_jump_has_made_overdue_fires_once_and_in_order(loop_kind):
    expected = [["soon", 1, 1, 2, 23], "in order", [1]]
    assert run_child(JUMP, loop_kind) == expected


LONG_AGO = """
target = int(sys.argv[1])
move(target / SECOND - 60 - time.monotonic())
loop = make_loop()
move(target / SECOND - 0.03 - time.monotonic())
fired = []
for number in (3, 1, 2, 0):
    loop.call_later(0.02 * number, fired.append, number)

async def main():
    seen = []
    for _ in range(5):
        await asyncio.sleep(0.01)
        seen.append(loop.time())
    try:
        await asyncio.wait_for(loop.create_future(), 0.01)
    except TimeoutError:
        fired.append("timeout")
    handle = loop.call_at(loop.time() + 3600, print)
    handle.cancel()
    await asyncio.sleep(0.02)
    return all(b - a >= 0.0099 for a, b in zip(seen, seen[1:]))

moved = loop.run_until_complete(main())
after = time.monotonic()
print(json.dumps([[x for x in fired if x != "timeout"], "timeout" in fired, moved,
                  target / SECOND < after]))
loop.close()
"""


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(2**31 * 10**6, id="2^31 ms"),
        pytest.param(2**32 * 10**6, id="2^32 ms"),
        pytest.param(2**31 * 10**9, id="2^31 s"),
        pytest.param(2**62, id="2^62 ns"),
    ],
)
def test_c5_no_width_of_a_counter_matters(loop_kind, target):
    """49.7 days in milliseconds, 68 years in seconds: the clock passes them while we wait."""
    assert run_child(LONG_AGO, loop_kind, str(target)) == [[0, 1, 2, 3], True, True, True]
