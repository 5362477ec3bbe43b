# SPDX-License-Identifier: MIT
"""What the documents tell a reader to type exists, with the options that they give it.

The blocks marked `sh` are taken from the pages. Each line is tried as far as that costs nothing: a
script tells its options, a benchmark lists its rows. What other tests run whole is in ELSEWHERE.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest

from tests.shape.source import ROOT
from tests.shape.test_docs import PAGES

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)

ELSEWHERE = {
    "apt-get install": "scripts/lib.sh",  # apt_build, before any test
    "python3 -m venv": "scripts/lib.sh",
    "venv/bin/pip install": "tests/packaging/test_the_package_installs.py",
    "venv/bin/python -m hotloop": "tests/packaging/test_the_package_installs.py",
    "pip install '.[bench]'": "scripts/bench",
    "./scripts/demo": "tests/ecosystem/test_demo.py",
    "uvicorn": "tests/ecosystem/test_commands_of_the_page.py",
    "UVICORN_LOOP=": "tests/ecosystem/test_commands_of_the_page.py",
    "gunicorn": "tests/ecosystem/test_commands_of_the_page.py",
    "hypercorn": "tests/ecosystem/test_commands_of_the_page.py",
}


def commands():
    seen = set()
    for page in PAGES:
        for block in BLOCK.findall(page.read_text()):
            for line in filter(None, block.replace("\\\n", "").splitlines()):
                if line not in seen:
                    seen.add(line)
                    command = line.partition(" #")[0].strip()
                    yield pytest.param(line, id=f"{page.relative_to(ROOT)}: {command}")


def output_of(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("line", list(commands()))
def test_what_is_to_be_typed_is_there(line):
    for beginning, place in ELSEWHERE.items():
        if line.startswith(beginning):
            assert (ROOT / place).exists()
            return
    words = shlex.split(line, comments=True)
    python = [sys.executable if word == "python" else word for word in words]
    options = [word.partition("=")[0] for word in words[1:] if word[0] == "-" and word != "-m"]
    if words[0].startswith("./scripts/"):
        said = output_of(words[0], "--help")
        assert "usage:" in said
        if options:  # the rest goes to pytest
            said += output_of(sys.executable, "-m", "pytest", "--help")
        assert all(option in said for option in options)
    elif words[1:3] == ["-m", "tests.conformance"]:
        said = output_of(*python[:3], "--help")
        assert all(option in said for option in options)
    elif words[0] == "make":
        targets = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.M)
        assert set(words[1:]) <= set(targets)
    elif words[1] == "benchmarks/demo.py":
        assert "usage:" in output_of(*python, "--help")
    elif words[1] == "benchmarks/run.py":
        assert output_of(*python, "--list").strip()
    else:
        pytest.fail(f"nobody runs {line!r}")


def test_each_that_is_run_elsewhere_is_on_a_page():
    text = "\n".join(block for page in PAGES for block in BLOCK.findall(page.read_text()))
    assert not [beginning for beginning in ELSEWHERE if f"\n{beginning}" not in f"\n{text}"]
