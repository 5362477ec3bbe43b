# SPDX-License-Identifier: MIT
"""Compiling the small C programs and libraries that tests use."""

from __future__ import annotations

import ctypes
import hashlib
import os
import pathlib
import shlex
import subprocess
import sys
import sysconfig
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SRC = HERE.parent.parent / "src"
CC = shlex.split(os.environ.get("CC", "cc"))


def compile_c(source: str, *flags: str) -> pathlib.Path:
    """Compile tests/c/SOURCE once per content, compiler and interpreter; the product's path."""
    path = HERE / source
    # The headers under test, and those of the tests, are part of what the product depends on.
    headers = [*sorted(SRC.glob("*/*.h")), *sorted(HERE.glob("*.h"))]
    parts = [path.read_bytes(), *(header.read_bytes() for header in headers)]
    key = hashlib.sha256(b"\0".join([*parts, repr((flags, CC, sys.version)).encode()]))
    folder = pathlib.Path(tempfile.gettempdir()) / f"hotloop-tests-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    product = folder / f"{path.stem}-{key.hexdigest()[:16]}"
    if not product.exists():
        half = product.with_suffix(f".{os.getpid()}")
        command = [*CC, "-std=c11", "-g", "-O1", *flags, str(path), "-o", str(half)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=plain())
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stderr}"
        half.rename(product)
    return product


def plain() -> dict[str, str]:
    """The environment without what a sanitizer build preloads into Python."""
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def preloaded(source: str) -> dict[str, str]:
    """The environment variables that load tests/c/SOURCE into a child before libc."""
    library = str(compile_c(source, "-shared", "-fPIC", "-ldl"))
    # A sanitizer wants to be first.
    return {"LD_PRELOAD": f"{os.environ.get('LD_PRELOAD', '')} {library}".strip()}


def python_includes() -> list[str]:
    """The flags that find Python.h of the running interpreter."""
    paths = sysconfig.get_paths()
    return [f"-I{paths['include']}", f"-I{paths['platinclude']}"]


def code_of(name: str) -> tuple[int, int]:
    """Where in this process the code of the loaded library `name` lies: first, last + 1."""
    with open("/proc/self/maps") as lines:
        parts = [line.split()[0] for line in lines if name in line and "r-xp" in line]
    low, high = parts[0].split("-")
    return int(low, 16), int(high, 16)


class allocations:
    """Counts what is asked of Python's allocators between start() and stop().

    Reallocations count too. Hooks all three domains for the life of the process.
    """

    def __init__(self):
        library = compile_c("allocations.c", "-shared", "-fPIC", *python_includes())
        self._library = ctypes.PyDLL(str(library))
        self._library.allocations_install()
        self.start = self._library.allocations_start
        self.stop = self._library.allocations_stop
        self.stop.restype = ctypes.c_long
