# SPDX-License-Identifier: MIT
"""Every example fits a screen, is typed where a reader looks, and runs to its end."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import subprocess
import sys

import pytest

from tests.shape.source import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
MOST_LINES = 60
# What a client sends to each server, and what the answer begins with.
TALKS = {
    "echo_server": (b"hello", b"hello"),
    "chat": (b"ada\n", b"your name? "),
    "tls_echo": (b"hello\n", b"hello\n"),
    "http_hello": (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"HTTP/1.1 200 OK"),
}
OPTIONAL = {"fastapi_demo": ("fastapi", "uvicorn")}  # scripts/demo runs this one under load


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def example(request):
    return request.param


def test_it_fits_a_screen(example):
    text = example.read_text()
    assert text.count("\n") <= MOST_LINES, f"{example.name}: an example has {MOST_LINES} lines"
    assert "SPDX-License-Identifier: MIT" in text[:60]
    assert re.search(r'^"""', text, re.M), f"{example.name} does not say what it shows"


def test_it_runs(example):
    for module in OPTIONAL.get(example.stem, ()):
        pytest.importorskip(module)
    text = example.read_text()
    server = "serve_forever" in text or "Server(" in text
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", example, *(["0"] if server else [])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if server and example.stem in TALKS:
            talk(example.stem, process.stdout.readline(), *TALKS[example.stem])
        if server:
            wait_for_start(process, example.stem)
            process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=30)[1]
    finally:
        process.kill()
        process.communicate()
    assert process.returncode in ((0, -signal.SIGINT) if server else (0,)), error
    assert "Traceback" not in error and "Warning" not in error, error


def wait_for_start(process, name):
    if name in OPTIONAL:  # uvicorn tells on stderr
        while "running on" not in (line := process.stderr.readline()):
            assert line, "the server ended before it had started"


def talk(name, line, question, answer):
    found = re.search(r"port (\d+)$", line.strip())
    assert found, f"a server prints its port, not {line!r}"
    with socket.create_connection(("127.0.0.1", int(found[1])), timeout=10) as sock:
        if name.startswith("tls_"):
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            sock = context.wrap_socket(sock)
        with sock:
            sock.sendall(question)
            got = b""
            while len(got) < len(answer) and (chunk := sock.recv(len(answer) - len(got))):
                got += chunk
        assert got == answer
