# SPDX-License-Identifier: MIT
"""Run CPython's test_asyncio on a loop and compare the outcome with the list of exceptions.

Each test file has its own worker process (worker.py), two at a time. The interpreter that runs
this module is the one whose tests are run.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import importlib.util
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable

if not __package__:  # run as a script, by its path
    sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)
    __package__ = "conformance"

from . import expected, loops, matrix

HERE = pathlib.Path(__file__).resolve().parent
LISTED_FOR = "hotloop"  # exceptions.txt is about this loop; others are run without a list
# Processes at a time; half as many where a second suite runs beside this one.
WORKERS = int(os.environ.get("HOTLOOP_WORKERS", "2"))
LIMIT = 30.0  # seconds for one test; HOTLOOP_CONFORMANCE_LIMIT sets another
SHORT_LIMIT = 5.0  # seconds for a test on the list, which is there to fail
_START = "import sys; sys.path.insert(0, {0!r}); from conformance.worker import main; " \
    "sys.path.remove({0!r}); main()"  # fmt: skip


class TestsMissing(Exception):
    """The interpreter came without CPython's test package; str() is a sentence for people."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one test: `status` is pass, fail, crash, timeout or skip."""

    test: str
    status: str
    detail: str
    seconds: float


@dataclasses.dataclass
class FileReport:
    """The outcomes of one file, judged against the list.

    ``failed`` holds outcomes that nobody excused, ``complaints`` sentences on lines of the list
    that are wrong and on a worker that died, ``skipped_because`` the reason for which CPython
    skips the whole file.
    """

    file: str
    seconds: float = 0.0
    passed: list[Outcome] = dataclasses.field(default_factory=list)
    failed: list[Outcome] = dataclasses.field(default_factory=list)
    excepted: list[Outcome] = dataclasses.field(default_factory=list)
    skipped: list[Outcome] = dataclasses.field(default_factory=list)
    complaints: list[str] = dataclasses.field(default_factory=list)
    skipped_because: str = ""

    @property
    def ok(self) -> bool:
        """True if nothing in the file fails the run."""
        return not self.failed and not self.complaints

    def counts(self) -> str:
        """Return the file's line of the table."""
        text = (
            f"{self.file:26}{len(self.passed):5} passed {self.bad:3} failed "
            f"{len(self.excepted):4} excepted {len(self.skipped):3} skipped {self.seconds:7.1f} s"
        )
        return f"{text}  ({self.skipped_because})" if self.skipped_because else text

    @property
    def bad(self) -> int:
        """The number of things that fail the run."""
        return len(self.failed) + len(self.complaints)

    def complaint(self, lines: int = 25) -> str:
        """Return all that is wrong, for people, with the last `lines` of each traceback."""
        parts = [f"{self.file}: {sentence}" for sentence in self.complaints]
        for outcome in self.failed:
            tail = "\n".join("    " + row for row in outcome.detail.splitlines()[-lines:])
            parts.append(f"{outcome.test}: {outcome.status} after {outcome.seconds} s\n{tail}")
        return "\n".join(parts)


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to run: the loop's name, a pattern for test names or "", and the list to judge by."""

    loop: str = "hotloop"
    match: str = ""
    limit: float = LIMIT
    listed: tuple[expected.Line, ...] = ()


def settings(loop: str = "hotloop", match: str = "", limit: float | None = None) -> Settings:
    """Return the settings for `loop`, with its list of exceptions if it has one.

    `limit` is in seconds; None is HOTLOOP_CONFORMANCE_LIMIT or else the default.
    """
    if limit is None:
        limit = float(os.environ.get("HOTLOOP_CONFORMANCE_LIMIT", LIMIT))
    listed = expected.read(HERE / "exceptions.txt") if loop == LISTED_FOR else []
    return Settings(loop, match, limit, tuple(listed))


def test_files() -> list[str]:
    """Return the names of this interpreter's test files that concern a loop, longest first.

    Raises TestsMissing if the interpreter has none.
    """
    try:
        spec = importlib.util.find_spec("test.test_asyncio")
    except ModuleNotFoundError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise TestsMissing(
            f"this Python {platform.python_version()} has no test.test_asyncio: install its "
            "test-suite (on Debian the package libpython3-testsuite of the same version)"
        )
    folder = pathlib.Path(spec.submodule_search_locations[0])
    found = sorted(folder.glob("test_*.py"), key=lambda path: path.stat().st_size, reverse=True)
    return [path.stem for path in found if path.stem not in matrix.NOT_OURS]


def run_file(file: str, how: Settings, seen: Callable[[Outcome], None] | None = None) -> FileReport:
    """Run one test file in a worker and return its judged report.

    `seen` is called with each outcome as it comes, before it is judged.
    """
    listed = [line for line in how.listed if line.file == file]
    job = {
        "loop": how.loop,
        "file": file,
        "match": how.match,
        "limit": how.limit,
        "short_limit": min(SHORT_LIMIT, how.limit),
        "listed": [line.pattern for line in listed],
    }
    report = FileReport(file)
    outcomes = []
    started = time.monotonic()
    # CPython's helpers write into the current folder, some of them at import.
    folder = tempfile.mkdtemp(prefix="conformance-")
    worker = subprocess.Popen(
        [sys.executable, "-c", _START.format(str(HERE.parent))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=_environment(),
    )
    assert worker.stdin and worker.stdout and worker.stderr
    try:
        worker.stdin.write(json.dumps(job))
        worker.stdin.close()
        for row in worker.stdout:
            message = json.loads(row)
            if "file_skipped" in message:
                report.skipped_because = message["file_skipped"]
                continue
            outcomes.append(Outcome(**message))
            if seen is not None:
                seen(outcomes[-1])
        words = worker.stderr.read().strip()
    finally:
        worker.kill()
        worker.wait()
        worker.stdout.close()
        worker.stderr.close()
        shutil.rmtree(folder, ignore_errors=True)
    report.seconds = time.monotonic() - started
    died = worker.returncode != 0
    if died:
        report.complaints.append(f"the worker died ({worker.returncode}): {words[-2000:]}")
    _judge(report, outcomes, listed, whole=not how.match and not died)
    return report


def _environment() -> dict[str, str]:
    """The environment of a worker: ours, with a PYTHONPATH that holds from any folder."""
    env = dict(os.environ)
    if env.get("PYTHONPATH"):
        paths = env["PYTHONPATH"].split(os.pathsep)
        env["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in paths if path)
    return env


def _judge(
    report: FileReport, outcomes: list[Outcome], listed: list[expected.Line], whole: bool
) -> None:
    """Sort `outcomes` into the report; complain of lines of the list that do not hold."""
    matched = set()
    for outcome in outcomes:
        lines = [line for line in listed if line.matches(outcome.test)]
        matched.update(lines)
        if outcome.status == "skip":
            report.skipped.append(outcome)
        elif outcome.status == "pass":
            report.passed.append(outcome)
            report.complaints += [
                f"{outcome.test} passes: remove line {line.number} of exceptions.txt, or make "
                f"its pattern narrower ({line.pattern})"
                for line in lines
            ]
        elif lines:
            report.excepted.append(outcome)
        else:
            report.failed.append(outcome)
    if whole and not report.skipped_because:
        report.complaints += [
            f"line {line.number} of exceptions.txt names no test: {line.pattern}"
            for line in listed
            if line not in matched
        ]


def run_files(files: Iterable[str], how: Settings) -> Iterable[FileReport]:
    """Run `files`, two at a time, and yield their reports as they are done."""
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        jobs = [pool.submit(run_file, file, how) for file in files]
        try:
            for job in concurrent.futures.as_completed(jobs):
                yield job.result()
        finally:
            for job in jobs:
                job.cancel()


def summary(reports: list[FileReport], how: Settings, seconds: float) -> str:
    """Return the table, the totals and the closing line of a run."""
    rows = [report.counts() for report in sorted(reports, key=lambda report: report.file)]
    total = [
        sum(len(getattr(report, name)) for report in reports)
        for name in ("passed", "excepted", "skipped")
    ]
    failed = sum(report.bad for report in reports)
    rows.append(
        f"{how.loop} on {platform.python_implementation()} {platform.python_version()}: "
        f"{total[0]} passed, {failed} failed, {total[1]} excepted, {total[2]} skipped "
        f"in {seconds:.0f} s"
    )
    rows.append(f"{total[0]} passed, {failed} failed, {total[2]} skipped")
    return "\n".join(rows)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status, 0 if nothing failed that is not listed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance",
        description="Run CPython's own test_asyncio on an event loop.",
    )
    parser.add_argument("--loop", choices=loops.NAMES, default="hotloop")
    parser.add_argument("--file", action="append", help="a test file, such as test_tasks")
    parser.add_argument("--match", default="", help="run tests whose file.Class.test matches")
    parser.add_argument("--limit", type=float, help="seconds for one test (default 30)")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every test")
    parser.add_argument("--list", action="store_true", help="print what is excepted, and why")
    options = parser.parse_args(arguments)
    try:
        known = test_files()
    except TestsMissing as missing:
        print(missing)
        return 2
    try:
        loops.load(options.loop)
    except ImportError as error:
        print(f"{options.loop} cannot be imported by {sys.executable}: {error}")
        return 2
    files = options.file or known
    if unknown := [file for file in files if file not in known]:
        print(f"no such test file on this Python: {', '.join(unknown)}")
        return 2
    if options.match and not options.file:
        prefix = options.match.partition(".")[0]
        files = [prefix] if prefix in known else files
    how = settings(options.loop, options.match, options.limit)
    started = time.monotonic()
    reports = []
    for report in run_files(files, how):
        reports.append(report)
        _show(report, how, options)
    print(summary(reports, how, time.monotonic() - started))
    return 0 if all(report.ok for report in reports) else 1


def _show(report: FileReport, how: Settings, options: argparse.Namespace) -> None:
    """Print what is to be said of one file as soon as it is done."""
    if options.verbose:
        for group in (report.passed, report.skipped, report.excepted, report.failed):
            for outcome in group:
                print(f"{outcome.status:8}{outcome.seconds:7.2f} s  {outcome.test}")
    if options.list:
        for outcome in report.excepted:
            reason = next(line.reason for line in how.listed if line.matches(outcome.test))
            print(f"excepted {outcome.test}: {reason}")
    if not report.ok:
        print(report.complaint(lines=200 if options.verbose else 25))
    print(report.counts(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
