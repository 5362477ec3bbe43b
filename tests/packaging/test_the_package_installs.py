# SPDX-License-Identifier: MIT
"""What a user does: build from an archive of the sources, install, import, ask for the versions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile

import pytest

from tests.shape.source import ROOT

SOURCES = ["pyproject.toml", "setup.py", "README.md", "LICENSE", "CHANGELOG.md", "src", "python"]
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHONPATH", "LD_PRELOAD"))}


def run(*command, cwd, check=True, **variables):
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300, env=CLEAN | variables
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


ONCE = pytest.mark.skipif(
    os.environ.get("HOTLOOP_TEST_HEAVY") == "0", reason="runs on one Python only"
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the sources: the build writes beside them."""
    tree = tmp_path_factory.mktemp("tree")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info")
            shutil.copytree(ROOT / name, tree / name, ignore=ignore)
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, tree / name)
    return tree


@pytest.fixture(scope="module")
def wheel(tree):
    """The wheel, built from the source archive alone, with every warning an error."""
    run(sys.executable, "setup.py", "-q", "sdist", cwd=tree)
    (archive,) = (tree / "dist").glob("*.tar.gz")
    shutil.unpack_archive(archive, tree / "unpacked")
    (unpacked,) = (tree / "unpacked").iterdir()
    run(sys.executable, "setup.py", "-q", "bdist_wheel", cwd=unpacked, HOTLOOP_WERROR="1")
    (wheel,) = (unpacked / "dist").glob("*.whl")
    return wheel


@ONCE
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_installs_and_tells_its_versions(wheel, tmp_path):
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target",
        str(tmp_path), str(wheel), cwd=tmp_path)  # fmt: skip
    said = run(sys.executable, "-m", "hotloop", "--version", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    for part in ("hotloop ", "Python ", "libuv 1."):
        assert part in said.stdout


@ONCE
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    package = {name.removeprefix("hotloop/") for name in names if name.startswith("hotloop/")}
    assert {"__init__.py", "py.typed", "_core.pyi"} <= package
    assert sum(name.endswith(".so") for name in package) == 1
    others = {name.split("/")[0] for name in names} - {"hotloop"}
    assert len(others) == 1 and others.pop().endswith(".dist-info")
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in package if name.endswith((".c", ".h", ".o"))]


@pytest.mark.parametrize(
    ("missing", "variables"),
    [
        ("libuv >= 1.44 is missing", {"PKG_CONFIG_LIBDIR": "/nonexistent"}),
        ("pkg-config is missing", {"PATH": "{tools}"}),
        ("a C compiler is missing", {"CC": "no-such-compiler"}),
    ],
)
def test_a_build_that_cannot_be_says_what_to_install(tree, tmp_path, missing, variables):
    compiler = sysconfig.get_config_var("CC").split()[0]
    (tmp_path / compiler).symlink_to(shutil.which(compiler))
    variables = {k: v.format(tools=tmp_path) for k, v in variables.items()}
    done = run(sys.executable, "setup.py", "-q", "build_ext", "--build-temp", str(tmp_path / "t"),
               "--build-lib", str(tmp_path / "l"), cwd=tree, check=False, **variables)  # fmt: skip
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode != 0
    assert last.startswith(f"hotloop cannot be built: {missing}; install a C compiler"), done.stderr
    assert "Traceback" not in done.stderr
    assert "apt-get install gcc python3-dev pkg-config libuv1-dev" in last


def test_the_newest_version_is_in_the_changelog():
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert metadata["project"]["license"] == "MIT"
    namespace: dict[str, str] = {}
    exec((ROOT / "python/hotloop/_version.py").read_text(), namespace)
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in changes or f"## [{namespace['__version__']}]" in changes
