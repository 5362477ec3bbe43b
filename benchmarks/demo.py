# SPDX-License-Identifier: MIT
"""The demo: examples/fastapi_demo.py under uvicorn on hotloop, checked, then compared.

    python benchmarks/demo.py [--rounds N] [--seconds S]

First it asks the application what a user would ask and stops with exit code 1 if an answer is
wrong. Then it drives an HTTP load generator (wrk if it is installed, else the one of these
benchmarks) through the same application on asyncio, uvloop and hotloop in turn.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples"
FACTORIES = {
    "asyncio": "asyncio:SelectorEventLoop",
    "uvloop": "uvloop:new_event_loop",
    "zuvloop": "zuvloop:new_event_loop",
    "hotloop": "hotloop:new_event_loop",
}
CONNECTIONS = 50
SLOW_REQUESTS, SLOW_SECONDS = 50, 0.3


class WrongAnswer(Exception):
    """The application answered something else than it should."""


# --- the server ----------------------------------------------------------------------------


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_until_ready(server: subprocess.Popen, port: int, log: Path) -> None:
    """Return once the application answers. Raises WrongAnswer if it does not within 30 s."""
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up and server.poll() is None:
        with contextlib.suppress(OSError):
            ask(port, "GET", "/json")
            return
        time.sleep(0.05)
    raise WrongAnswer("the server does not start:\n" + log.read_text()[-2000:])


@contextlib.contextmanager
def server_on(loop: str, cores: list[int]) -> Iterator[tuple[int, int]]:
    """Run the demo under uvicorn on a loop; give its process id and port."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), "fastapi_demo:app"]
    command += ["--loop", FACTORIES[loop], "--port", str(port), "--log-level", "warning"]
    pinned = ["taskset", "-c", str(cores[0]), *command] if len(cores) > 1 else command
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("w") as out:
            server = subprocess.Popen(pinned, stdout=out, stderr=out)
        try:
            wait_until_ready(server, port, log)
            yield server.pid, port
            server.send_signal(signal.SIGTERM)
            code = server.wait(15)
            if code not in (0, -signal.SIGTERM):
                raise WrongAnswer(f"the server ended with {code}:\n{log.read_text()[-2000:]}")
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()


# --- the answers ---------------------------------------------------------------------------


def ask(port: int, method: str, path: str, body: object = None) -> tuple[int, dict, object]:
    """One request; -> status, headers with names in lower case, the decoded JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, json.loads(answer.read())
    finally:
        connection.close()


def expect(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise WrongAnswer(f"{what}: expected {wanted!r}, got {got!r}")
    print(f"  ok  {what}")


def check_concurrency(port: int) -> None:
    """50 requests that sleep 0.3 s each must overlap: in turn they would take 15 s."""
    with ThreadPoolExecutor(SLOW_REQUESTS) as pool:
        start = time.monotonic()
        path = f"/slow?seconds={SLOW_SECONDS}"
        answers = list(pool.map(lambda _: ask(port, "GET", path)[0], range(SLOW_REQUESTS)))
        took = time.monotonic() - start
    expect(f"{SLOW_REQUESTS} slow requests answered", answers, [200] * SLOW_REQUESTS)
    in_turn = SLOW_REQUESTS * SLOW_SECONDS
    expect(f"they overlap: {took:.2f} s instead of {in_turn:.0f} s", took < in_turn / 4, True)


def check_answers(port: int, loop: str) -> None:
    """Ask what a user would ask. Raises WrongAnswer."""
    status, headers, answer = ask(port, "GET", "/json")
    expect("GET /json is 200", status, 200)
    expect("its type is JSON", headers["content-type"], "application/json")
    expect("its message", answer["message"], "Hello, world!")
    expect(f"it ran on {loop}", answer["loop"].split(".")[0], loop)
    expect("a sync route runs in a thread", ask(port, "GET", "/thread")[2], {"main_thread": False})
    expect("the lifespan ran", ask(port, "GET", "/items/1")[2], {"name": "a kettle"})
    status, _, answer = ask(port, "POST", "/items", {"name": "tea"})
    expect("POST makes an item", (status, answer), (201, {"number": 2}))
    expect("and it is kept", ask(port, "GET", "/items/2")[2], {"name": "tea"})
    expect("a missing item is 404", ask(port, "GET", "/items/9")[0], 404)
    expect("a bad body is 422", ask(port, "POST", "/items", {"name": [1]})[0], 422)
    check_concurrency(port)


# --- the load ------------------------------------------------------------------------------


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, from the kernel's clock of that process."""
    return time.clock_gettime(((~pid) << 3) | 2)


def load_by_wrk(port: int, seconds: float, cores: list[int]) -> int:
    """Drive wrk through the application; -> requests answered."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s"]
    command.append(f"http://127.0.0.1:{port}/json")
    pin = ["taskset", "-c", str(cores[1])] if len(cores) > 1 else []
    text = subprocess.run([*pin, *command], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise WrongAnswer(text)
    return int(re.search(r"(\d+) requests in", text)[1])


def load_by_loadgen(port: int, seconds: float, cores: list[int]) -> int:
    """Drive the benchmarks' own load generator; -> requests answered."""
    import native

    command = [str(native.loadgen()), "http", "--tcp", str(port), "--path", "/json"]
    command += ["--conns", str(CONNECTIONS), "--warmup", "0", "--bursts", "1"]
    command += ["--seconds", str(seconds)]
    if len(cores) > 1:
        command += ["--cpu", str(cores[1])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["messages"]


def drive(loop: str, seconds: float, cores: list[int]) -> tuple[float, float]:
    """Requests per second and CPU microseconds of the server per request on a loop."""
    load = load_by_wrk if shutil.which("wrk") else load_by_loadgen
    with server_on(loop, cores) as (pid, port):
        load(port, min(1, seconds), cores)  # the parser and the routes warm up
        cpu, start = cpu_seconds(pid), time.monotonic()
        requests = load(port, seconds, cores)
        cpu, took = cpu_seconds(pid) - cpu, time.monotonic() - start
    return requests / took, cpu / requests * 1e6


def http_parser() -> str:
    """Which HTTP parser uvicorn chooses here: it changes the result more than some loops do."""
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    return AutoHTTPProtocol.__name__.removesuffix("Protocol").lower()


def compare(loops: list[str], rounds: int, seconds: float, cores: list[int]) -> None:
    """Measure all loops in turn, several times over, and print the medians."""
    found: dict[str, list[tuple[float, float]]] = {loop: [] for loop in loops}
    for turn in range(rounds):
        for loop in loops:
            rate, cpu = drive(loop, seconds, cores)
            found[loop].append((rate, cpu))
            which = f"round {turn + 1}/{rounds}  {loop:<8}"
            print(f"  {which} {rate:8,.0f} requests/s  {cpu:6.1f} us CPU", flush=True)
    medians = {k: [statistics.median(x) for x in zip(*v, strict=True)] for k, v in found.items()}
    ours = medians["hotloop"]
    print(f"\n{'loop':<10}{'requests/s':>12}{'CPU/request':>14}{'hotloop: rate':>16}{'CPU':>8}")
    for loop, (rate, cpu) in medians.items():
        against = f"{ours[0] / rate:>15.2f}x{cpu / ours[1]:>7.2f}x"
        print(f"{loop:<10}{rate:>12,.0f}{cpu:>11.1f} us{against}")
    print("Medians of the rounds. 1.20x: hotloop answers 1.2 times as many requests, or this loop")
    print("needs 1.2 times the CPU time. On a busy machine look at the CPU time, not at the rate.")


def main() -> int:
    """-> 0, or 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    args = parser.parse_args()
    # The server's environment, as in the benchmarks: a malloc that has warmed up.
    os.environ["MALLOC_MMAP_THRESHOLD_"] = str(4 << 20)
    os.environ["MALLOC_TRIM_THRESHOLD_"] = str(16 << 20)
    cores = sorted(os.sched_getaffinity(0))
    generator = "wrk" if shutil.which("wrk") else "benchmarks/c/loadgen.c"
    loops = [name for name in FACTORIES if name == "asyncio" or importlib.util.find_spec(name)]
    print(f"Python {sys.version.split()[0]}; HTTP parser: {http_parser()}; load: {generator}")
    try:
        print("\nexamples/fastapi_demo.py under uvicorn on hotloop:")
        with server_on("hotloop", cores) as (_, port):
            check_answers(port, "hotloop")
        print(f"\nGET /json, {CONNECTIONS} connections, one server process on one core:")
        compare(loops, args.rounds, args.seconds, cores)
    except WrongAnswer as error:
        print(f"  WRONG  {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
