# SPDX-License-Identifier: MIT
"""What must happen in one place only, so that a reader knows where to look for it."""

from __future__ import annotations

import re

import pytest

from tests.shape.source import SRC, find

# what: (pattern, the files it may occur in)
ONE_PLACE = {
    "uv_close: a handle is closed by resource.c": (r"\buv_close\b", ["engine/resource.c"]),
    "uv_run: libuv is driven by loop.c": (r"\buv_run\b", ["engine/loop.c"]),
    "thread states are touched by gate.c": (
        r"\bPyEval_(Save|Restore|Acquire|Release)Thread\b|\bPyGILState_|\bPy_(BEGIN|END)_ALLOW_",
        ["engine/gate.c"],
    ),
    "Python versions are told apart by pycompat.h": (r"\bPY_VERSION_HEX\b", ["base/pycompat.h"]),
    "Python.h and uv.h are included by base.h": (
        r"#\s*include\s*<(Python|uv|structmember)\.h>",
        ["base/base.h"],
    ),
    "the private headers of CPython are out of bounds": (r"internal/pycore_|\bPy_BUILD_CORE", []),
}


@pytest.mark.parametrize("rule", ONE_PLACE)
def test_it_occurs_in_one_place(rule):
    pattern, places = ONE_PLACE[rule]
    found = find(pattern, skip=tuple(places))
    assert not found, f"{rule}, and nowhere else:\n" + "\n".join(found)
    # The rule must be about something that exists, or it guards nothing.
    assert not places or len(find(pattern)) > 0, f"{rule}: nothing matches {pattern} any more"


def test_the_places_exist():
    missing = [p for _, places in ONE_PLACE.values() for p in places if not (SRC / p).exists()]
    assert not missing, f"rooms that a rule names are gone: {missing}"


def test_no_python_object_is_static():
    found = find(r"^\s*static\s+Py(Type)?Object(\s*\*\s*\w+\s*(=|;|\[)|\s+\w)")
    assert not found, (
        "objects live in the module state, one per interpreter (state.h):\n" + "\n".join(found)
    )


def test_the_one_label_is_done():
    found = [line for line in find(r"\bgoto\s+\w+") if "goto done;" not in line]
    assert not found, "one error idiom: the label is `done` (style rule 5):\n" + "\n".join(found)


def test_comments_cite_nothing_that_a_reader_has_not_got():
    """A reason, or a page of docs/internals; no "(D11)" of a paper that is not here."""
    number = re.compile(r"\b[A-Z]+[0-9]{1,2}\b(?=[);,.])")
    rows = (SRC.parent / "docs/internals/faults.md").read_text()
    cited = [
        f"{path.relative_to(SRC)}: {match[0]}"
        for path in sorted(SRC.rglob("*.[ch]"))
        for comment in re.findall(r"/\*.*?\*/", path.read_text(), re.S)
        for match in number.finditer(comment)
        if not re.search(rf"\b{match[0]}\b", rows)
    ]
    assert not cited
