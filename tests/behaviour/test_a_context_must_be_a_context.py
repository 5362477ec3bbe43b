# SPDX-License-Identifier: MIT
"""A34: what is not a Context."""

import pytest

from tests.tools import assert_usable, turns


@pytest.mark.parametrize("junk", [42, "context", object()])
def test_junk_for_a_context_is_a_type_error_and_never_a_crash(loop, loop_kind, junk, reports):
    """asyncio takes it and fails in the turn; hotloop refuses it at the call."""
    seen = []
    try:
        loop.call_soon(seen.append, 1, context=junk)
    except TypeError:
        assert loop_kind == "hotloop"
    else:
        turns(loop)
        assert loop_kind == "hotloop" or isinstance(
            reports[0]["exception"], (AttributeError, TypeError)
        )
        assert reports, "neither refused nor reported"
    assert seen == []
    if loop_kind == "hotloop":
        assert_usable(loop)


def test_none_means_a_copy_of_the_current_one(loop):
    seen = []
    loop.call_soon(seen.append, 1, context=None)
    turns(loop)
    assert seen == [1]
