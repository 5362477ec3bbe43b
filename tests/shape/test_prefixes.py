# SPDX-License-Identifier: MIT
"""A function is named after its file: who meets the name knows which file to open."""

from __future__ import annotations

import re

from tests.shape.source import ROOT, Function, all_functions, code, find

EXTRA = {
    "pycompat.h": ("Py", "_Py"),  # stands in for newer versions' functions under their own names
    "module.c": ("PyInit_",),
}


def prefixes(function: Function) -> tuple[str, ...]:
    """The file's name; inside the file also the name of a type that is defined there."""
    file = function.file
    allowed = (file.stem + "_", *EXTRA.get(file.name, ()))
    if function.is_static:
        homes = [home for home in (file, file.with_suffix(".h")) if home.exists()]
        types = re.findall(r"^\} (\w+);", "\n".join(map(code, homes)), re.M)
        allowed += tuple(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() + "_" for name in types)
        allowed += tuple(name.lower() + "_" for name in types)
    return allowed


def test_every_function_begins_with_its_files_name():
    wrong = [f.where for f in all_functions() if not f.name.startswith(prefixes(f))]
    assert not wrong, "a function's name is its file's name, then a verb phrase:\n" + "\n".join(
        wrong
    )


def test_exported_functions_are_declared_in_their_own_header():
    wrong = []
    for function in all_functions():
        if function.is_static or function.file.suffix == ".h" or function.name == "PyInit__core":
            continue
        header = function.file.with_suffix(".h")
        declared = header.exists() and re.search(rf"\b{function.name}\(", header.read_text())
        if not declared:
            wrong.append(f"{function.where}: make it static, or declare it in {header.name}")
    assert not wrong, f"the header is the contract (style rule 3), in {ROOT}:\n" + "\n".join(wrong)


def test_type_names_carry_no_suffix():
    found = find(r"\}\s*\w+(_t|Object|_s|Struct)\s*;")
    assert not found, "a type is a CamelCase noun without a suffix:\n" + "\n".join(found)
