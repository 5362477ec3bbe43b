# SPDX-License-Identifier: MIT
"""CPython's own asyncio tests on hotloop: one pytest test for each of CPython's test files."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator

import pytest

from . import run

try:
    FILES = run.test_files()
    MISSING = ""
except run.TestsMissing as missing:
    FILES = ["test_asyncio"]
    MISSING = str(missing)

Jobs = dict[str, "concurrent.futures.Future[run.FileReport]"]


@pytest.fixture(scope="module")
def jobs(request: pytest.FixtureRequest) -> Iterator[Jobs]:
    """All chosen files, running two at a time while the tests below wait for each in turn."""
    how = run.settings()
    chosen = [
        item.callspec.params["file"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.function is test_cpython_file
    ]
    with concurrent.futures.ThreadPoolExecutor(run.WORKERS) as pool:
        running = {file: pool.submit(run.run_file, file, how) for file in chosen}
        yield running
        for job in running.values():
            job.cancel()


@pytest.mark.skipif(bool(MISSING), reason=MISSING or "-")
@pytest.mark.slow
@pytest.mark.timeout(900)  # a file's tests have limits of their own; this is for the worker
@pytest.mark.parametrize("file", FILES)
def test_cpython_file(file: str, jobs: Jobs) -> None:
    report = jobs[file].result()
    print(report.counts())
    assert report.ok, report.complaint()
    if report.skipped_because:
        pytest.skip(report.skipped_because)
    assert report.passed or report.excepted or report.skipped, "the file has no test"
