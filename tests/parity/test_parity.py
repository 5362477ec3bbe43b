# SPDX-License-Identifier: MIT
"""On every row of docs/parity.md where asyncio is Y, hotloop is Y, or differs on purpose."""

from __future__ import annotations

import shutil
import sys

import pytest

from tests.shape.source import ROOT

from . import rows, run

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason=run.NEEDED)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What the probes say, by loop; the whole table takes a few seconds a loop."""
    pem = run.certificate(tmp_path_factory.mktemp("parity"))
    return {kind: run.measure(kind, pem) for kind in ("asyncio", "hotloop")}


def test_asyncio_has_what_is_told_of_it(answers):
    known = [row.text for row in rows.all_rows() if row.concerns(sys.version_info[:3])]
    wrong = {text: answers["asyncio"][text] for text in known if answers["asyncio"][text][0] != "Y"}
    excused = set()
    if sys.version_info < (3, 12):  # the ABC is among the bases since 3.12
        excused.add("isinstance(transport, asyncio.Transport), DatagramTransport, ReadTransport")
    if (3, 12) <= sys.version_info < (3, 13):  # its first releases wait first, without limit
        excused.add("shutdown_default_executor(timeout=)")
    assert wrong.keys() <= excused, wrong


def test_hotloop_does_what_asyncio_does(answers):
    assert len(answers["hotloop"]) == len(rows.all_rows()) >= 94
    short = {
        text: answers["hotloop"][text]
        for text, (cell, _) in answers["asyncio"].items()
        if cell == "Y" and answers["hotloop"][text][0] != "Y" and text not in rows.DELIBERATE
    }
    assert not short, short


def test_deliberate_differences_are_in_the_documents(answers):
    page = (ROOT / "docs/differences.md").read_text()
    for text, words in rows.DELIBERATE.items():
        assert words in page, f"docs/differences.md does not tell of: {text}"
        assert answers["hotloop"][text][0] != "Y", f"no difference any more: {text}"
