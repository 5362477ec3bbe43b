# SPDX-License-Identifier: MIT
"""unittest's IsolatedAsyncioTestCase, pytest-asyncio and anyio's pytest plugin."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import unittest

import pytest

from tests.ecosystem import kit
from tests.tools import PY

INSTALL = "import hotloop; hotloop.install()\n"


def outcome(folder, kind, source, *arguments, module="pytest", config="[pytest]\n", conftest=None):
    """Run a file of tests of somebody's in a process; its output.

    Ours is the loop by install(), or by a conftest.py if one is given.
    """
    (folder / "test_theirs.py").write_text(textwrap.dedent(source))
    (folder / "pytest.ini").write_text(config)
    start = INSTALL if kind == "hotloop" and conftest is None else ""
    if conftest is not None:
        (folder / "conftest.py").write_text(conftest)
    start += f"import sys, runpy; sys.argv[0] = {module!r}\n"
    start += f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)\n"
    path = [os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    done = subprocess.run(
        [sys.executable, "-c", start, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "KIND": kind},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


CHECK = "type(asyncio.get_running_loop()).__module__.split('.')[0] == os.environ['KIND']"


def test_isolated_asyncio_test_case_after_install(tmp_path, loop_kind):
    source = f"""
    import asyncio, os, unittest

    class Theirs(unittest.IsolatedAsyncioTestCase):
        async def asyncSetUp(self):
            self.queue = asyncio.Queue()
            self.addAsyncCleanup(asyncio.sleep, 0)

        async def test_loop(self):
            assert {CHECK}
            await asyncio.sleep(0.001)

        async def test_queue(self):
            await self.queue.put(1)
            assert await asyncio.wait_for(self.queue.get(), 5) == 1

        async def asyncTearDown(self):
            await asyncio.sleep(0)
    """
    output = outcome(tmp_path, loop_kind, source, "-v", "test_theirs", module="unittest")
    assert "Ran 2 tests" in output and "OK" in output


@pytest.mark.skipif(PY < (3, 13), reason="loop_factory came with 3.13")
def test_isolated_asyncio_test_case_with_a_loop_factory(new_loop):
    seen = []

    class Theirs(unittest.IsolatedAsyncioTestCase):
        loop_factory = staticmethod(new_loop)

        async def test(self):
            seen.append(asyncio.get_running_loop())

    result = unittest.TestResult()
    Theirs("test").run(result)
    assert result.wasSuccessful() and len(seen) == 1
    assert isinstance(seen[0], type(new_loop()))


def test_pytest_asyncio(tmp_path, loop_kind):
    kit.needs("pytest_asyncio")
    source = f"""
    import asyncio, os
    import pytest, pytest_asyncio

    @pytest_asyncio.fixture
    async def server():
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        yield server
        server.close()
        await server.wait_closed()

    @pytest.mark.asyncio
    async def test_loop():
        assert {CHECK}

    @pytest.mark.asyncio
    async def test_server(server):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    """
    output = outcome(
        tmp_path,
        loop_kind,
        source,
        "-q",
        "-p",
        "no:cacheprovider",
        config="[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n",
    )
    assert "2 passed" in output


ONE_TEST = f"""
import asyncio, os
import pytest

@pytest.mark.MARK
async def test_loop():
    assert {CHECK}
"""


@pytest.mark.hotloop_only("the pages tell how to choose ours")
@pytest.mark.parametrize("word", ["def pytest_asyncio_loop_factories", "def event_loop_policy"])
def test_pytest_asyncio_as_the_page_tells(tmp_path, loop_kind, word):
    plugin = kit.needs("pytest_asyncio")
    if word.endswith("factories") and tuple(map(int, plugin.__version__.split(".")[:2])) < (1, 4):
        pytest.skip("the hook came with pytest-asyncio 1.4")
    # Newer versions say that policies are deprecated; they work all the same.
    options = ("-q", "-p", "no:cacheprovider", "-W", "ignore::DeprecationWarning")
    source = ONE_TEST.replace("MARK", "asyncio")
    config = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
    conftest = kit.snippet(word)
    output = outcome(tmp_path, loop_kind, source, *options, config=config, conftest=conftest)
    assert "1 passed" in output


@pytest.mark.hotloop_only("the pages tell how to choose ours")
def test_anyios_plugin_as_the_page_tells(tmp_path, loop_kind):
    kit.needs("anyio")
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:asyncio")
    conftest = kit.snippet("def anyio_backend")
    source = ONE_TEST.replace("MARK", "anyio")
    assert "1 passed" in outcome(tmp_path, loop_kind, source, *options, conftest=conftest)


def test_anyio_pytest_plugin(tmp_path, loop_kind):
    kit.needs("anyio")
    source = f"""
    import asyncio, os
    import anyio, pytest

    @pytest.fixture
    def anyio_backend():
        return "asyncio"

    @pytest.fixture
    async def number():
        await anyio.sleep(0)
        yield 42

    @pytest.mark.anyio
    async def test_loop(number):
        assert number == 42 and {CHECK}
    """
    output = outcome(
        tmp_path, loop_kind, source, "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"
    )
    assert "1 passed" in output
