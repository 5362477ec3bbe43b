# SPDX-License-Identifier: MIT
"""Runs the benchmarks: rows of scenarios x loops x rounds, interleaved, then the table.

    python benchmarks/run.py                          every row, more than twenty minutes
    python benchmarks/run.py --quick                  one round, short bursts
    python benchmarks/run.py --rows 'sleep_zero/*' --loops asyncio,hotloop --rounds 9
    python benchmarks/run.py --python python3.13 --python python3.11
    python benchmarks/run.py --rows 'echo_tcp/1k-10' --instructions [--profile hotloop]
    python benchmarks/run.py --rows 'echo_sock/*' --syscalls

The method is described in docs/benchmarks.md, the traps in docs/internals/measuring.md.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import fnmatch
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import counting
import native
import report
from harness import HERE, LIMIT, Idle, Row, Sample, Serve, load_rows, scenario_files

#: A process whose malloc threshold has grown, as that of a long-running server has: without
#: this, reads of more than 128 KiB cost three system calls until the threshold moves by itself.
WARM_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(4 << 20), "MALLOC_TRIM_THRESHOLD_": str(16 << 20)}
#: What a fresh process starts with, and keeps.
COLD_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(128 << 10)}
STARTUP_LIMIT = 60.0


class CellError(Exception):
    """One row could not be measured on one loop; the message says why."""


@dataclass
class Bench:
    """How to measure: which interpreter and loops, for how long, on which cores."""

    python: str
    loops: list[str]
    rounds: int
    quick: bool = False
    malloc: str = "warm"
    seconds: float = 0.05
    bursts: int = 4
    cores: list[int] = field(default_factory=lambda: sorted(os.sched_getaffinity(0)))

    @property
    def server_core(self) -> int:
        return self.cores[0]

    @property
    def load_core(self) -> int:
        return self.cores[1 if len(self.cores) > 1 else 0]

    def environment(self) -> dict[str, str]:
        env = dict(os.environ, PYTHONHASHSEED="0")
        env.update(WARM_MALLOC if self.malloc == "warm" else COLD_MALLOC)
        folder = str(native.drive(self.python))
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [env.get("PYTHONPATH"), folder]))
        return env

    def command(self, file: Path, row: Row, loop: str, *more: str) -> list[str]:
        """The command of the worker for one row on one loop."""
        worker = [self.python, str(HERE / "harness.py"), str(file), row.key, loop]
        return [*worker, "--cpu", str(self.server_core), *more]


# --- one cell ------------------------------------------------------------------------------


def _last_json(text: str) -> dict[str, Any]:
    return json.loads(text.strip().splitlines()[-1])


def _complain(what: str, stderr: str) -> CellError:
    lines = [line for line in stderr.strip().splitlines() if line.strip()]
    return CellError(f"{what}: {lines[-1] if lines else 'no message'}")


def measure_in_process(bench: Bench, file: Path, row: Row, loop: str) -> dict[str, Any]:
    """A Work or a Sample: the worker measures and prints."""
    command = bench.command(
        file, row, loop, "--seconds", str(bench.seconds), "--bursts", str(bench.bursts)
    )
    done = subprocess.run(
        command, env=bench.environment(), capture_output=True, text=True, timeout=180
    )
    if done.returncode != 0:
        raise _complain(f"exit {done.returncode}", done.stderr)
    return _last_json(done.stdout)


def server_command(bench: Bench, file: Path, row: Serve, loop: str, path: str) -> list[str]:
    """The command of the server: the worker, or the C program for the limit."""
    if loop != LIMIT:
        return bench.command(file, row, loop, "--unix-path", path)
    where = ["unix", path] if row.family == "unix" else [row.family]
    if row.tls:
        where = list(native.certificate())
    return [str(native.echo_server(row.tls)), *where, *row.limit]


@contextlib.contextmanager
def running_server(
    bench: Bench, file: Path, row: Serve, loop: str, wrap: tuple[str, ...] = ()
) -> Iterator[tuple[subprocess.Popen, list[str]]]:
    """Start the server; give its process and the load generator's address arguments."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as errors:
        path = f"{folder}/s"
        command = [*wrap, *server_command(bench, file, row, loop, path)]
        server = subprocess.Popen(
            ["taskset", "-c", str(bench.server_core), *command],
            env=bench.environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            line = server.stdout.readline().split()
            if line[:1] != ["ready"]:
                server.wait(STARTUP_LIMIT)
                errors.seek(0)
                raise _complain("the server did not start", errors.read())
            yield server, [f"--{row.family}", line[1]]
        except CellError as error:
            errors.seek(0)
            raise CellError(f"{error}; server: {errors.read()[-300:].strip()}") from None
        finally:
            # The group, because strace would only let go of its child.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            server.communicate()


def load_command(bench: Bench, row: Serve, address: list[str], *more: str) -> list[str]:
    """The command of the load generator for a row."""
    command = [str(native.loadgen(row.tls)), row.load, *address, "--conns", str(row.conns)]
    command += ["--size", str(row.size), "--path", row.path, "--cpu", str(bench.load_core)]
    if row.family == "udp":
        command += ["--flight", str(row.flight)]
    if len(bench.cores) > 1:
        command.append("--spin")
    return [*command, *more]


def wait_for_http(bench: Bench, row: Serve, address: list[str]) -> None:
    """An HTTP server may still be starting although its socket listens: wait for an answer."""
    probe = load_command(bench, row, address, "--messages", str(row.conns))
    done = subprocess.run(probe, capture_output=True, text=True, timeout=STARTUP_LIMIT)
    if done.returncode != 0:
        raise _complain("the server does not answer", done.stderr)


def lengthened(row: Serve) -> int:
    """How many times as long as usual a burst must be to say anything: see least_cost()."""
    if row.conns >= 1000 or (row.tls and row.load == "churn"):
        return 3
    return 2 if row.load == "http" or row.size > 50_000 else 1


def measure_server(bench: Bench, file: Path, row: Serve, loop: str) -> dict[str, Any]:
    """Least CPU time of the server per answer over a few bursts, and answers per second."""
    with running_server(bench, file, row, loop) as (server, address):
        if row.load == "http":
            wait_for_http(bench, row, address)
        seconds = bench.seconds * lengthened(row)
        times = ["--seconds", str(seconds), "--bursts", str(bench.bursts)]
        command = load_command(bench, row, address, "--pid", str(server.pid), *times)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise _complain("load", done.stderr)
    bursts = [json.loads(line) for line in done.stdout.splitlines()]
    return least_cost(bursts, row.conns)


def least_cost(bursts: list[dict[str, int]], conns: int) -> dict[str, Any]:
    """The cheapest burst among those that say anything, else all bursts taken together.

    What is under way at the edges of a burst (up to an answer per connection) is counted in one
    and paid for in the other: a burst in which a busy machine let few answers through is noise.
    """
    whole = {k: sum(b[k] for b in bursts) for k in bursts[0]}
    if not whole["messages"] or not whole["cpu_ns"]:
        raise CellError("no answers")
    good = [b for b in bursts if b["messages"] >= 20 * conns] or [whole]
    costs = [b["cpu_ns"] / b["messages"] for b in good]
    rate = max(b["messages"] / b["wall_ns"] * 1e9 for b in good)
    return {"value": min(costs), "bursts": costs, "rate": rate}


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _steady_resident(pid: int) -> int:
    """Resident bytes once they have stopped growing: the server may lag behind the load."""
    before = -1
    for _ in range(100):
        now = _resident(pid)
        if now == before:
            return now
        before = now
        time.sleep(0.1)
    raise CellError("the memory of the server does not settle")


def measure_idle(bench: Bench, file: Path, row: Idle, loop: str) -> dict[str, Any]:
    """Resident bytes per connection: the growth from a first few hundred to all."""
    clients: list[subprocess.Popen] = []

    def connect(count: int, address: list[str]) -> None:
        command = [str(native.loadgen(row.tls)), "idle", *address, "--conns", str(count)]
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        clients.append(client)
        if not client.stdout.readline():
            raise CellError("the clients could not connect")

    with running_server(bench, file, row, loop) as (server, address):
        try:
            connect(400, address)
            before = _steady_resident(server.pid)
            connect(row.conns, address)
            after = _steady_resident(server.pid)
        finally:
            for client in clients:
                client.communicate(b"")
    return {"value": (after - before) / row.conns}


def measure(bench: Bench, file: Path, row: Row, loop: str) -> dict[str, Any]:
    """Measure one row on one loop once, in fresh processes. Raises CellError."""
    try:
        if isinstance(row, Idle):
            return measure_idle(bench, file, row, loop)
        if isinstance(row, Serve):
            return measure_server(bench, file, row, loop)
        return measure_in_process(bench, file, row, loop)
    except subprocess.TimeoutExpired:
        raise CellError("took too long") from None


def has_limit(row: Row) -> bool:
    """Whether a limit in C exists for the row."""
    if isinstance(row, Sample) or (isinstance(row, Idle) and not row.tls):
        return False
    return row.limit is not None


# --- many cells ----------------------------------------------------------------------------


def select(patterns: list[str]) -> list[tuple[Path, Row]]:
    """The rows whose ``file/key`` (or file) matches one of the patterns, in table order."""
    chosen = []
    for file in scenario_files():
        for row in load_rows(file):
            names = (f"{file.stem}/{row.key}", file.stem)
            if any(fnmatch.fnmatch(name, p) for name in names for p in patterns):
                chosen.append((file, row))
    return chosen


def loops_of(bench: Bench, row: Row) -> list[str]:
    """The loops to measure, and the limit where there is one."""
    return [loop for loop in bench.loops if loop != LIMIT or has_limit(row)]


def run_rounds(bench: Bench, rows: list[tuple[Path, Row]]) -> dict[str, dict[str, list]]:
    """All rounds of all rows; ``results[file/key][loop]`` is a list of measurements.

    Within a row the loops follow each other directly and the first one changes from round to
    round, so that a slow spell of the machine hits all of them alike.
    """
    plan = []
    for turn in range(bench.rounds):
        for file, row in rows:
            if row.grid and turn >= max(1, (bench.rounds + 1) // 2):
                continue
            loops = loops_of(bench, row)
            first = turn % len(loops)
            plan += [(file, row, loop) for loop in loops[first:] + loops[:first]]
    results: dict[str, dict[str, list]] = {}
    progress = Progress(len(plan))
    try:
        for file, row, loop in plan:
            name = f"{file.stem}/{row.key}"
            progress.show(f"{name} {loop}")
            cell = results.setdefault(name, {}).setdefault(loop, [])
            if any("error" in m for m in cell):
                continue
            try:
                cell.append(measure(bench, file, row, loop))
            except CellError as error:
                cell.append({"error": str(error)})
                print(f"\n{name} on {loop}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\ninterrupted: the table has only what was measured so far", file=sys.stderr)
    return results


class Progress:
    """Says on stderr how far a run is: a line that is rewritten, or now and then a new one."""

    def __init__(self, whole: int) -> None:
        self.whole, self.done, self.start = whole, 0, time.monotonic()

    def show(self, what: str) -> None:
        """Another step begins."""
        spent = time.monotonic() - self.start
        left = spent / self.done * (self.whole - self.done) if self.done else 0
        line = f"[{self.done + 1}/{self.whole}] {what}, about {left:.0f} s left"
        if sys.stderr.isatty():
            print(f"\r{line:<78}", end="", file=sys.stderr)
        elif self.done % 50 == 0:
            print(line, file=sys.stderr, flush=True)
        self.done += 1


def summarise(rows: list[tuple[Path, Row]], results: dict[str, dict[str, list]]) -> list[dict]:
    """Medians and spreads per row and loop, ready for JSON and for the table."""
    table = []
    for file, row in rows:
        name = f"{file.stem}/{row.key}"
        cells = {}
        for loop, runs in results.get(name, {}).items():
            errors = [r["error"] for r in runs if "error" in r]
            values = [r["value"] for r in runs if "value" in r]
            if errors or not values:
                if errors:
                    cells[loop] = {"error": errors[0]}
                continue
            middle = statistics.median(values)
            cell = {"median": middle, "rounds": values}
            cell["spread"] = (max(values) - min(values)) / 2 / middle if middle else 0.0
            for extra in ("rate", "p95", "worst", "early"):
                if extra in runs[0]:
                    cell[extra] = statistics.median(r[extra] for r in runs)
            cells[loop] = cell
        table.append(
            {"row": name, "title": row.title, "unit": row.unit, "goal": row.goal, "loops": cells}
        )
    return table


def available_loops(python: str, wanted: list[str]) -> dict[str, str]:
    """Those of the wanted loops that this interpreter can make, with their versions."""
    found = {}
    for loop in wanted:
        if loop == LIMIT:
            found[loop] = "1"
            continue
        code = (
            f"import sys; sys.path.insert(0, {str(HERE)!r}); import harness, sys\n"
            f"harness.new_loop({loop!r}).close()\n"
            "from importlib import import_module, metadata\n"
            f"m = import_module({loop!r})\n"
            f"print(getattr(m, '__version__', None) or metadata.version({loop!r})"
            f" if {loop!r} != 'asyncio' else sys.version.split()[0])"
        )
        done = subprocess.run([python, "-c", code], capture_output=True, text=True)
        if done.returncode == 0:
            found[loop] = done.stdout.strip()
        else:
            why = done.stderr.strip()[-200:]
            print(f"{loop} is not there for {python}: {why}", file=sys.stderr)
    return found


def describe(bench: Bench, versions: dict[str, str]) -> dict[str, Any]:
    """What a reader must know of the machine and the run."""
    code = "import platform as p; print(p.python_version(), p.python_compiler())"
    version = subprocess.run(
        [bench.python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    model = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "python": version.split()[0],
        "compiler": version.split(" ", 1)[1],
        "cpu": model[0] if model else platform.machine(),
        "cores": len(bench.cores),
        "kernel": platform.release().split("-")[0],
        "malloc": bench.malloc,
        "rounds": bench.rounds,
        "burst_seconds": bench.seconds,
        "bursts": bench.bursts,
        "loops": {k: v for k, v in versions.items() if k != LIMIT},
        "load_average": os.getloadavg(),
    }


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=["*"], help="patterns of file or file/key")
    parser.add_argument("--loops", default="asyncio,uvloop,zuvloop,hotloop,c")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--python", action="append", help="interpreter; may be repeated")
    parser.add_argument("--quick", action="store_true", help="one round, short bursts")
    parser.add_argument("--malloc", choices=("warm", "cold"), default="warm")
    parser.add_argument("--no-save", action="store_true", help="do not write results/ and docs/")
    parser.add_argument("--json", type=Path, help="write the results to this file as well")
    parser.add_argument("--list", action="store_true", help="print the rows and stop")
    parser.add_argument("--instructions", action="store_true", help="count them by callgrind")
    parser.add_argument("--syscalls", action="store_true", help="count them by strace")
    parser.add_argument("--profile", metavar="LOOP", help="with --instructions: by function")
    parser.add_argument("--report", action="store_true", help="only rewrite docs/benchmarks.md")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """The command line; -> 1 if a cell could not be measured."""
    args = parse(sys.argv[1:] if argv is None else argv)
    if args.report:
        report.write_document()
        return 0
    rows = select(args.rows)
    if args.list or not rows:
        print("\n".join(f"{file.stem}/{row.key:<12} {row.title}" for file, row in rows))
        return 0 if rows else 2
    failed = False
    for python in args.python or [sys.executable]:
        versions = available_loops(python, args.loops.split(","))
        bench = Bench(python, list(versions), args.rounds, args.quick, args.malloc)
        if args.quick:
            bench.rounds, bench.seconds, bench.bursts = 1, 0.03, 2
        if args.instructions or args.syscalls:
            tool = "strace" if args.syscalls else "callgrind"
            counts = counting.count_rows(bench, rows, tool, args.profile)
            if not args.no_save and args.instructions:
                report.save_counts({"about": describe(bench, versions), "rows": counts})
            continue
        summary = {
            "about": describe(bench, versions),
            "rows": summarise(rows, run_rounds(bench, rows)),
        }
        print(report.markdown(summary))
        failed |= any("error" in c for row in summary["rows"] for c in row["loops"].values())
        if args.json:
            args.json.write_text(json.dumps(summary, indent=1) + "\n")
        if not args.no_save and args.rows == ["*"] and not args.quick:
            report.save(summary)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
