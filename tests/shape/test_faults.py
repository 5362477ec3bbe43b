# SPDX-License-Identifier: MIT
"""Each row of the catalogue in docs/internals/faults.md has a test with the row's name."""

from __future__ import annotations

import re

from tests.lifetimes.test_lifetimes import SCRIPTS, named
from tests.shape.source import ROOT

PAGE = (ROOT / "docs" / "internals" / "faults.md").read_text()
ROWS = re.findall(r"(?<!\w)(?:[AUXNETFDPCGSL]|TLS)\d+\b(?=[ \n])", PAGE.split("## The rows")[1])
# Scripts that are run row by row, or for many rows at once, name them themselves.
WALKS = ROOT / "tests" / "lifetimes" / "scripts" / "kernel_refuses.py"


def names_words() -> set[str]:
    """The words of all names of tests."""
    names = [named(script) for script in SCRIPTS]
    names += re.findall(r'^    "(\w+)": ', WALKS.read_text(), re.M)
    for file in (ROOT / "tests").rglob("test_*.py"):
        names += re.findall(r"def (test_\w+)", file.read_text())
    return {word for name in names for word in name.split("_")}


def test_the_page_has_all_of_them():
    assert len(ROWS) == len(set(ROWS)) == 170


def test_each_has_a_test():
    words = names_words()
    assert not [row for row in ROWS if row.lower() not in words]
