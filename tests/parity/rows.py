# SPDX-License-Identifier: MIT
"""The rows of the parity table, and what a probe has at hand.

A probe is a function of one Trial. If it returns, its row is Y. A claim inside
`with trial.part("what fails without it"):` may fail: then the row is P, with that sentence. If
anything else raises, the row is N.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib
import logging
import pathlib
import ssl
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

# The chapters of the table, in order: module and heading.
CHAPTERS = {
    "lifecycle": "Identity and lifecycle",
    "scheduling": "Scheduling, handles, clock",
    "tasks": "Tasks, futures, introspection",
    "lookups": "Executors, DNS",
    "connections": "Stream connections and servers",
    "descriptors": "Datagrams, raw sockets, watchers, pipes",
    "processes": "Subprocesses, signals, errors",
    "transports": "Transports and protocols",
    "newest": "What the newest versions ask for",
}
LOOPS = ("asyncio", "uvloop", "zuvloop", "hotloop")
Y, P, N, ABSENT = "Y", "P", "N", "-"

# Where hotloop is not as asyncio on purpose: the words in docs/differences.md that say so.
DELIBERATE = {
    "isinstance(loop, BaseEventLoop)": "a subclass of `asyncio.BaseEventLoop`",
    "a replaced loop.time moves the timers": "replacing `loop.time` moves the timers",
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table: its text, the Python that brought it, and its probe."""

    chapter: str
    text: str
    since: tuple[int, ...]
    until: tuple[int, ...]
    probe: Callable[[Trial], None]

    def concerns(self, version: tuple[int, ...]) -> bool:
        """Does asyncio of that Python version (all of its numbers) have this?"""
        return self.since <= version and (not self.until or version[:2] <= self.until)


_rows: list[Row] = []


def row(
    text: str, since: tuple[int, ...] = (3, 4), until: tuple[int, ...] = ()
) -> Callable[[Callable[[Trial], None]], Callable[[Trial], None]]:
    """Make the function below the probe of that row."""

    def register(probe: Callable[[Trial], None]) -> Callable[[Trial], None]:
        chapter = probe.__module__.rpartition(".")[2]
        assert text not in [other.text for other in _rows], text
        _rows.append(Row(chapter, text, since, until, probe))
        return probe

    return register


def all_rows() -> list[Row]:
    """Return every row, in the order of the table."""
    for chapter in CHAPTERS:
        importlib.import_module(f"{__package__}.{chapter}")
    order = list(CHAPTERS)
    return sorted(_rows, key=lambda row: order.index(row.chapter))


def loop_factory(kind: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes loops of that kind; ImportError if it is not installed."""
    if kind == "asyncio":
        return asyncio.SelectorEventLoop
    return importlib.import_module(kind).new_event_loop


class Trial:
    """One run of a probe on one loop. `folder` is empty and goes away with the run."""

    def __init__(
        self,
        kind: str,
        folder: pathlib.Path,
        certificate: str,
        tell: Callable[[str, str], None] = lambda cell, reason: None,
    ) -> None:
        self.kind = kind
        self.folder = folder
        self.tell = tell
        self.new_loop = loop_factory(kind)
        self.shortfalls: list[str] = []
        self.certificate = certificate
        self.loop: Any = self.new_loop()

    def run(self, coroutine: Coroutine[Any, Any, Any], seconds: float = 8) -> Any:
        """Run it to its end on the loop, at most that long."""
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, seconds))

    def turns(self, number: int = 3) -> None:
        """Let the loop go round a few times."""
        for _ in range(number):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    @contextlib.contextmanager
    def part(self, otherwise: str) -> Iterator[None]:
        """A claim without which the row is P, with that sentence."""
        self.tell(P, "; ".join([*self.shortfalls, f"{otherwise}: the process dies"]))
        try:
            yield
        except Exception:
            self.shortfalls.append(otherwise)

    def server_context(self) -> ssl.SSLContext:
        """A context with the certificate of "localhost"."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        return context

    def client_context(self) -> ssl.SSLContext:
        """A context that trusts the certificate and checks the name."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.certificate)
        return context


class Log(logging.Handler):
    """What asyncio's logger says, from its making on."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []
        logger = logging.getLogger("asyncio")
        logger.setLevel(logging.DEBUG)
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())

    def says(self, words: str) -> bool:
        """Is `words` in one of the messages?"""
        return any(words in text for text in self.texts)


@contextlib.contextmanager
def raises(kind: type[BaseException], words: str = "") -> Iterator[None]:
    """The block must raise that, with `words` in its text."""
    try:
        yield
    except kind as error:
        assert words in str(error), f"it says {error}"
    else:
        raise AssertionError(f"no {kind.__name__}")


async def until(condition: Callable[[], Any]) -> None:
    """Wait for it; whoever calls this sets the limit."""
    while not condition():
        await asyncio.sleep(0.001)
