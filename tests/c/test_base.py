# SPDX-License-Identifier: MIT
"""src/base's data structures, tested in C without Python, with sanitizers where they work."""

from __future__ import annotations

import subprocess

import pytest

from tests.c.build import HERE, SRC, compile_c, plain

WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
PROGRAMS = sorted(path.name for path in HERE.glob("test_*.c"))


def test_every_structure_has_a_program():
    structures = {"ring", "heap", "list"}
    assert {name.removeprefix("test_").removesuffix(".c") for name in PROGRAMS} == structures
    assert all((SRC / "base" / f"{name}.h").exists() for name in structures)


@pytest.mark.parametrize("source", PROGRAMS)
def test_program(source):
    flags = [f"-I{SRC}", f"-I{HERE}", *WARNINGS]
    try:
        program = compile_c(source, *flags, *SANITIZERS)
    except AssertionError as error:
        if "sanitize" not in str(error) and "asan" not in str(error):
            raise
        program = compile_c(source, *flags)
    done = subprocess.run(
        [program], capture_output=True, text=True, timeout=50, check=False, env=plain()
    )
    assert done.returncode == 0, done.stderr
