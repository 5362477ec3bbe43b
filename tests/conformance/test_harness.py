# SPDX-License-Identifier: MIT
"""The harness itself: nothing that goes wrong in a test may look like a pass."""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

import pytest

from . import expected, run


class Samples(unittest.TestCase):
    """Not collected: each method is run in a worker's child by the tests below."""

    __test__ = False

    def ends_well(self) -> None:
        pass

    def fails(self) -> None:
        self.fail("on purpose")

    def is_skipped(self) -> None:
        self.skipTest("on purpose")

    def crashes(self) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)

    def exits(self) -> None:
        os._exit(0)

    def hangs(self) -> None:
        while True:
            time.sleep(60)


_IN_A_WORKER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from conformance import test_harness, worker
print(json.dumps(worker._run_in_child(test_harness.Samples(sys.argv[2]), float(sys.argv[3]))))
"""


def run_sample(method: str, limit: float) -> tuple[str, str]:
    """Run a method of Samples as a worker would; return its status and detail."""
    if importlib.util.find_spec("test.support") is None:
        pytest.skip("this Python has no test package")
    command = [sys.executable, "-c", _IN_A_WORKER, str(run.HERE.parent), method, str(limit)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=100)
    status, detail = json.loads(done.stdout)
    return status, detail


@pytest.mark.parametrize(
    ("method", "status", "word"),
    [
        ("ends_well", "pass", ""),
        ("fails", "fail", "on purpose"),
        ("is_skipped", "skip", "on purpose"),
        ("crashes", "crash", "Segmentation fault"),
        ("exits", "crash", "without a result"),
    ],
)
def test_outcome_of_a_child(method: str, status: str, word: str) -> None:
    found, detail = run_sample(method, limit=60.0)
    assert found == status
    assert word in detail


def test_hang_costs_its_limit_and_shows_its_stack() -> None:
    found, detail = run_sample("hangs", limit=0.5)
    assert found == "timeout"
    assert "in hangs" in detail


def outcome(test: str, status: str) -> run.Outcome:
    return run.Outcome(test, status, "detail", 0.1)


def judged(outcomes: list[run.Outcome], text: str) -> run.FileReport:
    report = run.FileReport("test_x")
    run._judge(report, outcomes, expected.parse(text), whole=True)
    return report


def test_listed_failure_is_excepted() -> None:
    report = judged([outcome("test_x.A.test_b", "fail")], "test_x.A.* | reason\n")
    assert report.ok and len(report.excepted) == 1


@pytest.mark.parametrize("status", ["fail", "crash", "timeout"])
def test_unlisted_failure_fails(status: str) -> None:
    report = judged([outcome("test_x.A.test_b", status)], "# nothing\n")
    assert not report.ok and report.bad == 1
    assert "test_x.A.test_b" in report.complaint()


def test_listed_pass_fails() -> None:
    report = judged([outcome("test_x.A.test_b", "pass")], "\ntest_x.A.test_b | reason\n")
    assert not report.ok
    assert "remove line 2" in report.complaint()


def test_line_that_names_nothing_fails() -> None:
    report = judged([outcome("test_x.A.test_b", "pass")], "test_x.A.test_c | reason\n")
    assert not report.ok
    assert "names no test" in report.complaint()


@pytest.mark.parametrize(
    ("versions", "holds", "not_holds"),
    [
        ("3.12+", [(3, 12, 0), (3, 14, 1)], [(3, 11, 9)]),
        ("-3.12", [(3, 11, 0), (3, 12, 9)], [(3, 13, 0)]),
        ("3.12-3.13", [(3, 12, 0), (3, 13, 9)], [(3, 11, 9), (3, 14, 0)]),
        ("3.12", [(3, 12, 5)], [(3, 11, 9), (3, 13, 0)]),
        ("3.13.3+", [(3, 13, 3), (3, 14, 0)], [(3, 13, 2)]),
    ],
)
def test_versions_of_a_line(
    versions: str, holds: list[expected.Version], not_holds: list[expected.Version]
) -> None:
    text = f"test_x.A.b | {versions} | reason"
    assert all(expected.parse(text, version) for version in holds)
    assert not any(expected.parse(text, version) for version in not_holds)


@pytest.mark.parametrize(
    "line", ["test_x.A.b", "test_x.A.b |", "test_x.A.b | later | reason", "a | 3.12+-3.13 | b"]
)
def test_line_that_cannot_be_read(line: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        expected.parse(line)


@pytest.mark.parametrize("minor", [11, 12, 13, 14, 15])
def test_the_list_is_short(minor: int) -> None:
    """At most eight tests of a version, each by its name, and only those that look inside."""
    path = pathlib.Path(run.__file__).with_name("exceptions.txt")
    lines = expected.parse(path.read_text(encoding="utf-8"), (3, minor, 0))
    assert 0 < len(lines) <= 8
    for line in lines:
        assert "*" not in line.pattern and line.reason.startswith("white box: ")
