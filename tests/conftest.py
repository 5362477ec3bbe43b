# SPDX-License-Identifier: MIT
"""Fixtures shared by every suite.

asyncio is the oracle: a test that takes `loop` (or `new_loop`) runs twice, once on asyncio's own
loop and once on hotloop, with the ids "asyncio" and "hotloop". HOTLOOP_TEST_LOOPS=asyncio picks
one of them. After every test the open descriptors must be those from before it, and nothing may
have been logged on asyncio's logger that the test did not ask for with `asyncio_log`.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import logging
import signal
import sys
import threading

import pytest

from tests.loops import LOOP_KINDS, close_loop, make_loop, open_descriptors

AUDITED = {"behaviour", "lifetimes", "tutorial", "ecosystem", "c"}


def pytest_configure(config):
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's background jobs ignore Ctrl-C, and so would the programs that tests start.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "hotloop_only(reason): a promise that asyncio does not make")
    with contextlib.suppress(ImportError):
        import hotloop

        # libuv opens its process-wide descriptors with the first loop and keeps them.
        hotloop.new_event_loop().close()


def pytest_collection_finish():
    """What the collection has made lives to the end: no test's gc.collect() need look at it.

    With the whole suite collected one gc.collect() took 0.1 s and more, and thousands are made.
    """
    gc.collect()
    gc.freeze()


def pytest_generate_tests(metafunc):
    if "loop_kind" not in metafunc.fixturenames:
        return
    kinds = LOOP_KINDS
    if any(mark.name == "hotloop_only" for mark in metafunc.definition.iter_markers()):
        kinds = [kind for kind in kinds if kind == "hotloop"]
    if metafunc.module.__name__.rpartition(".")[2].startswith("test_tls_"):
        # On hotloop twice: OpenSSL called directly, and all by way of the ssl module.
        runs = [(kind, kind) for kind in kinds]
        runs += [("hotloop", "ssl module")] if "hotloop" in kinds else []
        names = [driver.replace(" ", "_") for _, driver in runs]
        metafunc.parametrize(("loop_kind", "tls_driver"), runs, ids=names, indirect=["tls_driver"])
        return
    metafunc.parametrize("loop_kind", kinds, scope="function")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """An exit that a test raised on purpose and nobody caught fails the test, not the session."""
    try:
        return (yield)
    except (KeyboardInterrupt, SystemExit) as error:
        if error.args == ("leaving",):
            raise AssertionError(f"{type(error).__name__} came out of the wrong run") from error
        raise


@pytest.fixture(autouse=True)
def tls_driver(request, monkeypatch) -> str:
    """Who handles TLS records: "ssl module" forbids hotloop to call OpenSSL itself."""
    driver = getattr(request, "param", "")
    if driver == "ssl module":
        monkeypatch.setenv("HOTLOOP_TRICKS", "openssl")
    return driver


@pytest.fixture(autouse=True)
def _nothing_is_left(request):
    """T8: a test that leaves a descriptor or a thread has found a leak, ours or its own."""
    if request.path.parent.name not in AUDITED:
        yield
        return
    # pytest-timeout's signal cannot interrupt a loop that spins inside C; this can.
    seconds = request.config.getoption("timeout", None) or request.config.getini("timeout")
    faulthandler.dump_traceback_later(2 * float(seconds or 120), exit=True)
    threads = set(threading.enumerate())
    before = open_descriptors()
    yield
    faulthandler.cancel_dump_traceback_later()
    for thread in set(threading.enumerate()) - threads:
        if not thread.daemon:
            thread.join(10)
            assert not thread.is_alive(), f"left running: {thread}"
    after = open_descriptors()
    if after != before:
        gc.collect()
        after = open_descriptors()
    leaked = {fd: after[fd] for fd in after.keys() - before.keys()}
    closed = {fd: before[fd] for fd in before.keys() - after.keys()}
    assert not leaked, f"descriptors left open: {leaked}"
    assert not closed, f"descriptors closed that were not the test's: {closed}"


class _Records(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record):
        self.records.append(record)

    @property
    def messages(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture(autouse=True)
def _log_is_quiet(request):
    """Whatever asyncio's logger says is a failure, unless the test reads it (`asyncio_log`)."""
    handler = _Records()
    logger = logging.getLogger("asyncio")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    if request.path.parent.name in AUDITED and "asyncio_log" not in request.fixturenames:
        assert not handler.messages, f"logged: {handler.messages}"


@pytest.fixture
def asyncio_log(_log_is_quiet) -> _Records:
    """What asyncio's logger got during this test; `.messages` are the texts."""
    return _log_is_quiet


@pytest.fixture
def new_loop(loop_kind):
    """A factory of loops of the kind under test; what the test leaves open is closed."""
    made = []

    def factory():
        loop = make_loop(loop_kind)
        made.append(loop)
        return loop

    yield factory
    for loop in made:
        close_loop(loop)
    made.clear()
    gc.collect(0)


@pytest.fixture
def loop(new_loop):
    """One loop of the kind under test, not running and not set as the current one."""
    return new_loop()


@pytest.fixture
def reports(loop) -> list[dict]:
    """The contexts that reach the loop's exception handler."""
    contexts: list[dict] = []
    loop.set_exception_handler(lambda _, context: contexts.append(context))
    return contexts


@pytest.fixture(params=["tcp", "unix"])
def stream_kind(request) -> str:
    """Both kinds of stream socket, which are two kinds of handle in libuv."""
    return request.param


@pytest.fixture
def unraisable(monkeypatch) -> list:
    """What reached sys.unraisablehook."""
    seen: list = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append(args.exc_value))
    return seen
