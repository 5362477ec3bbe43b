# SPDX-License-Identifier: MIT
"""D1, D2: what a name server's failure gives, and what its silence costs: nothing."""

import json

from tests.c.build import preloaded
from tests.c.marks import PRELOADS
from tests.tools import child

pytestmark = PRELOADS


def run_child(source, kind):
    done = child(source, kind=kind, env=preloaded("names.c"), flags=["-W", "ignore"])
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return json.loads(done.stdout)


ERRORS = """
import asyncio, json, socket
loop = make_loop()
NUMBERS = (socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_NODATA,
           socket.EAI_MEMORY, socket.EAI_SERVICE)

async def ask(call):
    try:
        await call
    except socket.gaierror as error:
        return [error.errno, error.strerror]

async def main():
    answers = []
    for number in NUMBERS:
        host = f"error{number}.test"
        answers.append(await ask(loop.getaddrinfo(host, 80)))
        answers.append(await ask(loop.create_connection(asyncio.Protocol, host, 80)))
    return answers

answers = loop.run_until_complete(main())
try:
    socket.getaddrinfo(f"error{socket.EAI_AGAIN}.test", 80)
except socket.gaierror as error:
    assert answers[2] == [error.errno, error.strerror]
print(json.dumps([[number for number, _ in answers], [n for n in NUMBERS for _ in "12"]]))
loop.run_until_complete(loop.shutdown_default_executor())
loop.close()
"""


def test_d1_the_error_is_the_name_servers(loop_kind):
    got, wanted = run_child(ERRORS, loop_kind)
    assert got == wanted


SILENCE = """
import asyncio, ctypes, json, os, time
names = ctypes.CDLL(None)
loop = make_loop()

async def main():
    waiting = [asyncio.ensure_future(loop.getaddrinfo("slow.test", 80)) for _ in range(100)]
    while not names.names_asked():
        await asyncio.sleep(0.001)
    for _ in range(20):
        await asyncio.sleep(0.001)
    # Who does not have to ask anybody is served, and so is who gives up.
    literal = await LITERAL
    for task in waiting[:50]:
        task.cancel()
    await asyncio.wait(waiting[:50])
    threads = len(os.listdir("/proc/self/task"))
    return literal, threads, [task.cancelled() for task in waiting], waiting

literal, threads, cancelled, waiting = loop.run_until_complete(main())
for task in waiting:
    task._log_destroy_pending = False
loop.call_soon(loop.stop)
loop.run_forever()
loop.close()
asked = names.names_asked()
names.names_release()
print(json.dumps([bool(literal), threads <= 40, cancelled, asked <= 40]))
"""


def test_d2_a_name_server_that_does_not_answer_blocks_nobody(loop_kind):
    """A hundred look-ups hang: the loop goes on, its threads are few, and close() does not wait."""
    # asyncio looks literals up in a thread too, and all of its threads hang.
    literal = "asyncio.sleep(0, True)" if loop_kind == "asyncio" else 'loop.getaddrinfo("::1", 80)'
    answer = run_child(SILENCE.replace("LITERAL", literal), loop_kind)
    assert answer == [True, True, [True] * 50 + [False] * 50, True]
