# SPDX-License-Identifier: MIT
"""A pytest plugin that runs each test 3 + 3 times and fails it if it leaks on a debug interpreter.

A test leaks when references, memory blocks or open descriptors grew in every tracked round:
one grown round is a cache that filled up, three are a leak. The rule is the one of CPython's
own `-m test -R 3:3`.
"""

import array
import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.runner import CallInfo, runtestprotocol

WARMUP, TRACKED = 3, 3
UNITS = ("references", "memory blocks", "descriptors")


def settle() -> None:
    """Bring the caches that hold references for a while to a known state."""
    sys._clear_type_cache()
    for _ in range(3):
        if gc.collect() == 0:
            break


def measure(row: array.array) -> None:
    """Fill `row` in place: a fresh tuple per round would itself be counted as growth."""
    settle()
    row[2] = len(os.listdir("/proc/self/fd"))
    row[1] = sys.getallocatedblocks()
    row[0] = sys.gettotalrefcount()


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Replace pytest's own, which remembers something of every folder it made."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


ROWS = [array.array("q", (0, 0, 0)) for _ in range(TRACKED + 1)]


def finalizers(item: pytest.Item) -> list[tuple[list, int]]:
    """What pytest notes, for the end of a wider fixture, about each narrower one that used it.

    It keeps every one, with the fixture's value, though the narrower one has ended long before.
    """
    return [
        (definition._finalizers, len(definition._finalizers))
        for definitions in item._fixtureinfo.name2fixturedefs.values()
        for definition in definitions
        if definition.scope != "function"
    ]


def rounds(item: pytest.Item, nextitem: pytest.Item | None) -> list[pytest.TestReport]:
    """Run `item` up to 3 + 3 times; the last round's reports, or those of the first failure."""
    reports: list[pytest.TestReport] = []
    for number in range(WARMUP + TRACKED + 1):
        if number >= WARMUP:
            measure(ROWS[number - WARMUP])
        if number == WARMUP + TRACKED:
            break
        reports = []
        if hasattr(item, "_initrequest"):
            item._initrequest()
        noted = finalizers(item)
        # Naming the parent as the next item ends this test's own fixtures and no wider ones.
        reports = runtestprotocol(item, log=False, nextitem=item.parent)
        for known, length in noted:
            del known[length:]
        item._report_sections.clear()
        if not all(report.passed for report in reports):
            break
    wider = CallInfo.from_call(
        lambda: item.session._setupstate.teardown_exact(nextitem), "teardown", reraise=None
    )
    if wider.excinfo is not None:
        reports.append(pytest.TestReport.from_item_and_call(item, wider))
    return reports


def growth(unit: int) -> list[int]:
    return [ROWS[n + 1][unit] - ROWS[n][unit] for n in range(TRACKED)]


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    gc.collect()
    gc.freeze()  # what was there before the test need not be looked at in each round
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = rounds(item, nextitem)
    if all(report.passed for report in reports):
        found = [f"{u}: {growth(n)}" for n, u in enumerate(UNITS) if min(growth(n)) > 0]
        call = next(report for report in reports if report.when == "call")
        if found:
            call.outcome = "failed"
            call.longrepr = f"leaks in each of {TRACKED} rounds: {'; '.join(found)}"
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
