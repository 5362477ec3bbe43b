# SPDX-License-Identifier: MIT
"""One screen: the median function has twelve lines, none over eighty; a file has one subject."""

from __future__ import annotations

import re
from statistics import median

from tests.shape.source import ROOT, SRC, all_functions, code, files, functions

MEDIAN_LINES = 12  # of a function's body
MOST_LINES = 80
MOST_LINES_OF_A_FILE = 800
MOST_LINES_OF_A_HEADER = 120  # of code: what explains it does not count


def lines_of_code(file):
    return sum(1 for line in code(file).splitlines() if line.strip())


def test_every_function_is_seen():
    missed = []
    for file in files():
        bodies = len(re.findall(r"^\{$", code(file), re.M))
        if bodies != len(functions(file)):
            missed.append(f"{file.relative_to(ROOT)}: {bodies} bodies, {len(functions(file))} read")
    assert not missed, (
        "a definition is written as PEP 7 has it, with the return type on its own line and "
        "the brace in column 0:\n" + "\n".join(missed)
    )


def test_no_function_is_longer_than_a_screen():
    long = [f"{f.where}: {f.lines} lines" for f in all_functions() if f.lines > MOST_LINES]
    assert not long, f"style rule 1, at most {MOST_LINES} lines:\n" + "\n".join(long)


def test_the_median_function_is_short():
    middle = median(f.lines for f in all_functions())
    assert middle <= MEDIAN_LINES, f"style rule 1: the median function has {middle} lines"


def test_no_file_has_two_subjects():
    long = []
    for file in files():
        lines, limit = file.read_text().count("\n"), MOST_LINES_OF_A_FILE
        if file.suffix == ".h":
            lines, limit = lines_of_code(file), MOST_LINES_OF_A_HEADER
        if lines > limit:
            long.append(f"{file.relative_to(ROOT)}: {lines} lines, {limit} are the most")
    assert not long, (
        "a longer file splits by phase of life, a longer header is two rooms:\n" + "\n".join(long)
    )


def test_every_file_says_its_licence_and_fits_the_page():
    wrong = []
    for file in files():
        text = file.read_text()
        if "SPDX-License-Identifier: MIT" not in text[:100]:
            wrong.append(f"{file.relative_to(ROOT)}: no SPDX line at the top")
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > 88 or "\t" in line or line != line.rstrip():
                wrong.append(f"{file.relative_to(ROOT)}:{number}: over 88 columns, tab or space")
    assert not wrong, "\n".join(wrong)


def test_the_table_of_sizes(capsys):
    with capsys.disabled():
        print(
            f"\n{'floor':12}{'files':>6}{'lines':>7}{'code':>7}{'functions':>10}{'median':>8}{'max':>5}"
        )
        folders = sorted({p.parent for p in files()}, key=lambda p: (p == SRC, p))
        for folder in folders:
            rooms = [p for p in files() if p.parent == folder]
            sizes = [f.lines for p in rooms for f in functions(p)] or [0]
            name = "front" if folder == SRC else folder.name
            lines = sum(p.read_text().count("\n") for p in rooms)
            row = (len(rooms), lines, sum(map(lines_of_code, rooms)), len(sizes))
            print(
                f"{name:12}{row[0]:6}{row[1]:7}{row[2]:7}{row[3]:10}{median(sizes):8}{max(sizes):5}"
            )
