# SPDX-License-Identifier: MIT
"""E9, TLS16: the n-th allocation fails, for each n; alone, and with all that follow it.

`python -m ... memory_runs_out KIND ROOM START STEP`, with tests/c/malloc.c preloaded. The rooms are
those of ../rooms.py, where what our C code asks for fails; in "openssl" what OpenSSL asks for does.
Each fault strikes in a forked child.
Acceptable: the work is done, or its caller gets a MemoryError, or the exception handler or the
unraisable hook is told; afterwards the same work succeeds and no descriptor is left. Not
acceptable: a signal, a hang, a leak, a loop that no longer works.
"""

import ctypes
import json
import os
import signal
import warnings

from tests.c.build import code_of, compile_c, python_includes
from tests.lifetimes.kit import asyncio, gc, loop_of_the_kind, open_descriptors, sys
from tests.lifetimes.rooms import OF_TLS, ROOMS, contexts
from tests.tools import assert_usable, steady

ROOM, START, STEP = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
work = ROOMS["secure" if ROOM == "openssl" else ROOM]
if ROOM == "openssl":
    memory = ctypes.PyDLL(None)
else:
    memory = ctypes.PyDLL(str(compile_c("memory.c", "-shared", "-fPIC", *python_includes())))
memory.memory_disarm.restype = ctypes.c_long
memory.memory_install.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
warnings.simplefilter("ignore")
told = []


def settle_down(loop):
    """Two turns of the event loop and what the failed work has left, cancelled."""
    for task in asyncio.all_tasks(loop):
        task.cancel()
    for _ in range(4):
        stop = loop.call_later(0.001, loop.stop)
        loop.run_forever()
        stop.cancel()  # something else may have ended the run


def ends(loop, task):
    """Whether the task ends by itself, in 8 s at most."""
    guard = loop.call_later(8, loop.stop)
    if not task.done():
        loop.run_forever()
    guard.cancel()
    return task.done()


def child(nth, go_on):
    """One fault; 0: it was never reached, 1: all is well, else what is wrong."""
    signal.alarm(60)
    loop = loop_of_the_kind()
    loop.set_exception_handler(lambda loop, context: told.append(context.get("exception")))
    before = steady(loop)
    # Once nothing can be allocated any more nobody may be woken, and a step that cannot end is
    # tried again and again: this ends the run.
    guard = loop.call_later(8, loop.stop)
    task = None
    memory.memory_arm(nth, go_on)
    try:
        task = loop.create_task(work(loop))
        task.add_done_callback(lambda task: loop.stop())
        loop.run_forever()
    except MemoryError as error:
        told.append(error)
    reached = memory.memory_disarm() >= nth
    hung = guard.when() <= loop.time()
    guard.cancel()
    if hung and go_on:  # with memory again the very same task must end: it was not lost
        hung = not ends(loop, task)
    settle_down(loop)
    if task is not None and task.done() and not task.cancelled():
        told.append(task.exception())
    del task
    gc.collect()
    # An error without an exception, or the reverse; 3.11 itself has one when a call has no memory.
    errors = (error for error in told if isinstance(error, SystemError))
    confused = [repr(error) for error in errors if sys.version_info >= (3, 12)]
    told.clear()
    loop.run_until_complete(work(loop))
    assert_usable(loop)
    gc.collect()
    settle_down(loop)
    left = open_descriptors().keys() - before.keys()
    loop.close()
    if left:
        return 90
    if hung:
        return 92
    if confused and ROOM != "openssl":  # those are the ssl module's own
        os.write(2, f"{nth}, going on {go_on}: {confused}\n".encode())
        return 93
    return int(reached)


def walk(go_on, nth, step):
    bad, number = [], 0
    while True:
        pid = os.fork()
        if not pid:
            code = 91
            try:
                code = child(nth, go_on)
            except BaseException as error:
                memory.memory_disarm()
                os.write(2, f"{nth}, going on {go_on}: {error!r}\n".encode())
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return bad, number
        if code != 1:
            bad.append((nth, go_on, code))
        nth, number = nth + step, number + 1


sys.unraisablehook = lambda unraisable: told.append(unraisable.exc_value)
if ROOM == "openssl" or work in OF_TLS:
    contexts()
    warm = loop_of_the_kind()
    warm.run_until_complete(work(warm))  # what OpenSSL keeps for ever is there now
    warm.close()
loop_of_the_kind().close()
for library in ("/libssl.", "/libcrypto.") if ROOM == "openssl" else ("/_core.",):
    memory.memory_install(*code_of(library))
gc.collect()
gc.freeze()  # the children's collections need not look at all that is there already
result = {}
for name, go_on in (("once", 0), ("from then on", 1)):
    bad, number = walk(go_on, START, STEP)
    result[name] = {"bad": bad, "faults": number}
print(json.dumps(result))
