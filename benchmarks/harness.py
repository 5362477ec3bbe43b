# SPDX-License-Identifier: MIT
"""What a scenario file is made of, and the process that runs one row of it on one loop.

A scenario file has a list ``ROWS``. Each row is one number in the table: a `Work` (CPU time of
something done inside the loop), a `Sample` (a number that the scenario measures itself), a
`Serve` (CPU time of a server per answer; the load comes from another process) or an `Idle`
(memory of a server per connection). `run.py` starts this file as a worker, one fresh process
per row, loop and round.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import importlib.util
import inspect
import json
import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
#: Connections waiting to be accepted; the same for every server, also the one in C.
BACKLOG = 1024
#: The name under which the limit written in C appears beside the loops.
LIMIT = "c"


# --- loops ---------------------------------------------------------------------------------


def new_loop(name: str) -> asyncio.AbstractEventLoop:
    """Make a loop by the name of its package: asyncio, uvloop, hotloop, zuvloop.

    Raises ImportError if that package is not there.
    """
    if name == "asyncio":
        return asyncio.SelectorEventLoop()
    return importlib.import_module(name).new_event_loop()


# --- rows ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One number of the table.

    :param key: short name, unique in its file; ``file/key`` selects the row.
    :param title: what the table calls it.
    :param goal: the ratio to reach against each rival: rival's cost / ours for a loop (at
        least), ours / limit for ``"c"`` and, in instructions, for ``"c-instructions"`` (at most).
    :param grid: one cell of a grid that is measured in fewer rounds.
    """

    key: str
    title: str
    goal: dict[str, float] = field(default_factory=dict)
    grid: bool = False


@dataclass(frozen=True)
class Work(Row):
    """CPU time of an operation inside the loop, in nanoseconds.

    :param work: ``async def work(n)`` or ``def work(loop, n)``, which does n operations.
    :param setup: ``def setup(loop)``, called once before anything is measured.
    :param limit: ``def limit(drive, n)``: the same with the module ``_drive`` in place of a loop.
    :param step: n is always a multiple of it.
    :param counted: n of the shorter of the two runs in which instructions or system calls are
        counted; little where one operation is long.
    :param pinned: run on one core; False for work of several threads.
    """

    work: Callable[..., Any] = None
    setup: Callable[..., Any] | None = None
    limit: Callable[..., Any] | None = None
    step: int = 1000
    counted: int = 4000
    pinned: bool = True
    unit = "ns"


@dataclass(frozen=True)
class Sample(Row):
    """A number that the scenario measures itself.

    :param sample: ``def sample(loop) -> dict``; ``"value"`` is the number, the rest are remarks.
    """

    sample: Callable[..., dict[str, float]] = None
    unit: str = "us"
    pinned: bool = True


@dataclass(frozen=True)
class Serve(Row):
    """CPU time of a server per answer, in nanoseconds.

    :param serve: ``async def serve(sock)``: serves on a listening socket and returns.
    :param run: instead of serve, ``def run(factory, sock)``: makes its loop and runs for ever.
    :param family: ``"tcp"``, ``"unix"`` or ``"udp"``; for the last `sock` is bound, not listening.
    :param load: the mode of the load generator (echo, reply, http, churn).
    :param flight: datagrams under way per client.
    :param limit: arguments of the C server after the family; None if there is none.
    :param tls: load and limit speak TLS.
    """

    serve: Callable[..., Any] | None = None
    run: Callable[..., None] | None = None
    family: str = "tcp"
    load: str = "echo"
    size: int = 1024
    conns: int = 10
    flight: int = 1
    path: str = "/"
    limit: tuple[str, ...] | None = ()
    tls: bool = False
    unit = "ns"


@dataclass(frozen=True)
class Idle(Serve):
    """Resident memory of a server per connection on which nothing happens, in bytes.

    :param conns: how many connections to open after the first few hundred.
    """

    unit = "bytes"


def load_rows(file: Path) -> list[Row]:
    """Import a scenario file and give its rows."""
    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))
    # A scenario imports this module as `harness`, also when it runs as the main program.
    sys.modules.setdefault("harness", sys.modules[__name__])
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ROWS


def scenario_files() -> list[Path]:
    """The scenario files in the order of the table, which is kept in ``ORDER``."""
    return [HERE / f"{name}.py" for name in ORDER]


ORDER = (
    "call_soon",
    "threadsafe",
    "sleep_zero",
    "create_task",
    "gather",
    "ping_pong",
    "queue_one",
    "lock",
    "timer_churn",
    "short_timers",
    "echo_tcp",
    "echo_unix",
    "echo_buffered",
    "four_writes",
    "echo_streams",
    "readline",
    "readexactly",
    "sendfile",
    "getaddrinfo",
    "echo_sock",
    "accept_close",
    "udp_echo",
    "spawn",
    "pipe_cat",
    "idle_memory",
    "tls_echo",
    "tls_handshakes",
    "tls_idle_memory",
    "uvicorn_plaintext",
    "fastapi_json",
    "uvicorn_tls",
)


# --- the worker ----------------------------------------------------------------------------


def _do_work(row: Work, loop_name: str) -> Callable[[int], None]:
    """A function that does n operations of the row on that loop (or in the limit)."""
    if loop_name == LIMIT:
        drive = importlib.import_module("_drive")
        return lambda n: row.limit(drive, n)
    loop = new_loop(loop_name)
    if row.setup is not None:
        row.setup(loop)
    if inspect.iscoroutinefunction(row.work):
        return lambda n: loop.run_until_complete(row.work(n))
    return lambda n: row.work(loop, n)


def _measure_work(row: Work, loop_name: str, seconds: float, bursts: int) -> dict[str, Any]:
    """Least CPU time per operation over a few bursts, in ns; the bursts are sized by a first."""
    do = _do_work(row, loop_name)
    n = row.step
    while True:
        start = time.process_time_ns()
        do(n)
        took = time.process_time_ns() - start
        if took > seconds * 2e8:
            break
        n *= 2
    n = max(1, round(n * seconds * 1e9 / took / row.step)) * row.step
    costs = []
    for _ in range(bursts):
        gc.collect()
        start = time.process_time_ns()
        do(n)
        costs.append((time.process_time_ns() - start) / n)
    return {"value": min(costs), "bursts": costs, "n": n}


def _listen(family: str, path: str) -> tuple[socket.socket, str]:
    if family == "unix":
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        address = path
    else:
        sock = socket.socket(type=socket.SOCK_DGRAM if family == "udp" else socket.SOCK_STREAM)
        sock.bind(("127.0.0.1", 0))
        address = str(sock.getsockname()[1])
    if family != "udp":
        sock.listen(BACKLOG)
    sock.setblocking(False)
    return sock, address


def _serve(row: Serve, loop_name: str, path: str) -> None:
    """Serve until killed; print ``ready ADDRESS`` once the socket is listening."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sock, address = _listen(row.family, path)
    print("ready", address, flush=True)
    if row.run is not None:
        row.run(lambda: new_loop(loop_name), sock)
        return
    loop = new_loop(loop_name)
    asyncio.set_event_loop(loop)
    keep = loop.run_until_complete(row.serve(sock))
    loop.run_forever()
    del keep


def worker(argv: list[str]) -> None:
    """Run one row on one loop in this process and print the result as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("key")
    parser.add_argument("loop")
    parser.add_argument("--cpu", type=int, default=-1)
    parser.add_argument("--seconds", type=float, default=0.05, help="length of a burst")
    parser.add_argument("--bursts", type=int, default=4)
    parser.add_argument("--count", type=int, help="do exactly so many operations, measure nothing")
    parser.add_argument("--unix-path", default="")
    args = parser.parse_args(argv)
    row = next(r for r in load_rows(args.file) if r.key == args.key)
    if args.cpu >= 0 and getattr(row, "pinned", True):
        os.sched_setaffinity(0, {args.cpu})
    if isinstance(row, Serve):
        _serve(row, args.loop, args.unix_path)
    elif isinstance(row, Sample):
        print(json.dumps(row.sample(new_loop(args.loop))))
    elif args.count is not None:
        _do_work(row, args.loop)(args.count)
    else:
        print(json.dumps(_measure_work(row, args.loop, args.seconds, args.bursts)))


def main(file: str) -> None:
    """``python benchmarks/<scenario>.py ...`` is ``run.py --rows '<scenario>/*' ...``."""
    sys.path.insert(0, str(HERE))
    run = importlib.import_module("run")
    run.main(["--rows", f"{Path(file).stem}/*", "--no-save", *sys.argv[1:]])


if __name__ == "__main__":
    worker(sys.argv[1:])
