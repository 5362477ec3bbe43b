# SPDX-License-Identifier: MIT
"""What several coverage runs reach together: python3 scripts/coverage_sum.py COVERAGE.JSON...

Code for one version of Python is compiled on all of them, so that it is never broken; it can only
run on its own. A line counts if any of the runs compiled it, and as reached if one of them ran it.
"""

import collections
import json
import sys

Counts = dict[str, dict[object, int]]


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


def share(counts: Counts) -> str:
    """The share of what was reached, in per cent and in numbers."""
    every = [count > 0 for file in counts.values() for count in file.values()]
    return f"{100 * sum(every) / len(every):.1f}% ({sum(every)} out of {len(every)})"


def main(paths: list[str]) -> None:
    lines: Counts = collections.defaultdict(collections.Counter)
    functions: Counts = collections.defaultdict(collections.Counter)
    for path in paths:
        read(path, lines, functions)
    for name in sorted(lines):
        missed = sorted(number for number, count in lines[name].items() if count == 0)
        if missed:
            total = len(lines[name])
            part = 100 * (total - len(missed)) / total
            print(f"{name:32} {total:4} {part:5.1f}%  {' '.join(map(str, missed))}")
    print("lines:", share(lines))
    print("functions:", share(functions))


main(sys.argv[1:])
