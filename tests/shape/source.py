# SPDX-License-Identifier: MIT
"""The C sources as the shape tests read them: text without comments, functions, includes.

PEP 7 makes this possible without a parser: a function's name starts in column 0 on its own line,
its body is between a `{` and a `}` in column 0. `test_sizes.py` checks that nothing escapes.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
FLOORS = {"base": 0, "engine": 1, "awaitable": 2, "io": 3}
FRONT = 4  # module.c and loop_type.c, at the top of src/

_NOISE = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""", re.X | re.S
)
_FUNCTION = re.compile(
    r"^(?P<returns>[A-Za-z_][^\n;={}#]*)\n"
    r"(?P<name>[A-Za-z_]\w*)\((?P<params>[^;{}]*)\)[^\S\n]*\n"
    r"\{\n(?P<body>.*?)^\}",
    re.M | re.S,
)


@dataclass(frozen=True)
class Function:
    file: Path
    name: str
    line: int
    lines: int  # of the body, without its braces
    body: str
    is_static: bool

    @property
    def where(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}: {self.name}()"


def _blank(match: re.Match[str]) -> str:
    text = match[0]
    if text[0] in "\"'":
        return text[0] + " " * (len(text) - 2) + text[-1]
    return re.sub(r"[^\n]", " ", text)


@functools.cache
def files(suffixes: str = ".c .h") -> tuple[Path, ...]:
    return tuple(sorted(p for p in SRC.rglob("*.[ch]") if p.suffix in suffixes.split()))


@functools.cache
def code(file: Path) -> str:
    """The file with comments and the insides of strings blanked; lines and columns stay."""
    return _NOISE.sub(_blank, file.read_text())


@functools.cache
def functions(file: Path) -> tuple[Function, ...]:
    text = code(file)
    return tuple(
        Function(
            file=file,
            name=m["name"],
            line=text.count("\n", 0, m.start("name")) + 1,
            lines=m["body"].count("\n"),
            body=m["body"],
            is_static=re.search(r"\bstatic\b", m["returns"]) is not None,
        )
        for m in _FUNCTION.finditer(text)
    )


def all_functions() -> list[Function]:
    return [function for file in files() for function in functions(file)]


def floor(file: Path) -> int:
    parts = file.relative_to(SRC).parts
    return FRONT if len(parts) == 1 else FLOORS[parts[0]]


def includes(file: Path) -> list[tuple[int, str]]:
    """(line, path) of each `#include "..."`; paths are relative to src/."""
    pattern = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.M)
    text = file.read_text()
    return [(text.count("\n", 0, m.start()) + 1, m[1]) for m in pattern.finditer(text)]


def find(pattern: str, skip: tuple[str, ...] = ()) -> list[str]:
    """`file:line: text` of each match outside comments, strings and the files in `skip`."""
    found = []
    for file in files():
        name = str(file.relative_to(SRC))
        if name in skip:
            continue
        for number, line in enumerate(code(file).splitlines(), 1):
            if re.search(pattern, line):
                found.append(f"src/{name}:{number}: {line.strip()}")
    return found
