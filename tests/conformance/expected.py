# SPDX-License-Identifier: MIT
"""The list of tests that are known not to pass, each with its reason.

One line of the list is ``PATTERN | REASON`` or ``PATTERN | VERSIONS | REASON``. A pattern is a
test's name ``file.Class.test``, where ``*`` stands for any text. VERSIONS is ``3.12+`` (that
version and later), ``-3.12`` (up to any 3.12.x), ``3.12-3.13`` or ``3.12`` alone; a version may
have a third number. Without VERSIONS the line holds on every version. The list can only shrink:
a listed test that passes fails the run, and so does a line that matches no test.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import pathlib
import re
import sys

Version = tuple[int, ...]
_RANGE = re.compile(r"^(?:(\d+(?:\.\d+)*)(\+)?)?(?:(-)(\d+(?:\.\d+)*))?$")


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of the list: `pattern` fails for `reason` on versions in [first, last]."""

    pattern: str
    reason: str
    first: Version = ()
    last: Version = ()
    number: int = 0

    def matches(self, test: str) -> bool:
        """Say whether `test` ("file.Class.test") is one of those that the line names."""
        return fnmatch.fnmatchcase(test, self.pattern)

    def holds_on(self, version: Version) -> bool:
        """Say whether `version`, such as (3, 12, 1), is in the line's range."""
        return self.first <= version and version[: len(self.last)] <= self.last

    @property
    def file(self) -> str:
        """The test file that the line is about."""
        return self.pattern.partition(".")[0]


def _version(text: str) -> Version:
    return tuple(int(part) for part in text.split(".")) if text else ()


def _range(text: str) -> tuple[Version, Version]:
    match = _RANGE.match(text)
    if match is None or not text:
        raise ValueError(f"not a range of versions: {text!r}")
    first, plus, dash, last = match.groups()
    if plus and dash:
        raise ValueError(f"not a range of versions: {text!r}")
    if not plus and not dash:
        last = first
    return _version(first), _version(last)


def parse(text: str, version: Version = sys.version_info[:3]) -> list[Line]:
    """Return the lines of the list `text` that hold on `version`, in order.

    Raises ValueError, with the line's number, for a line that cannot be read.
    """
    lines = []
    for number, raw in enumerate(text.splitlines(), 1):
        if not raw.strip() or raw.startswith("#"):
            continue
        fields = [field.strip() for field in raw.split("|")]
        if len(fields) not in (2, 3) or not all(fields):
            raise ValueError(f"line {number}: expected PATTERN | [VERSIONS |] REASON: {raw!r}")
        try:
            first, last = _range(fields[1]) if len(fields) == 3 else ((), ())
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        line = Line(fields[0], fields[-1], first, last, number)
        if line.holds_on(version):
            lines.append(line)
    return lines


def read(path: pathlib.Path) -> list[Line]:
    """Return the lines of the list in file `path` that hold on this interpreter."""
    return parse(path.read_text(encoding="utf-8"))
