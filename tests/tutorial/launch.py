# SPDX-License-Identifier: MIT
"""Run a tutorial's program on a loop chosen in one of the ways that the package offers.

python -m tests.tutorial.launch {asyncio,install,policy,run} PROGRAM [ARGS]
"""

from __future__ import annotations

import asyncio
import runpy
import sys
import warnings


def choose(way: str) -> None:
    """Arrange for asyncio.run to use the loop under test, in the given way."""
    if way == "asyncio":
        return
    import hotloop

    if way == "install":
        hotloop.install()
    elif way == "policy":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            asyncio.set_event_loop_policy(hotloop.EventLoopPolicy())
    elif way == "run":
        # The program says asyncio.run; a reader of ours would write hotloop.run there.
        asyncio.run = hotloop.run
    else:
        raise SystemExit(f"unknown way {way!r}")


def main() -> None:
    way, program = sys.argv[1:3]
    choose(way)
    sys.argv[:] = sys.argv[2:]
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
