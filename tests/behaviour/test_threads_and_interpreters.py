# SPDX-License-Identifier: MIT
"""S3, S5, S6, S10: wake-ups, subinterpreters, free threading, hooks; one loop per thread."""

import asyncio
import os
import sys
import sysconfig
import threading

import pytest

import hotloop
from tests.c.build import preloaded
from tests.c.marks import PRELOADS
from tests.tools import PY, TESTS, assert_usable, child, child_output, run

NEW_LIBUV = tuple(map(int, hotloop.libuv_version().split(".")[:2])) >= (1, 45)


def test_a_loop_in_each_of_eight_threads(new_loop):
    loops, answers = [new_loop() for _ in range(8)], []

    async def work(number):
        for _ in range(50):
            await asyncio.sleep(0)
        await asyncio.gather(*(asyncio.sleep(0.001) for _ in range(20)))
        return number

    threads = [
        threading.Thread(
            target=lambda loop=loop, n=n: answers.append(loop.run_until_complete(work(n)))
        )
        for n, loop in enumerate(loops)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == list(range(8))


def test_the_loop_lets_other_threads_run_while_it_polls(loop):
    counted = 0
    stop = threading.Event()

    def count():
        nonlocal counted
        while not stop.is_set():
            counted += 1

    thread = threading.Thread(target=count)
    thread.start()
    run(loop, asyncio.sleep(0.05))
    stop.set()
    thread.join()
    assert counted > 1000


def test_futures_made_in_one_loop_and_waited_for_from_another_thread(new_loop):
    one, two = new_loop(), new_loop()
    running = threading.Event()
    one.call_soon(running.set)
    thread = threading.Thread(target=one.run_forever)
    thread.start()
    running.wait()

    async def there(value):
        await asyncio.sleep(0.001)
        return value, threading.get_ident()

    async def main():
        results = []
        for number in range(20):
            future = asyncio.run_coroutine_threadsafe(there(number), one)
            results.append(await asyncio.wrap_future(future))
        return results

    results = two.run_until_complete(main())
    one.call_soon_threadsafe(one.stop)
    thread.join()
    assert [value for value, _ in results] == list(range(20))
    assert {ident for _, ident in results} == {thread.ident}


SUBINTERPRETER = """
import sys
import _xxsubinterpreters as interpreters
import hotloop, asyncio

code = '''
try:
    import hotloop, asyncio
except ImportError as error:
    print("refused")
else:
    loop = hotloop.new_event_loop()
    print(loop.run_until_complete(asyncio.sleep(0.001, "works")))
    loop.close()
'''
for _ in range(3):
    one = interpreters.create()
    interpreters.run_string(one, code)
    interpreters.destroy(one)
loop = hotloop.new_event_loop()
print(loop.run_until_complete(asyncio.sleep(0.001, "alive")))
loop.close()
"""


@pytest.mark.hotloop_only(reason="about our extension module")
@pytest.mark.skipif(PY > (3, 12), reason="the module has another name from 3.13 on")
def test_s5_a_subinterpreter_gets_its_own_state_or_an_import_error(loop_kind):
    done = child(SUBINTERPRETER, kind=loop_kind)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split()
    assert lines[-1] == "alive" and set(lines[:-1]) <= {"works", "refused"} and len(lines) == 4


def test_s10_a_profiler_that_reenters_the_loop(loop):
    seen = []

    def profiler(frame, event, arg):
        if event == "c_call" and len(seen) < 50:
            seen.append(1)
            loop.call_soon(int)

    sys.setprofile(profiler)
    try:
        run(loop, asyncio.sleep(0.001))
    finally:
        sys.setprofile(None)
    assert_usable(loop)


AUDIT = """
import asyncio, sys
loop = make_loop()
events = []

def hook(event, args):
    if events is not None and event.startswith(("socket.", "asyncio.")):
        events.append(event)
        loop.call_soon(int)

sys.addaudithook(hook)

async def main():
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await reader.read()
    writer.close()
    server.close()
    await asyncio.sleep(0.002)

loop.run_until_complete(main())
events = None
loop.close()
print("fine")
"""


def test_s10_an_audit_hook_that_calls_the_loop(loop_kind):
    assert child_output(AUDIT, kind=loop_kind).strip() == "fine"


DAEMONS = """
import threading, time
loop = make_loop()

def hammer():
    while True:
        try:
            loop.call_soon_threadsafe(int)
        except RuntimeError:
            time.sleep(0)

for _ in range(4):
    threading.Thread(target=hammer, daemon=True).start()
loop.call_later(0.02, loop.stop)
loop.run_forever()
"""


# A daemon thread that ends inside a call takes what its stack holds with it: not a leak of ours.
LEAKS_MAY_BE = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}


@pytest.mark.parametrize("close", [True, False])
def test_g7_daemon_threads_call_in_while_the_interpreter_ends(loop_kind, close):
    source = DAEMONS + ("loop.close()\n" if close else "")
    for _ in range(5):
        done = child(source, kind=loop_kind, flags=["-W", "ignore"], env=LEAKS_MAY_BE)
        assert done.returncode == 0, (done.returncode, done.stderr)


@pytest.mark.hotloop_only(reason="about our extension module")
def test_s6_the_module_asks_for_the_gil(loop_kind):
    """Free threading is not claimed: an interpreter without a GIL switches it on for us."""
    import hotloop._core

    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        assert sys._is_gil_enabled()
    sources = (TESTS.parent / "src").rglob("*.[ch]")
    assert not [path.name for path in sources if "GIL_NOT_USED" in path.read_text()]
    assert hotloop._core.__name__ == "hotloop._core"


WAKES = """
import ctypes, errno, threading, time
faults = ctypes.CDLL(None)
loop = make_loop()
guard = loop.call_later(20, loop.stop)
woken = []

def other():
    for number in range(20):
        time.sleep(0.002)  # most times the loop sleeps by then
        faults.fault_arm(b"write", 1, errno.EINTR)
        loop.call_soon_threadsafe(woken.append, number)
        while len(woken) <= number:
            time.sleep(0.0005)
        hits.append(faults.fault_hits())
        faults.fault_disarm()
    loop.call_soon_threadsafe(loop.stop)

hits = []
threading.Thread(target=other, daemon=True).start()
loop.run_forever()
guard.cancel()
loop.close()
print(woken == list(range(20)), sum(hits) > 0)
"""


@pytest.mark.no_sanitizer  # the preloaded library is for one thread, and here two use it
@PRELOADS
@pytest.mark.skipif(NEW_LIBUV, reason="libuv 1.53 aborts; Linux never interrupts this write")
@pytest.mark.hotloop_only(reason="asyncio writes by a socket's send")
def test_s3_the_write_that_wakes_the_loop_is_interrupted(loop_kind):
    done = child(WAKES, kind=loop_kind, env=preloaded("faults.c"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True"]
