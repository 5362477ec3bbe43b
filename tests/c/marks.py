# SPDX-License-Identifier: MIT
"""Marks of tests, apart from build.py: that is imported where pytest is not wanted."""

from __future__ import annotations

import sys

import pytest

PRELOADS = pytest.mark.skipif(
    sys.platform != "linux",
    reason="code of ours comes before libc's by LD_PRELOAD, as Linux's loaders do it; "
    "macOS binds each call to the library that had it when the program was linked",
)
"""On a test that runs a child with `preloaded()`."""
