# SPDX-License-Identifier: MIT
"""Our Future and Task override every attribute of the C types that they derive from."""

from __future__ import annotations

import _asyncio

import pytest

import hotloop

# Machinery of every Python type, which asyncio's types do not define for themselves.
OF_ANY_TYPE = {"__dict__", "__doc__", "__getattribute__", "__module__", "__weakref__"}


def _defined(kind: type) -> set[str]:
    """Return the names that `kind` and its bases define, but for those of object."""
    return {name for base in kind.__mro__[:-1] for name in vars(base)} - OF_ANY_TYPE


@pytest.mark.parametrize("name", ["Future", "Task"])
def test_every_attribute_is_overridden(name: str) -> None:
    """One that was missed would look at the base's half of the struct, which stays empty."""
    ours, base = getattr(hotloop, name), getattr(_asyncio, name)
    assert issubclass(ours, base)
    assert _defined(base) - set(vars(ours)) == set()


@pytest.mark.parametrize("name", ["Future", "Task"])
def test_nothing_is_added(name: str) -> None:
    """What asyncio's types do not have on this Python, ours do not have either."""
    ours, base = getattr(hotloop, name), getattr(_asyncio, name)
    assert set(vars(ours)) - OF_ANY_TYPE - _defined(base) == set()
