# SPDX-License-Identifier: MIT
"""IPython's `await` and a Jupyter kernel, on the loop as docs/usage.md tells."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys

import pytest

from tests.ecosystem import kit
from tests.tools import TESTS, run

pytestmark = pytest.mark.heavy
KIND = "type(__import__('asyncio').get_running_loop()).__module__.split('.')[0]"


@pytest.fixture
def environment(tmp_path, loop_kind):
    """What a user of IPython has, with the documented file in the profile for ours."""
    kit.needs("IPython")
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    if loop_kind == "hotloop":
        (profile / "ipython_config.py").write_text(kit.snippet("# ipython_config.py"))
    path = [os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "PROMPT_TOOLKIT_NO_CPR": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "TERM": "xterm",
    }


def test_ipython_runs_a_program(tmp_path, loop_kind, environment):
    cell = f"import asyncio; print({KIND}, await asyncio.sleep(0.01, 'slept'))"
    options = ["-m", "IPython", "--colors=NoColor", "-c", cell]
    with kit.started(tmp_path, *options, IPYTHONDIR=environment["IPYTHONDIR"]) as program:
        program.process.wait(kit.LIMIT)
    assert program.said == f"{loop_kind} slept\n"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")  # so is libuv
def test_ipython_at_a_terminal(loop_kind, environment):
    """The prompt itself reads the terminal through the loop."""
    pexpect = kit.needs("pexpect")
    options = ["-m", "IPython", "--no-banner", "--colors=NoColor", "--no-confirm-exit"]
    terminal = pexpect.spawn(
        sys.executable, options, env=environment, encoding="utf8", timeout=kit.LIMIT
    )
    try:
        terminal.expect(r"In \[1\]:")
        terminal.send("import asyncio\r")
        terminal.expect(r"In \[2\]:")
        terminal.send(f"await asyncio.sleep(0.01); {KIND}\r")
        terminal.expect(rf"Out\[2\]:.*'{loop_kind}'")
        terminal.expect(r"In \[3\]:")
        terminal.setwinsize(20, 60)
        terminal.send("print('waiting'.upper()); await asyncio.sleep(1000)\r")
        terminal.expect("WAITING")
        terminal.sendintr()
        terminal.expect("KeyboardInterrupt|CancelledError")
        terminal.expect(r"In \[4\]:")
        terminal.send("6 * 7\r")
        terminal.expect(r"Out\[4\]:.*42")
        terminal.expect(r"In \[5\]:")
        terminal.send("\x04")
        terminal.expect(pexpect.EOF)
    finally:
        terminal.close(force=True)
    assert terminal.exitstatus == 0


CELLS = [
    # A cell, and what it prints or the name of its error.
    (f"import asyncio, sys; print({KIND})", "{kind}"),
    ("print(await asyncio.gather(*(asyncio.sleep(0.01, n) for n in range(3))))", "[0, 1, 2]"),
    # A task goes on between two cells.
    ("gate = asyncio.Event(); task = asyncio.create_task(gate.wait()); print('made')", "made"),
    ("gate.set(); print(await task)", "True"),
    ("print(await asyncio.to_thread(lambda: 'from a thread'))", "from a thread"),
    ("1 / 0", "ZeroDivisionError"),
    ("await asyncio.wait_for(asyncio.sleep(1000), 0.01)", "TimeoutError"),
    (
        """
async def hello(reader, writer):
    writer.write(b"hello")
    writer.close()

async with await asyncio.start_server(hello, "127.0.0.1", 0) as server:
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    print(await reader.read())
    writer.close()
""",
        "b'hello'",
    ),
    ("asyncio.run(asyncio.sleep(0))", "RuntimeError"),
    ("print('alive')", "alive"),
]


@contextlib.asynccontextmanager
async def kernel(environment, argv=None):
    """A kernel process and its manager and client, which are on the running loop."""
    kit.needs("ipykernel", "jupyter_client")
    import jupyter_client
    import zmq.asyncio

    context = zmq.asyncio.Context()
    manager = jupyter_client.AsyncKernelManager(kernel_name="python3", transport="ipc")
    manager.context = context
    manager.ip = os.path.join(environment["IPYTHONDIR"], "kernel")
    if argv is not None:
        manager.kernel_spec.argv = argv
    manager.kernel_spec.argv[0] = sys.executable
    await manager.start_kernel(env=environment)
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=kit.LIMIT)
        yield manager, client
    finally:
        client.stop_channels()
        await manager.shutdown_kernel()
        context.destroy()


def test_a_jupyter_kernel(loop, loop_kind, environment):
    """Kernel and client are both on the loop: pyzmq watches its descriptors."""

    async def main():
        async with kernel(environment) as (manager, client):
            seen = [await shown(client, cell) for cell, _ in CELLS]
            if loop_kind == "hotloop":
                # The kernel's handler cancels the cell; asyncio may not wake up to see it.
                endless = "print('waiting', flush=True); await asyncio.sleep(1000)"
                end = await shown(client, endless, manager.interrupt_kernel)
                assert end in ("KeyboardInterrupt", "CancelledError")
        assert seen == [expected.format(kind=loop_kind) for _, expected in CELLS]

    run(loop, main(), kit.LIMIT)


@pytest.mark.hotloop_only("the page's own words")
def test_a_kernel_that_its_specification_puts_on_the_loop(loop, loop_kind, environment):
    os.remove(os.path.join(environment["IPYTHONDIR"], "profile_default", "ipython_config.py"))
    page = (TESTS.parent / "docs" / "usage.md").read_text()
    (argv,) = re.findall(r'^"argv": (\[.*?\])$', page, re.M | re.S)

    async def main():
        async with kernel(environment, json.loads(argv)) as (_, client):
            return await shown(client, f"print({KIND})")

    assert run(loop, main(), kit.LIMIT) == loop_kind


async def shown(client, cell, when_printed=None) -> str:
    """What a cell prints on its standard output, or the name of the error it ends with."""
    printed, tasks = [], []

    def hook(message):
        content = message["content"]
        if message["msg_type"] == "stream" and content["name"] == "stdout":
            printed.append(content["text"])
            if when_printed is not None:
                tasks.append(asyncio.ensure_future(when_printed()))

    reply = await client.execute_interactive(cell, timeout=kit.LIMIT, output_hook=hook)
    await asyncio.gather(*tasks)
    content = reply["content"]
    return content["ename"] if content["status"] == "error" else "".join(printed).strip()
