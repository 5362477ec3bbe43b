# SPDX-License-Identifier: MIT
"""A floor may include the floors below it and its neighbours, never above, never in a ring."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import pytest

from tests.shape.source import FLOORS, SRC, files, floor, includes

RULE = "src/README.md, the floor plan: includes read down only"


def test_every_file_stands_on_a_floor():
    rooms = {p.parent.relative_to(SRC).as_posix() for p in files()} - {"."}
    assert rooms, "there is no C source: this test would pass without looking at anything"
    assert rooms <= FLOORS.keys(), f"{RULE}: unknown folders {sorted(rooms - FLOORS.keys())}"


def test_includes_name_existing_files_from_the_root_of_src():
    wrong = [
        f"{file}:{line}: {path}"
        for file in files()
        for line, path in includes(file)
        if not (SRC / path).exists()
    ]
    assert not wrong, f"{RULE}, written as 'floor/room.h':\n" + "\n".join(wrong)


def test_no_include_goes_up():
    wrong = [
        f"{file.relative_to(SRC)}:{line} (floor {floor(file)}) includes {path} "
        f"(floor {floor(SRC / path)})"
        for file in files()
        for line, path in includes(file)
        if floor(SRC / path) > floor(file)
    ]
    assert not wrong, f"{RULE}:\n" + "\n".join(wrong)


def test_headers_form_no_ring():
    graph = {
        str(file.relative_to(SRC)): [path for _, path in includes(file)] for file in files(".h")
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"{RULE}: headers include each other in a ring: {' -> '.join(error.args[1])}")


def test_only_headers_are_included():
    wrong = [
        f"{file}:{line}: {path}"
        for file in files()
        for line, path in includes(file)
        if not path.endswith(".h")
    ]
    assert not wrong, f"a .c file is compiled, never included:\n{wrong}"
