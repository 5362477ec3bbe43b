# SPDX-License-Identifier: MIT
"""Top-level await in a Jupyter kernel that runs on the loop under test."""

import os
import sys

import jupyter_client

CELLS = [
    """
import asyncio
async def double(number):
    await asyncio.sleep(0.01)
    return number * 2
print(type(asyncio.get_running_loop()).__module__.split(".")[0] == KIND)
""",
    """
print(await asyncio.gather(double(1), double(2)))
""",
    """
import nest_asyncio
try:
    asyncio.run(double(1))
except RuntimeError as error:
    print(error)
""",
]


def main(kind):
    manager = jupyter_client.KernelManager(kernel_name="python3")
    start = "import asyncio\n"
    if kind == "hotloop":
        start += "import hotloop; hotloop.install()\n"
    start += "from ipykernel.kernelapp import launch_new_instance; launch_new_instance()\n"
    manager.kernel_spec.argv = [sys.executable, "-c", start, "-f", "{connection_file}"]
    manager.start_kernel(env={**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"})
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=40)
        client.execute(f"KIND = {kind!r}", silent=True)
        for cell in CELLS:
            reply = client.execute_interactive(cell, timeout=20, output_hook=show)
            if reply["content"]["status"] != "ok":
                print(reply["content"]["ename"], reply["content"]["evalue"])
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def show(message):
    if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
        print(message["content"]["text"], end="")


if __name__ == "__main__":
    main(sys.argv[1])
