# SPDX-License-Identifier: MIT
"""Top-level await in asyncio's own REPL, on the loop under test."""

import subprocess
import sys

KIND = sys.argv[1]
LINES = """
import asyncio
double = lambda number: asyncio.sleep(0.01, number * 2)
print("awaited", await double(21))
print(type(asyncio.get_running_loop()).__module__.split(".")[0] == {kind!r})
task = asyncio.create_task(double(1))
print("task", await task)
await asyncio.gather(double(1), double(2))
"""

if __name__ == "__main__":
    start = "import sys, runpy\n"
    if KIND == "hotloop":
        start += "import hotloop; hotloop.install()\n"
    start += "sys.argv[:] = ['asyncio']\nrunpy.run_module('asyncio', run_name='__main__')\n"
    done = subprocess.run(
        [sys.executable, "-c", start],
        input=LINES.format(kind=KIND),
        capture_output=True,
        text=True,
        timeout=30,
        env={"PYTHON_BASIC_REPL": "1", **__import__("os").environ},
        check=False,
    )
    for line in done.stdout.splitlines():
        line = line.lstrip(">. ")
        if line.startswith(("awaited", "task", "True", "False", "[")):
            print(line)
    print("exit", done.returncode)
