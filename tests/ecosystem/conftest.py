# SPDX-License-Identifier: MIT
"""Which of these tests run, and what several of them share."""

from __future__ import annotations

import ctypes
import os

import pytest

from tests.certificates import OPENSSL, Certificates

# libffi opens its own file with the first callback of a process, and keeps it.
CALLBACK = ctypes.CFUNCTYPE(None)(int)
HEAVY = os.environ.get("HOTLOOP_TEST_HEAVY", "0" if "HOTLOOP_SANITIZER" in os.environ else "1")


def pytest_collection_modifyitems(items):
    """Heavy tests start big foreign programs, for which one Python of a CI run is enough."""
    if HEAVY != "0":
        return
    skip = pytest.mark.skip(reason="heavy: runs on one Python only (HOTLOOP_TEST_HEAVY=0 here)")
    for item in items:
        if item.get_closest_marker("heavy"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> Certificates:
    """An authority and what it signed, made once."""
    if OPENSSL is None:
        pytest.skip("the command openssl is not installed")
    return Certificates(tmp_path_factory.mktemp("certificates"))
