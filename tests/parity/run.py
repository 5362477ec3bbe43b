# SPDX-License-Identifier: MIT
"""Fill the parity table of the running Python, and write docs/parity.md of all of them.

`python -m tests.parity.run --into FOLDER` measures and writes FOLDER/3.13.json, `--render FOLDER`
(or several) writes docs/parity.md from the files that are there.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
from typing import Any

from . import rows

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "parity.md"
NEEDED = "the `openssl` command makes the certificate of the TLS rows: install it"
INTRODUCTION = """\
# Parity with asyncio

Does a loop do what asyncio's own loop does? This page is written by `make parity`: each row is a
probe of `tests/parity/` that was run on each loop, in a process of its own with a time limit.

**Y** it does · **P** partly, the last column says what falls short · **N** it does not · **-**
asyncio of that Python does not have it either, and nor has this loop.

Where hotloop is not Y although asyncio is, that is on purpose; [differences.md](differences.md)
has the reasons.
"""


def certificate(folder: pathlib.Path) -> str:
    """Make a certificate of "localhost" and return the file that holds it and its key."""
    if shutil.which("openssl") is None:
        raise SystemExit(NEEDED)
    file = folder / "certificate.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 "
        "-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout - -out -"
    )
    done = subprocess.run(command.split(), capture_output=True, check=True, timeout=60)
    file.write_bytes(done.stdout)
    return str(file)


def measure(kind: str, pem: str, words: str = "") -> dict[str, list[str]]:
    """Return [cell, reason] for each row on that loop; nothing if it is not installed.

    A cell is what the probe says, whether or not asyncio of this Python knows the row.
    """
    command = [sys.executable, "-m", f"{__package__}.worker", kind, pem, words]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=_environment()
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return {answer["text"]: [answer["cell"], answer["reason"]] for answer in answers}


def _environment() -> dict[str, str]:
    """Ours, without what changes a loop, and with a PYTHONPATH that holds in another folder."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONASYNCIODEBUG"}
    paths = [os.path.abspath(path) for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]
    return env | {"PYTHONPATH": os.pathsep.join([*paths, str(ROOT)])}


def version_of(kind: str) -> str:
    """The installed version of a loop's package, "" for asyncio and for a tree not installed."""
    try:
        return importlib.metadata.version(kind)
    except importlib.metadata.PackageNotFoundError:
        return ""


def fill(into: pathlib.Path) -> None:
    """Measure every loop that is installed; write one JSON file."""
    table: dict[str, Any] = {"python": platform.python_version(), "loops": {}}
    with tempfile.TemporaryDirectory(prefix="parity-") as folder:
        pem = certificate(pathlib.Path(folder))
        for kind in rows.LOOPS:
            cells = measure(kind, pem)
            if cells:
                table["loops"][kind] = {"version": version_of(kind), "cells": cells}
                print(f"{table['python']} {kind}: {count(table, kind)}", flush=True)
    into.mkdir(parents=True, exist_ok=True)
    name = "{}.{}.json".format(*sys.version_info)
    (into / name).write_text(json.dumps(table, indent=1))


def cell(table: dict[str, Any], kind: str, row: rows.Row) -> str:
    """What the page shows for that row and loop."""
    said = table["loops"][kind]["cells"][row.text][0]
    version = tuple(int(part) for part in table["python"].rstrip("+abrc").split(".")[:2])
    known = row.concerns((*version, 99))
    return said if known or said == rows.Y else rows.ABSENT


def count(table: dict[str, Any], kind: str) -> str:
    """How many of the rows where asyncio is Y are Y, P, N."""
    known = [row for row in rows.all_rows() if cell(table, "asyncio", row) == rows.Y]
    shown = [cell(table, kind, row) for row in known]
    return " · ".join(f"{shown.count(letter)} {letter}" for letter in (rows.Y, rows.P, rows.N))


def render(folders: list[pathlib.Path]) -> None:
    """Write the page from the files in those folders."""
    files = [file for folder in folders for file in folder.glob("3.*.json")]
    tables = [json.loads(file.read_text()) for file in files]
    tables.sort(key=lambda table: [int(part) for part in table["python"].split(".")[:2]])
    parts = [INTRODUCTION, "## In short\n", summary(tables)]
    for table in tables:
        parts += python_section(table)
    PAGE.write_text("\n".join(parts))


def summary(tables: list[dict[str, Any]]) -> str:
    """The counts, a line for each Python and loop."""
    lines = ["Of the rows where asyncio says Y:\n", "| Python | loop | |", "| --- | --- | --- |"]
    for table in tables:
        for kind, found in table["loops"].items():
            name = f"{kind} {found['version']}".strip()
            lines.append(f"| {table['python']} | {name} | {count(table, kind)} |")
    return "\n".join(lines) + "\n"


def python_section(table: dict[str, Any]) -> list[str]:
    """The chapters of one Python."""
    parts = [f"## Python {table['python']}\n"]
    kinds = list(table["loops"])
    for chapter, heading in rows.CHAPTERS.items():
        lines = [f"| {heading} | {' | '.join(kinds)} | what falls short |"]
        lines.append("| --- |" + " --- |" * (len(kinds) + 1))
        for row in rows.all_rows():
            if row.chapter != chapter:
                continue
            cells = [cell(table, kind, row) for kind in kinds]
            if set(cells) == {rows.ABSENT}:
                continue
            reasons = "; ".join(shortfall(table, kind, row) for kind in kinds).strip("; ")
            reasons = "; ".join(part for part in reasons.split("; ") if part)
            line = f"| {row.text} | {' | '.join(cells)} | {reasons} |"
            lines.append(line)
        parts.append("\n".join(lines) + "\n")
    return parts


def shortfall(table: dict[str, Any], kind: str, row: rows.Row) -> str:
    """Why a cell is P or N, with the loop's name; "" for others."""
    if cell(table, kind, row) not in (rows.P, rows.N):
        return ""
    reason = table["loops"][kind]["cells"][row.text][1].replace("|", "\\|")
    return f"**{kind}**: {reason}"


def main() -> None:
    """Do what the module's text says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=pathlib.Path)
    parser.add_argument("--render", type=pathlib.Path, nargs="+")
    options = parser.parse_args()
    if options.into:
        fill(options.into)
    if options.render:
        render(options.render)


if __name__ == "__main__":
    main()
