# SPDX-License-Identifier: MIT
"""Builds the C programs of the benchmarks when they are needed, outside the source tree."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
C = HERE / "c"
BUILD = Path(os.environ.get("HOTLOOP_BENCH_BUILD", HERE.parent / "build" / "benchmarks"))
FLAGS = ["-O2", "-std=gnu11", "-Wall", "-Wextra"]


def _compile(output: Path, source: Path, *flags: str) -> Path:
    """Compile unless the output is newer than its source; -> output."""
    if output.exists() and output.stat().st_mtime > source.stat().st_mtime:
        return output
    output.parent.mkdir(parents=True, exist_ok=True)
    cc = os.environ.get("CC") or shutil.which("cc") or "gcc"
    fresh = output.with_name(f"{output.name}.{os.getpid()}")
    subprocess.run([cc, *FLAGS, "-o", str(fresh), str(source), *flags], check=True)
    fresh.replace(output)
    return output


def _libuv_flags() -> list[str]:
    """Flags of the system's libuv, the static archive if there is one, as in the extension."""
    for package in ("libuv-static", "libuv"):
        command = ["pkg-config", "--cflags", "--libs", package]
        found = subprocess.run(command, capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.split()
    raise SystemExit("the C echo server needs libuv's headers and pkg-config (libuv1-dev)")


def loadgen(tls: bool = False) -> Path:
    """The load generator, which for TLS needs OpenSSL's headers (libssl-dev)."""
    if tls:
        return _compile(BUILD / "loadgen_tls", C / "loadgen.c", "-DWITH_TLS", "-lssl", "-lcrypto")
    return _compile(BUILD / "loadgen", C / "loadgen.c")


def echo_server(tls: bool = False) -> Path:
    """The echo server over libuv, or over libuv and OpenSSL."""
    if tls:
        flags = (*_libuv_flags(), "-lssl", "-lcrypto")
        return _compile(BUILD / "echo_tls", C / "echo_tls.c", *flags)
    return _compile(BUILD / "echo_uv", C / "echo_uv.c", *_libuv_flags())


def certificate() -> tuple[str, str]:
    """The files of a certificate and its key, on the curve P-256, made when they are needed."""
    cert, key = BUILD / "cert.pem", BUILD / "key.pem"
    if not cert.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365"
        fresh = BUILD / f"cert.{os.getpid()}"
        files = ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(fresh)]
        subprocess.run([*command.split(), *files], check=True, capture_output=True)
        fresh.replace(cert)
    return str(cert), str(key)


def drive(python: str) -> Path:
    """The folder that holds ``_drive`` for that interpreter."""
    code = "import sysconfig as s; print(s.get_path('include')); print(s.get_config_var('SOABI'))"
    include, abi = subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    output = BUILD / f"_drive.{abi}.so"
    return _compile(output, C / "drive.c", "-fPIC", "-shared", f"-I{include}").parent
