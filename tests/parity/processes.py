# SPDX-License-Identifier: MIT
"""Subprocesses, signals, errors."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import threading

from .rows import Log, Trial, raises, row, until
from .scheduling import place

PIPE = subprocess.PIPE


async def output(*command: object, **options) -> bytes:
    """What a program says; it must end well."""
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=PIPE, **options)
    said, _ = await process.communicate()
    assert process.returncode == 0, f"exit {process.returncode}"
    return said


async def python(source: str, **options) -> str:
    """What a Python program says, that starts fast."""
    return (await output(sys.executable, "-S", "-E", "-c", source, **options)).decode().strip()


def watched(t: Trial) -> None:
    """Before 3.12 the default watcher wants a loop that is set; all loops are treated alike."""
    if sys.version_info < (3, 14):
        asyncio.set_event_loop(t.loop)


@row("subprocess_exec, subprocess_shell")
def _(t: Trial) -> None:
    watched(t)

    async def basics():
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        assert await process.communicate(b"hello") == (b"hello", None)
        shell = await asyncio.create_subprocess_shell("echo $((6 * 7)); exit 3", stdout=PIPE)
        assert await shell.communicate() == (b"42\n", None) and shell.returncode == 3
        with raises(FileNotFoundError):
            await asyncio.create_subprocess_exec(str(t.folder / "nothing"))

    async def path_like():
        await output("true", cwd=t.folder)
        with raises(FileNotFoundError):
            await asyncio.create_subprocess_exec(t.folder / "nothing")

    async def by_path():
        assert await output("sh", "-c", "echo hello >/dev/stdout") == b"hello\n"

    async def environment():
        assert await output("env", env={"A": "b"}) == b"A=b\n"

    t.run(basics())
    with t.part("the program cannot be a pathlib.Path"):
        t.run(path_like())
    with t.part("the pipes are sockets: a child cannot open its own output by its path"):
        t.run(by_path())
    with t.part("env= is added to the environment"):
        t.run(environment())


@row("... two loops in two threads at once")
def _(t: Trial) -> None:
    errors = []
    watched(t)

    def other():
        loop = t.new_loop()
        try:
            work = asyncio.wait_for(several(), 8)
            loop.run_until_complete(work)
        except BaseException as error:
            errors.append(error)

    async def several():
        for _ in range(8):
            await output("true")

    if sys.version_info < (3, 12) and t.kind == "asyncio":
        with asyncio.get_child_watcher():
            pass
    threads = [threading.Thread(target=other) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, f"{type(errors[0]).__name__}: {errors[0]}"


@row("... cwd, env, start_new_session, pass_fds")
def _(t: Trial) -> None:
    watched(t)
    read_end, write_end = os.pipe()

    async def main():
        assert await output("pwd", cwd=t.folder) == f"{t.folder}\n".encode()
        assert await output("sh", "-c", "echo $A", env={"A": "b", "PATH": os.defpath}) == b"b\n"
        own = await python("import os; print(os.getsid(0) == os.getpid())", start_new_session=True)
        assert own == "True"
        await python(f"import os; os.write({write_end}, b'x')", pass_fds=[write_end])
        assert os.read(read_end, 1) == b"x"

    t.run(main())


@row("... close_fds")
def _(t: Trial) -> None:
    watched(t)
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)

    async def main():
        await python(f"import os; os.write({write_end}, b'x')", close_fds=False)
        assert os.read(read_end, 1) == b"x"
        closed = f"import os\ntry: os.fstat({write_end}); print('open')\nexcept OSError: pass"
        assert await python(closed, close_fds=True) == "", "what is inheritable stays open"

    t.run(main())


@row("... executable")
def _(t: Trial) -> None:
    watched(t)

    async def main():
        said = await output("a name", "-c", "echo $0", "x", executable="/bin/sh")
        assert said == b"x\n"
        shown = await output("a name", "-c", "tr '\\0' '|' </proc/$$/cmdline", executable="/bin/sh")
        with t.part("argv[0] is lost"):
            assert shown.startswith(b"a name|")

    t.run(main())


@row("... restore_signals")
def _(t: Trial) -> None:
    watched(t)

    async def ignored(restore):
        shown = await output("sh", "-c", "grep SigIgn /proc/$$/status", restore_signals=restore)
        return int(shown.split()[1], 16)

    async def main():
        pipe = 1 << signal.SIGPIPE - 1
        assert not await ignored(True) & pipe
        with t.part("False has no effect"):
            assert await ignored(False) & pipe

    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    t.run(main())


@row("... preexec_fn")
def _(t: Trial) -> None:
    watched(t)

    async def main():
        shown = await python("import os; print(os.nice(0))", preexec_fn=lambda: os.nice(3))
        assert int(shown) >= os.nice(0) + 3
        with raises(subprocess.SubprocessError):
            await output("true", preexec_fn=lambda: 1 / 0)

    t.run(main())


@row("... user, group, extra_groups, umask", (3, 9))
def _(t: Trial) -> None:
    watched(t)

    async def main():
        assert await python("import os; print(os.umask(0))", umask=0o77) == str(0o77)
        options = {"user": os.getuid(), "group": os.getgid()}
        if os.getuid() == 0:
            options = {"user": 12345, "group": 12346, "extra_groups": [12347]}
        shown = await output("sh", "-c", "id -u; id -g", **options)
        assert shown == f"{options['user']}\n{options['group']}\n".encode()

    t.run(main())


@row("... pipesize, process_group", (3, 11))
def _(t: Trial) -> None:
    watched(t)

    async def main():
        own = "import os; print(os.getpgid(0) == os.getpid())"
        assert await python(own, process_group=0) == "True"
        size = "import fcntl; print(fcntl.fcntl(1, fcntl.F_GETPIPE_SZ))"
        assert await python(size, pipesize=8192) == "8192"

    t.run(main())


@row("... text, encoding, errors, universal_newlines are refused")
def _(t: Trial) -> None:
    watched(t)

    async def main():
        for option in ({"text": True}, {"encoding": "utf-8"}, {"universal_newlines": True}):
            with raises(ValueError):
                await asyncio.create_subprocess_exec("true", **option)

    t.run(main())


class Process(asyncio.SubprocessProtocol):
    """Notes the calls."""

    def __init__(self) -> None:
        self.calls: list = []
        self.data = b""

    def pipe_data_received(self, fd, data):
        self.data += data

    def pipe_connection_lost(self, fd, exc):
        self.calls.append(("pipe lost", fd))

    def process_exited(self):
        self.calls.append("exited")

    def connection_lost(self, exc):
        self.calls.append("lost")


@row("SubprocessTransport: pid, returncode, pipes, signals, close")
def _(t: Trial) -> None:
    watched(t)

    async def main():
        transport, protocol = await t.loop.subprocess_exec(Process, "cat", stderr=None)
        assert transport.get_pid() > 0 and transport.get_returncode() is None
        transport.get_pipe_transport(0).write(b"hello")
        await until(lambda: protocol.data == b"hello")
        assert transport.get_pipe_transport(2) is None
        assert transport.get_protocol() is protocol and not transport.is_closing()
        transport.send_signal(signal.SIGTERM)
        await until(lambda: "lost" in protocol.calls)
        assert transport.get_returncode() == -signal.SIGTERM
        assert protocol.calls[-1] == "lost" and "exited" in protocol.calls
        with t.part("kill() after the end does not raise ProcessLookupError"):
            with raises(ProcessLookupError):
                transport.kill()
        transport.close()
        with t.part("no instance of asyncio.SubprocessTransport"):
            assert isinstance(transport, asyncio.SubprocessTransport)

    t.run(main())


@row("... get_extra_info('pipe')")
def _(t: Trial) -> None:
    watched(t)

    async def main():
        transport, protocol = await t.loop.subprocess_exec(Process, "cat", stderr=None)
        pipe = transport.get_pipe_transport(1).get_extra_info("pipe")
        assert pipe is not None, "None"
        assert pipe.fileno() > 2
        transport.get_pipe_transport(0).close()
        await until(lambda: "lost" in protocol.calls)
        assert transport.get_extra_info("subprocess") is not None

    t.run(main())


@row("child watchers, get_child_watcher, set_child_watcher", (3, 4), (3, 13))
def _(t: Trial) -> None:
    asyncio.set_event_loop(t.loop)
    watcher = asyncio.ThreadedChildWatcher()
    asyncio.set_child_watcher(watcher)
    assert asyncio.get_child_watcher() is watcher

    async def main():
        assert await output("echo", "hello") == b"hello\n"

    t.run(main())


@row("add_signal_handler")
def _(t: Trial) -> None:
    seen = []
    t.loop.add_signal_handler(signal.SIGUSR1, seen.append, 1)
    t.loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
    t.loop.call_later(0.01, t.loop.stop)
    t.loop.run_forever()
    assert seen == [1]
    with raises(ValueError):
        t.loop.add_signal_handler(100, int)
    with raises(TypeError):
        t.loop.add_signal_handler("x", int)
    with raises(RuntimeError):
        t.loop.add_signal_handler(signal.SIGKILL, int)
    with t.part("SIGCHLD is refused"):
        t.loop.add_signal_handler(signal.SIGCHLD, int)
        t.loop.remove_signal_handler(signal.SIGCHLD)


@row("remove_signal_handler")
def _(t: Trial) -> None:
    assert t.loop.remove_signal_handler(signal.SIGUSR1) is False
    t.loop.add_signal_handler(signal.SIGUSR1, int)
    with t.part("it returns no True"):
        assert t.loop.remove_signal_handler(signal.SIGUSR1) is True
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    with t.part("that of SIGINT is not put back"):
        t.loop.add_signal_handler(signal.SIGINT, int)
        assert t.loop.remove_signal_handler(signal.SIGINT) is True
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@row("set_exception_handler, get_exception_handler", (3, 5, 2))
def _(t: Trial) -> None:
    calls = []

    def handler(loop, context):
        calls.append((loop, type(context["exception"]), context["message"][:21]))

    assert t.loop.get_exception_handler() is None
    t.loop.set_exception_handler(handler)
    assert t.loop.get_exception_handler() is handler
    t.loop.call_soon(lambda: 1 // 0)
    t.turns()
    assert calls == [(t.loop, ZeroDivisionError, "Exception in callback")]
    with t.part("what is no function is taken"):
        with raises(TypeError, "A callable object or None is expected, got 1"):
            t.loop.set_exception_handler(1)


@row("default_exception_handler")
def _(t: Trial) -> None:
    log = Log()
    t.loop.default_exception_handler({"message": "hello", "more": 42})
    assert log.texts == ["hello\nmore: 42"], log.texts


@row("an exception handler runs in the context of the task or handle", (3, 12))
def _(t: Trial) -> None:
    seen = []
    t.loop.set_exception_handler(lambda *_: seen.append(place.get()))
    there = contextvars.copy_context()
    there.run(place.set, "there")
    t.loop.call_soon(lambda: 1 // 0, context=there)
    t.turns()
    assert seen == ["there"], "it does not"
