# SPDX-License-Identifier: MIT
"""A PostgreSQL and a Redis server of the test run's own, in folders that go with them."""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator

from tests.certificates import Certificates
from tests.ecosystem import kit


def program(name: str) -> str:
    """Its path; Debian keeps PostgreSQL's own out of PATH, one folder for each version."""
    folders = sorted(
        pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name)
    )
    path = os.pathsep.join([*map(str, reversed(folders)), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=path)
    if found is None:
        kit.missing(f"{name} is not on this machine")
    return found


def somebody() -> int | None:
    """Who runs the servers if we are root, whom PostgreSQL refuses; None if we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    kit.missing("no user postgres or nobody to run PostgreSQL as")


@contextlib.contextmanager
def folder_of(user: int | None) -> Iterator[pathlib.Path]:
    """A short path, for a unix socket's must be, that the user may enter."""
    with tempfile.TemporaryDirectory(prefix="hotloop-", ignore_cleanup_errors=True) as name:
        if user is not None:
            os.chown(name, user, -1)
        yield pathlib.Path(name)


def copied(certificates: Certificates, folder: pathlib.Path, user: int | None):
    """The certificate's key where the server may read it and nobody else."""
    for source, name in (
        (certificates.path("good", "key"), "key.pem"),
        (certificates.path("good"), "chain.pem"),
    ):
        shutil.copy(source, folder / name)
        os.chmod(folder / name, 0o600)
        if user is not None:
            os.chown(folder / name, user, -1)


def environment() -> dict[str, str]:
    """Nothing of the tester's, whose PG... variables and preloaded libraries are not for them."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}


class Database:
    """How to reach a server: the folder of its unix socket, and its ports on 127.0.0.1."""

    def __init__(self, folder: pathlib.Path, port: int, tls_port: int = 0):
        self.folder = str(folder)
        self.port = port
        self.tls_port = tls_port
        self.socket = str(folder / "redis.sock")


@contextlib.contextmanager
def running(command: list[str], folder: pathlib.Path, user: int | None, stop: int):
    """The server as a process whose output is a file of the folder."""
    with open(folder / "output", "wb") as file:
        process = subprocess.Popen(
            command,
            cwd=folder,
            user=user,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        yield process, folder / "output"
    finally:
        process.send_signal(stop)
        try:
            process.wait(kit.LIMIT)
        finally:
            process.kill()
            process.wait()


def ready(process, output, answers) -> None:
    def check():
        assert process.poll() is None, output.read_text()
        with contextlib.suppress(OSError):
            return answers()

    kit.wait_until(check, "the server's answer")


def succeeds(command: list[str]) -> bool:
    return subprocess.run(command, env=environment(), check=False).returncode == 0


def free_port() -> int:
    """A port that no client gets by chance before the server has it: below the kernel's range."""
    for _ in range(100):
        port = random.randrange(20_000, 30_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no free port")


@contextlib.contextmanager
def postgresql(certificates: Certificates) -> Iterator[Database]:
    """A cluster of its own: trusts everybody, never syncs, speaks TLS."""
    user = somebody()
    initdb, postgres, pg_isready = map(program, ("initdb", "postgres", "pg_isready"))
    with folder_of(user) as folder:
        port = free_port()
        options = [
            "--auth=trust",
            "--username=postgres",
            "--no-sync",
            "--locale=C",
            "--encoding=UTF8",
        ]
        subprocess.run(
            [initdb, "-D", str(folder / "data"), *options],
            user=user, cwd=folder, env=environment(), check=True, capture_output=True,
            timeout=2 * kit.LIMIT,
        )  # fmt: skip
        copied(certificates, folder, user)
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(folder),
            "port": port,
            "fsync": "off",
            "ssl": "on",
            "ssl_cert_file": folder / "chain.pem",
            "ssl_key_file": folder / "key.pem",
            "jit": "off",
        }
        command = [postgres, "-D", str(folder / "data")]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with running(command, folder, user, signal.SIGINT) as (process, output):
            question = [pg_isready, "-q", "-h", str(folder), "-p", str(port)]
            ready(process, output, lambda: succeeds(question))
            yield Database(folder, port)


@contextlib.contextmanager
def redis(certificates: Certificates) -> Iterator[Database]:
    """A server that keeps nothing; it speaks TLS on a port of its own."""
    user = somebody()
    server = program("redis-server")
    with folder_of(user) as folder:
        port, tls_port = free_port(), free_port()
        copied(certificates, folder, user)
        command = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--unixsocket", str(folder / "redis.sock"), "--unixsocketperm", "777"]
        command += ["--tls-port", str(tls_port), "--tls-auth-clients", "no"]
        command += ["--tls-cert-file", "chain.pem", "--tls-key-file", "key.pem"]
        command += ["--tls-ca-cert-file", "chain.pem"]
        with running(command, folder, user, signal.SIGTERM) as (process, output):
            ready(process, output, lambda: ping(folder / "redis.sock"))
            yield Database(folder, port, tls_port)


def ping(path: pathlib.Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(kit.LIMIT)
        client.connect(str(path))
        client.sendall(b"PING\r\n")
        return client.recv(100) == b"+PONG\r\n"
