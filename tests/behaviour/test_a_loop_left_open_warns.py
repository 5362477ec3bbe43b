# SPDX-License-Identifier: MIT
"""G2: a loop that is dropped without close() gives a ResourceWarning and its descriptors."""

import gc

import pytest

from tests.loops import make_loop, open_descriptors


def test_g2_dropped_open(loop_kind):
    before = open_descriptors()
    loop = make_loop(loop_kind)
    loop.call_soon(print)
    loop.call_later(60, print)
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        del loop
        gc.collect()
    assert open_descriptors() == before


def test_g2_dropped_after_close_is_silent(loop_kind, recwarn):
    loop = make_loop(loop_kind)
    loop.call_soon(print)
    loop.close()
    del loop
    gc.collect()
    assert not [w for w in recwarn if issubclass(w.category, ResourceWarning)]


def test_a_loop_keeps_no_reference_to_itself_after_close(loop_kind):
    import weakref

    loop = make_loop(loop_kind)
    loop.run_until_complete(loop.create_task(_nothing()))
    gone = weakref.ref(loop)
    loop.close()
    del loop
    gc.collect()
    assert gone() is None


async def _nothing():
    pass
