# SPDX-License-Identifier: MIT
"""Each command line of docs/usage.md is run as it stands there, and serves on our loop."""

from __future__ import annotations

import re

import pytest

from tests.ecosystem import kit
from tests.ecosystem.test_gunicorn import AIOHTTP, LISTENING
from tests.ecosystem.test_hypercorn import RUNNING
from tests.tools import TESTS

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.hotloop_only("the page tells how to choose ours"),
]
PAGE = (TESTS.parent / "docs" / "usage.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]
# What makes each take any free port, and how it says which.
PORTS = {
    "uvicorn": (["--port", "0"], RUNNING.replace("Running", "running")),
    "gunicorn": (["--bind", "127.0.0.1:0", "--no-control-socket"], LISTENING),
    "hypercorn": (["--bind", "127.0.0.1:0"], RUNNING),
}


def prepare(folder, line: str) -> None:
    """Write the files that the page shows beside that command."""
    application = AIOHTTP if "aiohttp" in line else kit.APPLICATION
    (folder / "app.py").write_text(application)
    if line.startswith("hypercorn"):
        install = kit.snippet("# application.py").partition("async def app")[0]
        (folder / "application.py").write_text(install + application)
    elif "workers.HotloopWorker" in line:
        (folder / "workers.py").write_text(kit.snippet("class HotloopWorker"))
    elif line.startswith("gunicorn"):
        (folder / "gunicorn.conf.py").write_text(kit.snippet("# gunicorn.conf.py"))


@pytest.mark.parametrize("line", COMMANDS)
def test_it_serves_on_our_loop(tmp_path, loop_kind, line):
    words = line.split()
    environment = dict(word.split("=") for word in words if "UVICORN_LOOP=" in word)
    program, *arguments = words[len(environment) :]
    kit.needs(program)
    for word, module in (("HotloopWorker", "uvicorn_worker"), ("aiohttp", "aiohttp")):
        if word in line:
            kit.needs(module)
    prepare(tmp_path, line)
    options, port = PORTS[program]
    command = ["-m", program, *arguments, *options]
    with kit.started(tmp_path, *command, port=port, **environment) as server:
        assert kit.body(kit.ask(server, "/about")).startswith("hotloop")
        server.end()
