# SPDX-License-Identifier: MIT
"""Install the optional dependency groups named on the command line into this environment.

The group `ecosystem` may come in part: on a Python that is newer than some of these projects,
a package without a wheel is left out, and the tests that need it say so and skip. Only what is
pure Python and never had a wheel is built.
"""

import subprocess
import sys
import tomllib

WHEELS = ("--only-binary", ":all:", "--no-binary", "forbiddenfruit")  # blockbuster needs it


def pip(*words: str) -> bool:
    command = [sys.executable, "-m", "pip", "install", "--prefer-binary", *words]
    return subprocess.run(command, check=False).returncode == 0


def main() -> int:
    with open("pyproject.toml", "rb") as file:
        project = tomllib.load(file)
    wanted = list(project["build-system"]["requires"])
    extra: list[str] = []
    for group in sys.argv[1:]:
        packages = project["project"]["optional-dependencies"][group]
        (extra if group == "ecosystem" else wanted).extend(packages)
    if extra and pip(*wanted, *extra, *WHEELS):
        return 0
    if not pip(*wanted):
        return 1
    for package in extra:
        if not pip(*WHEELS, package):
            print(f"left out: {package}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
