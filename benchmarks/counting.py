# SPDX-License-Identifier: MIT
"""Counts what an operation costs instead of timing it: user instructions or system calls.

A scenario is run twice, for n and for 3 n operations; the difference divided by 2 n has neither
start-up nor noise in it. Instructions come from valgrind's callgrind (only this process, only
user code), system calls from strace.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import LIMIT, Idle, Row, Sample, Serve, Work

if TYPE_CHECKING:
    from run import Bench

CALLGRIND = (
    "valgrind",
    "--tool=callgrind",
    "--trace-children=no",
    "--callgrind-out-file={out}",
)
STRACE = ("strace", "-f", "-c", "-o", "{out}")
#: The shorter of the two runs of a server; the longer one is three times as long.
MESSAGES = 1000


def _counts(tool: str, file: Path) -> dict[str, int]:
    """What the tool wrote: ``{function or system call: count}`` with the sum under ``""``."""
    if tool == "strace":
        lines = [line.split() for line in file.read_text().splitlines()]
        found = {f[-1]: int(f[3]) for f in lines if len(f) >= 5 and f[3].isdigit()}
        found[""] = found.pop("total")
        return found
    annotated = subprocess.run(
        ["callgrind_annotate", "--threshold=100", "--auto=no", str(file)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = {}
    for line in annotated.splitlines():
        match = re.match(r"\s*([\d,]+)\s+\(\s*[\d.]+%\)\s+(.*)", line)
        if not match:
            continue
        count = int(match[1].replace(",", ""))
        if match[2].startswith("PROGRAM TOTALS"):
            found[""] = count
        else:
            # "file:function [object]"; inlined code appears once more, without the object
            name = match[2].split(":", 1)[-1].split(" [")[0].replace("'2", "")
            found[name] = found.get(name, 0) + count
    return found


def _wrapper(tool: str, out: Path) -> tuple[str, ...]:
    return tuple(p.format(out=out) for p in (STRACE if tool == "strace" else CALLGRIND))


def _run_once(tool: str, bench: Bench, file: Path, row: Row, loop: str, n: int) -> dict[str, int]:
    """Run n operations of the row under the tool."""
    import run  # it imports this module

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "counts"
        wrap = _wrapper(tool, out)
        if isinstance(row, Serve):
            with run.running_server(bench, file, row, loop, wrap) as (_, address):
                if row.load == "http":
                    run.wait_for_http(bench, row, address)
                command = run.load_command(bench, row, address, "--messages", str(n))
                subprocess.run(command, check=True, capture_output=True, timeout=400)
        else:
            command = [*wrap, *bench.command(file, row, loop, "--count", str(n))]
            subprocess.run(
                command, env=bench.environment(), check=True, capture_output=True, timeout=900
            )
        return _counts(tool, out)


def count(tool: str, bench: Bench, file: Path, row: Row, loop: str) -> dict[str, float]:
    """Counts per operation, by function or system call, with the sum under ``""``."""
    if isinstance(row, Work):
        n = max(1, round(row.counted / row.step)) * row.step
    else:
        n = max(MESSAGES, 3 * row.conns)
    short = _run_once(tool, bench, file, row, loop, n)
    long = _run_once(tool, bench, file, row, loop, 3 * n)
    return {k: (long.get(k, 0) - short.get(k, 0)) / (2 * n) for k in {*short, *long}}


def _print_profile(counts: dict[str, float], least: float) -> None:
    whole = counts[""]
    ranked = sorted(((v, k) for k, v in counts.items() if k), reverse=True)
    for value, name in ranked:
        if value >= least * whole:
            print(f"    {value:10.1f} {100 * value / whole:5.1f} %  {name}")


def _count_cell(tool: str, bench: Bench, file: Path, row: Row, loop: str) -> dict[str, float]:
    """Counts of one row on one loop, or empty: one cell must not end a run of an hour."""
    try:
        return count(tool, bench, file, row, loop)
    except (subprocess.SubprocessError, OSError, RuntimeError) as error:
        print(f"{file.stem}/{row.key} on {loop}: {error}", file=sys.stderr)
        return {}


def count_rows(bench: Bench, rows: list[Any], tool: str, profile: str | None) -> list[dict]:
    """Count all rows on all loops and print them as it goes; -> rows for the report."""
    print(f"{'system calls' if tool == 'strace' else 'user instructions'} per operation\n")
    print("| row | " + " | ".join(bench.loops) + " |")
    print("| --- |" + " ---: |" * len(bench.loops))
    table = []
    for file, row in rows:
        if isinstance(row, Sample | Idle):
            continue
        loops = [x for x in bench.loops if x != LIMIT or row.limit is not None]
        found = {loop: _count_cell(tool, bench, file, row, loop) for loop in loops}
        cells = {loop: counts[""] for loop, counts in found.items() if counts}
        digits = 1 if tool == "strace" else 0
        texts = [f"{cells[x]:,.{digits}f}" if x in cells else "" for x in bench.loops]
        print(f"| {row.title} | " + " | ".join(texts) + " |", flush=True)
        for loop, counts in found.items():
            if counts and (tool == "strace" or loop == profile):
                print(f"  {loop}:")
                _print_profile(counts, 0.01)
        name = f"{file.stem}/{row.key}"
        table.append({"row": name, "title": row.title, "goal": row.goal, "counts": cells})
    return table
