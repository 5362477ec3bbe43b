# SPDX-License-Identifier: MIT
"""create_unix_server and create_unix_connection, their paths and their errors (N12)."""

import os
import pathlib
import socket

import pytest

from tests.loops import open_descriptors
from tests.tools import PY, Recorder, assert_usable, run, run_until, settle, steady


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a path of 108 bytes is easily too short for pytest's folders
    return "sock"


def served(loop, path, **options):
    made = []

    def factory():
        made.append(Recorder())
        return made[-1]

    server = run(loop, loop.create_unix_server(factory, path, **options))
    return server, made


def finish(loop, server):
    server.close()
    run(loop, server.wait_closed())
    settle(loop)


@pytest.mark.parametrize("kind", [str, pathlib.Path, os.fsencode])
def test_both_ends(loop, path, kind):
    server, made = served(loop, kind(path))
    transport, protocol = run(loop, loop.create_unix_connection(Recorder, kind(path)))
    transport.write(b"hello")
    run_until(loop, lambda: made and made[0].data == b"hello")
    made[0].transport.write(b"back")
    run_until(loop, lambda: protocol.data == b"back")
    assert transport.get_extra_info("peername") == path
    transport.close()
    run_until(loop, lambda: made[0].lost and protocol.lost)
    finish(loop, server)


def test_n12_an_abstract_name(loop):
    name = f"\0hotloop-test-{os.getpid()}"
    server, made = served(loop, name)
    transport, protocol = run(loop, loop.create_unix_connection(Recorder, name))
    run_until(loop, lambda: made)
    transport.abort()
    run_until(loop, lambda: protocol.lost and made[0].lost)
    finish(loop, server)


@pytest.mark.parametrize("call", ["create_unix_server", "create_unix_connection"])
def test_n12_a_path_that_is_too_long(loop, call, asyncio_log):
    before = steady(loop)
    with pytest.raises(OSError):
        run(loop, getattr(loop, call)(Recorder, "x" * 500))
    assert open_descriptors() == before
    assert_usable(loop)


def test_nobody_listens(loop, path):
    with pytest.raises(FileNotFoundError):
        run(loop, loop.create_unix_connection(Recorder, path))
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    with pytest.raises(ConnectionRefusedError):
        run(loop, loop.create_unix_connection(Recorder, path))


def test_a_stale_socket_file_is_replaced(loop, path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    server, _ = served(loop, path)
    finish(loop, server)


def test_a_regular_file_is_not(loop, path):
    pathlib.Path(path).write_text("precious")
    with pytest.raises(OSError, match="is already in use"):
        served(loop, path)
    assert pathlib.Path(path).read_text() == "precious"


def test_a_directory_that_does_not_exist(loop):
    with pytest.raises(FileNotFoundError):
        served(loop, "missing/sock")


@pytest.mark.skipif(PY < (3, 13), reason="from 3.13 on")
def test_n12_the_file_is_removed_with_the_server_and_only_our_own(loop, path):
    server, _ = served(loop, path)
    finish(loop, server)
    assert not os.path.exists(path)
    server, _ = served(loop, path)
    os.unlink(path)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        finish(loop, server)
        assert os.path.exists(path)
    os.unlink(path)
    server, _ = served(loop, path, cleanup_socket=False)
    finish(loop, server)
    assert os.path.exists(path)


@pytest.mark.skipif(PY >= (3, 13), reason="from 3.13 on it is removed")
def test_the_file_stays(loop, path):
    server, _ = served(loop, path)
    finish(loop, server)
    assert os.path.exists(path)


def test_n12_the_file_is_removed_while_serving(loop, path):
    server, made = served(loop, path)
    transport, protocol = run(loop, loop.create_unix_connection(Recorder, path))
    os.unlink(path)
    transport.write(b"x")
    run_until(loop, lambda: made and made[0].data == b"x")
    transport.abort()
    run_until(loop, lambda: protocol.lost and made[0].lost)
    finish(loop, server)


def test_a_socket_of_ours(loop, path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    server = run(loop, loop.create_unix_server(Recorder, sock=sock))
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    client.close()
    settle(loop)
    finish(loop, server)
    sock.close()


@pytest.mark.parametrize("call", ["create_unix_server", "create_unix_connection"])
def test_neither_path_nor_sock_or_both(loop, path, call):
    with pytest.raises(ValueError, match=r"path was not specified|no path and sock were specified"):
        run(loop, getattr(loop, call)(Recorder))
    with socket.socket(socket.AF_UNIX) as sock:
        with pytest.raises(ValueError, match="path and sock can not be specified at the same time"):
            run(loop, getattr(loop, call)(Recorder, path, sock=sock))


@pytest.mark.parametrize("call", ["create_unix_server", "create_unix_connection"])
def test_a_socket_of_another_family(loop, call):
    with socket.socket() as sock, pytest.raises(ValueError, match="A UNIX Domain Stream"):
        run(loop, getattr(loop, call)(Recorder, sock=sock))


def test_n12_descriptors_sent_to_us_are_not_kept(loop):
    before = steady(loop)
    near, far = socket.socketpair()
    near.setblocking(False)
    transport, protocol = run(loop, loop.create_unix_connection(Recorder, sock=near))
    with far:
        socket.send_fds(far, [b"data"], [0, 1])
        run_until(loop, lambda: protocol.data == b"data")
    transport.abort()
    run_until(loop, lambda: protocol.lost)
    settle(loop)
    assert open_descriptors() == before
