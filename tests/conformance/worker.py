# SPDX-License-Identifier: MIT
"""The process that runs one CPython test file: it imports the file once and forks for each test.

A child that crashes or hangs costs its own test and nothing else. Results leave as one JSON
object per line; see run.py, which starts the workers, for what becomes of them.
"""

from __future__ import annotations

import ctypes
import dataclasses
import faulthandler
import fnmatch
import gc
import importlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import unittest
from typing import Any, NoReturn

from . import loops, matrix

# A result goes through a pipe that nobody reads before the child has ended, so it must fit.
_DETAIL_LIMIT = 24_000
_GRACE = 3.0  # seconds that a child has to print its stacks when its time is up


@dataclasses.dataclass(frozen=True)
class Job:
    """What a worker is asked to do; read from its standard input as JSON.

    ``file`` is the test file's name, ``match`` a pattern for test names or empty, ``limit`` the
    seconds that a test may take, ``short_limit`` the same for the names and patterns in
    ``listed``, which are expected to fail.
    """

    loop: str
    file: str
    match: str
    limit: float
    short_limit: float
    listed: list[str]


class _Report:
    """The worker's one-way line to run.py: JSON objects on what was its standard output."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def send(self, **message: Any) -> None:
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()


def main() -> None:
    """Run the job on standard input; exit status 0 says only that the job was carried out."""
    report = _Report()
    job = Job(**json.load(sys.stdin))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    kind = loops.load(job.loop)
    loops.plug(kind)
    try:
        tests = _collect(job, kind)
    except unittest.SkipTest as skip:
        report.send(file_skipped=str(skip))
        return
    # Children share the worker's pages only as long as the collector leaves them alone.
    gc.collect()
    gc.freeze()
    for name, test in tests:
        limit = job.short_limit if _listed(name, job.listed) else job.limit
        started = time.monotonic()
        status, detail = _run_in_child(test, limit)
        seconds = round(time.monotonic() - started, 3)
        report.send(test=name, status=status, detail=detail, seconds=seconds)


def _listed(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _collect(job: Job, kind: loops.Kind) -> list[tuple[str, unittest.TestCase]]:
    """Import the test file and return its tests with their names, in the file's order."""
    from test import support
    from test.test_asyncio import utils

    _tolerate(utils)
    # As in a run of CPython's own suite, which allows these and keeps the outside network shut.
    support.use_resources = ["cpu", "subprocess", "walltime"]
    support.verbose = 0
    module = importlib.import_module(f"test.test_asyncio.{job.file}")
    loader = unittest.TestLoader()
    tests = []
    for cls in matrix.classes(job.file, module, kind):
        for method in loader.getTestCaseNames(cls):
            name = f"{job.file}.{cls.__name__}.{method}"
            if not job.match or fnmatch.fnmatchcase(name, job.match):
                tests.append((name, cls(method)))
    return tests


def _tolerate(utils: Any) -> None:
    """Let CPython's helper close a loop without the private attribute that it looks at."""
    close_loop = utils.TestCase.close_loop

    def tolerant(loop: Any) -> None:
        if hasattr(loop, "_default_executor"):
            close_loop(loop)
            return
        if not loop.is_closed():
            loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    utils.TestCase.close_loop = staticmethod(tolerant)


def _run_in_child(test: unittest.TestCase, limit: float) -> tuple[str, str]:
    """Run `test` in a forked child for at most `limit` seconds; return (status, detail)."""
    home = tempfile.mkdtemp(prefix="conformance-")
    read_end, write_end = os.pipe()
    log = tempfile.TemporaryFile()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        _child(test, write_end, log.fileno(), home)
    os.close(write_end)
    try:
        ended_by = _wait(pid, limit)
        message = _drain(read_end)
        log.seek(0)
        output = log.read().decode("utf-8", "replace")
    finally:
        os.close(read_end)
        log.close()
        shutil.rmtree(home, ignore_errors=True)
    if ended_by is not None:
        return ended_by, output[-_DETAIL_LIMIT:]
    if not message:
        return "crash", "the child ended without a result\n" + output[-_DETAIL_LIMIT:]
    result = json.loads(message)
    detail = result["detail"]
    if result["status"] == "fail" and output:
        detail += "--- printed by the test ---\n" + output[-_DETAIL_LIMIT // 4 :]
    return result["status"], detail


def _wait(pid: int, limit: float) -> str | None:
    """Wait for child `pid` and its group; return None, or "crash" or "timeout"."""
    timed_out = not _ended_within(pid, limit)
    if timed_out:
        # faulthandler answers SIGABRT with the stacks of all threads.
        os.kill(pid, signal.SIGABRT)
        _ended_within(pid, _GRACE)
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    _, wait_status = os.waitpid(pid, 0)
    if timed_out:
        return "timeout"
    return None if wait_status == 0 else "crash"


def _ended_within(pid: int, seconds: float) -> bool:
    """Say whether child `pid` ends within `seconds`; it stays a zombie."""
    descriptor = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(descriptor)


def _drain(descriptor: int) -> bytes:
    """Read what is in a pipe, not waiting for whoever else may hold its other end."""
    os.set_blocking(descriptor, False)
    parts = []
    try:
        while part := os.read(descriptor, 65536):
            parts.append(part)
    except BlockingIOError:
        pass
    return b"".join(parts)


def leave(code: int) -> NoReturn:
    """End a forked child at once; on a coverage build it writes its counters first."""
    if "HOTLOOP_COVERAGE" in os.environ:
        ctypes.CDLL(None).exit(code)
    os._exit(code)


def _child(test: unittest.TestCase, result_to: int, log: int, home: str) -> None:
    """Run `test`, send its result and end the process without running exit handlers."""
    try:
        os.setpgid(0, 0)
        os.chdir(home)
        os.dup2(log, 1)
        os.dup2(log, 2)
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        # From 3.14 a C stack would follow and push the Python stack out of sight.
        options = {"c_stack": False} if sys.version_info >= (3, 14) else {}
        faulthandler.enable(file=2, all_threads=True, **options)
        status, detail = _run(test)
        message = json.dumps({"status": status, "detail": detail[-_DETAIL_LIMIT:]})
        os.write(result_to, message.encode())
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        leave(70)
    leave(0)


def _run(test: unittest.TestCase) -> tuple[str, str]:
    """Run `test` with its class's and module's fixtures; return its status and detail."""
    from test import support

    result = unittest.TestResult()
    unittest.TestSuite([test]).run(result)
    bad = result.errors + result.failures
    if bad:
        return "fail", "\n".join(text for _, text in bad)
    if result.unexpectedSuccesses:
        return "fail", "passed, though CPython marks it as an expected failure"
    if result.skipped:
        return "skip", result.skipped[0][1]
    if support.environment_altered:
        return "fail", "the test left threads, children or other changes behind"
    return "pass", ""
