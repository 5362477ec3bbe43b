# SPDX-License-Identifier: MIT
"""Run the probes on one loop, each in a forked child with a time limit.

`python -m tests.parity.worker LOOP CERTIFICATE [WORDS]` prints one JSON object a row: text, cell,
reason. WORDS picks the rows whose text has them. With PARITY_TRACE in the environment the
tracebacks are shown.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import resource
import select
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable

from . import rows

LIMIT = 10.0  # seconds for one probe; most take a hundredth


def main() -> None:
    """Do what the module's text says."""
    kind, certificate = sys.argv[1:3]
    words = sys.argv[3] if len(sys.argv) > 3 else ""
    # A process under test may die: without a core file.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    chosen = [row for row in rows.all_rows() if words in row.text]
    try:
        rows.loop_factory(kind)
    except ImportError:
        return
    for row in chosen:
        cell, reason = in_child(row, kind, certificate)
        print(json.dumps({"text": row.text, "cell": cell, "reason": reason}), flush=True)


def in_child(row: rows.Row, kind: str, certificate: str) -> tuple[str, str]:
    """Return the cell of one row on one loop and the reason if it is not Y."""
    folder = tempfile.mkdtemp(prefix="parity-")
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.close(read_end)

        def tell(cell: str, reason: str) -> None:
            os.write(write_end, json.dumps([cell, reason]).encode() + b"\n")

        tell(*probe(row, lambda: rows.Trial(kind, pathlib.Path(folder), certificate, tell)))
        os._exit(0)
    os.close(write_end)
    try:
        return judge(pid, read_end)
    finally:
        os.close(read_end)
        end_group(pid)
        shutil.rmtree(folder, ignore_errors=True)


def judge(pid: int, answer: int) -> tuple[str, str]:
    """Wait for the child and read the last thing that it says."""
    descriptor = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(LIMIT * 1000):
            return rows.N, f"no end within {LIMIT:.0f} s"
    finally:
        os.close(descriptor)
    status = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT).si_status
    os.set_blocking(answer, False)
    try:
        said = os.read(answer, 65536)
    except BlockingIOError:
        said = b""
    if not said:
        return rows.N, f"the process died ({status})"
    cell, reason = json.loads(said.splitlines()[-1])
    return cell, reason


def end_group(pid: int) -> None:
    """Nothing that the probe has started outlives it."""
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    os.waitpid(pid, 0)


def probe(row: rows.Row, make_trial: Callable[[], rows.Trial]) -> tuple[str, str]:
    """Run a probe in this process, which is over afterwards."""
    if "PARITY_TRACE" not in os.environ:
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
    try:
        trial = make_trial()
        row.probe(trial)
    except BaseException as error:
        if "PARITY_TRACE" in os.environ:
            traceback.print_exc()
        return rows.N, sentence(error)
    if trial.shortfalls:
        return rows.P, "; ".join(trial.shortfalls)
    return rows.Y, ""


def sentence(error: BaseException) -> str:
    """An exception in one short line."""
    if isinstance(error, AssertionError):
        line = traceback.extract_tb(error.__traceback__)[-1].line or ""
        return str(error) or f"not so: {line.removeprefix('assert ')}"
    text = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    return re.sub(r" (at )?0x[0-9a-f]+", "", text)[:160]


if __name__ == "__main__":
    main()
