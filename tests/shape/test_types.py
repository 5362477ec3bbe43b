# SPDX-License-Identifier: MIT
"""Every type of the extension: made on the heap, seen by the GC, freed without a trace."""

from __future__ import annotations

import copy
import gc
import pickle
import sys

import pytest

import hotloop
from hotloop import _core
from tests.shape.makers import MAKERS

MIXINS = {"StreamReads"}  # methods for a subclass; no instances, so nothing for the GC
TYPES = {name: t for name, t in vars(_core).items() if isinstance(t, type) and name not in MIXINS}
PUBLIC = {"Loop", "Handle", "TimerHandle", "Future", "Task"}  # what a user may instantiate
HEAP, HAVE_GC = 1 << 9, 1 << 14  # Py_TPFLAGS_*
ROUNDS = 1000


@pytest.fixture
def loop():
    made = hotloop.new_event_loop()
    yield made
    made.close()


def test_every_type_is_known_here():
    assert TYPES.keys() == MAKERS.keys(), "a new type wants a row in MAKERS, a gone one none"


@pytest.mark.parametrize("name", TYPES)
def test_it_is_a_heap_type_that_the_gc_sees(name):
    flags = TYPES[name].__flags__
    assert flags & HEAP, f"{name} is static: it cannot live in two interpreters"
    assert flags & HAVE_GC, f"{name} has no GC flag: a cycle through it would never be freed"


@pytest.mark.parametrize("name", TYPES)
def test_a_thousand_leave_no_reference_to_the_type(name, loop):
    kind, make = TYPES[name], MAKERS[name]

    def rounds(number):
        for _ in range(number):
            made = make(loop)
            assert type(made) is kind
            del made
        for _ in range(3):  # libuv lets go of closed handles at the end of a turn
            loop.call_soon(loop.stop)
            loop.run_forever()
        gc.collect()
        gc.collect()
        return sys.getrefcount(kind)

    before = rounds(ROUNDS)  # free lists are full now
    assert rounds(ROUNDS) == before, f"{name}: references to the type are lost or left over"


@pytest.mark.parametrize("name", sorted(MIXINS))
def test_a_mixin_has_no_instances(name):
    with pytest.raises(TypeError):
        getattr(_core, name)()


@pytest.mark.parametrize("name", sorted(TYPES.keys() - PUBLIC))
def test_what_only_c_makes_cannot_be_made(name, loop):
    kind, made = TYPES[name], MAKERS[name](loop)
    for attempt in (
        kind,
        lambda: kind.__new__(kind),
        lambda: object.__new__(kind),
        lambda: copy.copy(made),
        lambda: pickle.dumps(made),
        lambda: type("Sub", (kind,), {})(),
    ):
        with pytest.raises(TypeError):
            attempt()
