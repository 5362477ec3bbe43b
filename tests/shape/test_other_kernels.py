# SPDX-License-Identifier: MIT
"""The halves of the C code that are not for Linux are compiled at least, against a stub."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.c.build import CC, HERE, plain, python_includes
from tests.shape.source import SRC, find

FILES = sorted({line.split(":")[0] for line in find(r"\b__linux__\b") if ".c:" in line})


def test_there_are_some():
    assert "src/io/poll_kernel.c" in FILES


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is what is built")
@pytest.mark.parametrize("file", FILES)
def test_it_compiles_without_linux(file):
    flags = ["-std=c11", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"]
    flags += ["-include", str(HERE / "kqueue" / "without_linux.h")]
    flags += [f"-I{HERE / 'kqueue'}", f"-I{SRC}"]
    includes = [flag.replace("-I", "-isystem", 1) for flag in python_includes()]
    command = [*CC, *flags, *includes, str(SRC.parent / file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=plain())
    assert done.returncode == 0, done.stderr
