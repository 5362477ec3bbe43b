# SPDX-License-Identifier: MIT
"""`python -m hotloop`: how to use it, and what to put into a bug report."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence

from . import __version__, libuv_version
from ._core import tls_driver


def versions() -> str:
    """Return the versions of hotloop, Python and libuv, and who does TLS, in one line."""
    return (
        f"hotloop {__version__}, {platform.python_implementation()} "
        f"{platform.python_version()}, libuv {libuv_version()}, TLS by {tls_driver()}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m hotloop",
        description="A fast drop-in event loop for asyncio. Run a program on it with "
        "hotloop.run(main()), or name hotloop:new_event_loop to your server.",
    )
    parser.add_argument(
        "--version", action="store_true", help="print the versions, and who does TLS"
    )
    arguments = parser.parse_args(argv)
    if not arguments.version:
        parser.print_help()
        print()
    print(versions())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
