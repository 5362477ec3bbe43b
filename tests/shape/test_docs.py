# SPDX-License-Identifier: MIT
"""What the documents name exists, and what they show runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib

import pytest

from tests.ecosystem import kit
from tests.shape.source import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")])
PATH = re.compile(r"`((?:src|python|tests|docs|benchmarks|examples|scripts|\.ci)/[\w./-]+)`")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
# A block that cannot stand alone is marked: <!-- not run: the reason --> on the line before it.
SNIPPET = re.compile(
    r"(?P<mark><!-- not run: [^\n]+ -->\n)?^```python\n(?P<code>.*?)^```$", re.M | re.S
)
MACHINE = re.compile(r"/(?:root|home)/")


def snippets():
    for page in PAGES:
        for match in SNIPPET.finditer(page.read_text()):
            line = page.read_text().count("\n", 0, match.start("code"))
            if not match["mark"]:
                yield pytest.param(match["code"], id=f"{page.relative_to(ROOT)}:{line}")


def test_there_are_pages():
    assert ROOT / "README.md" in PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_it_names_exists(page):
    text = page.read_text()
    named = {ROOT / path for path in PATH.findall(text)}
    named |= {page.parent / path for path in LINK.findall(text)}
    missing = sorted(str(path) for path in named if not path.exists())
    assert not missing, f"{page.name} names files that are not there: {missing}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_it_names_exists(page):
    missing = [
        f"{path}::{name}"
        for path, name in TEST.findall(page.read_text())
        if not (ROOT / path).exists() or f"def {name}(" not in (ROOT / path).read_text()
    ]
    assert not missing, f"{page.name} names tests that are not there: {missing}"


def test_all_name_the_same_versions_of_python():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    label = "Programming Language :: Python :: 3."
    minors = [int(c.removeprefix(label)) for c in project["classifiers"] if c.startswith(label)]
    first, last = f"3.{minors[0]}", f"3.{minors[-1]}"
    assert minors == list(range(minors[0], minors[-1] + 1))
    assert project["requires-python"] == f">={first}"
    assert f"CPython {first} to {last} on Linux" in (ROOT / "README.md").read_text()
    said = ", ".join(f"3.{minor}" for minor in minors[:-1]) + f" and {last} are tested"
    assert said in (ROOT / "docs/install.md").read_text()


def test_every_switch_is_told_of():
    c = "".join(file.read_text() for file in ROOT.glob("src/**/*.c"))
    python = (ROOT / "python/hotloop/_stdreader.py").read_text()
    switches = set(re.findall(r'tricks_allow\("(\w+)"\)', c))
    switches |= set(re.findall(r'"(\w+)" (?:not )?in off', python))
    assert {"openssl", "native_reads", "native_streams", "lazy_current"} <= switches
    usage = (ROOT / "docs/usage.md").read_text()
    assert not [switch for switch in sorted(switches) if f"`{switch}`" not in usage]


@pytest.mark.parametrize("code", list(snippets()))
def test_what_it_shows_runs(code, tmp_path):
    file = tmp_path / "snippet.py"
    file.write_text(code)
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)]))
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": path},
    )
    missing = re.search(r"No module named '(?!hotloop|tests)([\w.]+)'", done.stderr)
    if missing:
        kit.missing(f"not installed: {missing[1]}")
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    assert not done.stderr, done.stderr


def test_no_file_knows_the_machine_it_was_written_on():
    folders = ("src", "python", "tests", "docs", "benchmarks", "examples", "scripts", ".ci")
    files = [p for p in ROOT.iterdir() if p.is_file() and p.suffix != ".pyc"]
    files += [p for folder in folders for p in (ROOT / folder).rglob("*") if p.is_file()]
    wrong = [
        str(file.relative_to(ROOT))
        for file in files
        if file.suffix != ".pyc" and file.name != "test_docs.py"
        if MACHINE.search(file.read_text(errors="replace"))
    ]
    assert not wrong, f"paths of one machine in {wrong}"
