# SPDX-License-Identifier: MIT
"""What several coverage runs reach together: python3 scripts/coverage_sum.py COVERAGE.JSON...

Code for one version of Python is compiled on all of them, so that it is never broken; it can only
run on its own. A line counts if any of the runs compiled it, and as reached if one of them ran it.
Fails if less than LEAST per cent of the lines are reached.
"""

import collections
import json
import sys

Counts = dict[str, dict[object, int]]
LEAST = 95.0


def read(path: str, lines: Counts, functions: Counts) -> None:
    """Add what gcovr wrote with --json; the formats of its versions agree on these fields."""
    with open(path) as text:
        files = json.load(text)["files"]
    for file in files:
        name = file["file"]
        for line in file["lines"]:
            if not line.get("gcovr/noncode"):
                lines[name][line["line_number"]] += line["count"]
        for function in file["functions"]:
            functions[name][function["lineno"]] += function["execution_count"]


def share(counts: Counts) -> float:
    """The share of what was reached, in per cent."""
    every = [count > 0 for file in counts.values() for count in file.values()]
    return 100 * sum(every) / len(every)


def total(counts: Counts) -> int:
    return sum(len(file) for file in counts.values())


def main(paths: list[str]) -> int:
    lines: Counts = collections.defaultdict(collections.Counter)
    functions: Counts = collections.defaultdict(collections.Counter)
    for path in paths:
        read(path, lines, functions)
    for name in sorted(lines):
        missed = sorted(number for number, count in lines[name].items() if count == 0)
        if missed:
            part = share({name: lines[name]})
            print(f"{name:32} {len(lines[name]):4} {part:5.1f}%  {' '.join(map(str, missed))}")
    print(f"lines: {share(lines):.1f}% of {total(lines)}")
    print(f"functions: {share(functions):.1f}% of {total(functions)}")
    return 0 if share(lines) >= LEAST else 1


raise SystemExit(main(sys.argv[1:]))
