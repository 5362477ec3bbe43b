# SPDX-License-Identifier: MIT
"""Methods of Loop: subprocesses.

The child is started by `subprocess.Popen`: every option of it works, and its vfork stops the
loop no longer than the kernel needs for exec. Around it is the stdlib's own transport, so that
`isinstance` holds and each Python version keeps its order of callbacks. Pipes are real pipes,
moved by `src/io/ospipe_read.c` and `ospipe_write.c`.

That a child has ended is told by its pidfd, one more descriptor that the loop watches: no
signal, no thread, no polling, on any thread and in any number of loops. Where the kernel has
none (or denies it), see `_children.py`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from asyncio.base_subprocess import BaseSubprocessTransport
from asyncio.log import logger
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from . import _children, _compat, _core

if TYPE_CHECKING:
    from .loop import Loop

P = TypeVar("P", bound=asyncio.SubprocessProtocol)


async def subprocess_exec(
    self: Loop,
    protocol_factory: Callable[[], P],
    program: Any,
    *args: Any,
    stdin: Any = subprocess.PIPE,
    stdout: Any = subprocess.PIPE,
    stderr: Any = subprocess.PIPE,
    universal_newlines: bool = False,
    shell: bool = False,
    bufsize: int = 0,
    encoding: str | None = None,
    errors: str | None = None,
    text: bool | None = None,
    **kwargs: Any,
) -> tuple[asyncio.SubprocessTransport, P]:
    """Run `program` with `args` and return (transport, protocol).

    `stdin`, `stdout` and `stderr` are PIPE, DEVNULL, a descriptor, a file, or None (our own);
    `stderr` also STDOUT. All other keywords go to `subprocess.Popen`, and its errors come out.
    Raises ValueError for the options of Popen that decode text: a protocol gets bytes.
    """
    _check_options(universal_newlines, bufsize, text, encoding, errors)
    if shell:
        raise ValueError("shell must be False")
    streams = (stdin, stdout, stderr)
    what = f"execute program {program!r}"
    return await _spawn(self, protocol_factory, what, (program, *args), False, streams, kwargs)


async def subprocess_shell(
    self: Loop,
    protocol_factory: Callable[[], P],
    cmd: str | bytes,
    *,
    stdin: Any = subprocess.PIPE,
    stdout: Any = subprocess.PIPE,
    stderr: Any = subprocess.PIPE,
    universal_newlines: bool = False,
    shell: bool = True,
    bufsize: int = 0,
    encoding: str | None = None,
    errors: str | None = None,
    text: bool | None = None,
    **kwargs: Any,
) -> tuple[asyncio.SubprocessTransport, P]:
    """Run the command line `cmd` in a shell; the rest is as in `subprocess_exec`."""
    if not isinstance(cmd, (bytes, str)):
        raise ValueError("cmd must be a string")
    _check_options(universal_newlines, bufsize, text, encoding, errors)
    if not shell:
        raise ValueError("shell must be True")
    streams = (stdin, stdout, stderr)
    what = f"run shell command {cmd!r}"
    return await _spawn(self, protocol_factory, what, cmd, True, streams, kwargs)


def _check_options(
    universal_newlines: bool, bufsize: int, text: Any, encoding: Any, errors: Any
) -> None:
    if universal_newlines:
        raise ValueError("universal_newlines must be False")
    if bufsize != 0:
        raise ValueError("bufsize must be 0")
    if text:
        raise ValueError("text must be False")
    if encoding is not None:
        raise ValueError("encoding must be None")
    if errors is not None:
        raise ValueError("errors must be None")


async def _spawn(
    loop: Loop,
    protocol_factory: Callable[[], P],
    what: str,
    args: Any,
    shell: bool,
    streams: tuple[Any, Any, Any],
    kwargs: dict[str, Any],
) -> tuple[asyncio.SubprocessTransport, P]:
    protocol = protocol_factory()
    debug = loop.get_debug()
    if debug:
        logger.debug(_describe(what, *streams))
    transport = await loop._make_subprocess_transport(protocol, args, shell, *streams, 0, **kwargs)
    if debug:
        logger.info("%s: %r", what, transport)
    return transport, protocol


def _describe(what: str, stdin: Any, stdout: Any, stderr: Any) -> str:
    """Return what debug mode logs of a child: the arguments of a program may be secret."""
    names = {subprocess.PIPE: "<pipe>", subprocess.STDOUT: "<stdout>"}

    def show(stream: Any) -> str:
        return names.get(stream) or repr(stream) if isinstance(stream, int) else repr(stream)

    words = [what]
    if stdin is not None:
        words.append(f"stdin={show(stdin)}")
    if stdout is not None and stderr == subprocess.STDOUT:
        words.append(f"stdout=stderr={show(stdout)}")
    else:
        if stdout is not None:
            words.append(f"stdout={show(stdout)}")
        if stderr is not None:
            words.append(f"stderr={show(stderr)}")
    return " ".join(words)


async def make_subprocess_transport(
    self: Loop,
    protocol: asyncio.SubprocessProtocol,
    args: Any,
    shell: bool,
    stdin: Any,
    stdout: Any,
    stderr: Any,
    bufsize: int,
    extra: dict[str, Any] | None = None,
    **kwargs: Any,
) -> asyncio.SubprocessTransport:
    """Start a child; return when its pipes are connected. asyncio's private method."""
    if _compat.chosen_child_watcher() is not None:
        # Somebody wants children to be reaped in his way (up to 3.13): asyncio's own code
        # asks his watcher as it always has.
        theirs: asyncio.SubprocessTransport = await _compat.make_subprocess_with_watcher(
            self, protocol, args, shell, stdin, stdout, stderr, bufsize, extra, **kwargs
        )
        return theirs
    waiter = self.create_future()
    transport = SubprocessTransport(
        self,
        protocol,
        args,
        shell,
        stdin,
        stdout,
        stderr,
        bufsize,
        waiter=waiter,
        extra=extra,
        **kwargs,
    )
    transport._watch_exit()
    try:
        await waiter
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException:
        transport.close()
        await asyncio.shield(transport._wait())
        raise
    if kwargs.get("pipesize", -1) == -1:  # nobody has chosen how much a pipe holds
        transport._let_pipes_grow()
    return transport


def child_watcher_callback(
    self: Loop, pid: int, returncode: int, transport: BaseSubprocessTransport
) -> None:
    """Take what a child watcher tells, from whatever thread it does. asyncio's private method."""
    self.call_soon_threadsafe(transport._process_exited, returncode)


class _PidFd:
    """Owns a pidfd: closed by `close()`, or with the last reference."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd

    def close(self, _close: Callable[[int], None] = os.close) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            _close(fd)

    __del__ = close


class SubprocessTransport(BaseSubprocessTransport):
    """A child process. `get_extra_info("subprocess")` is its `subprocess.Popen`."""

    _loop: Any
    _proc: Any
    _pipes: dict[int, Any]
    _pid: int
    _returncode: int | None
    _pidfd: _PidFd | None = None
    """The child for the kernel, until it has been reaped."""

    def _start(
        self,
        args: Any,
        shell: bool,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        **kwargs: Any,
    ) -> None:
        self._proc = subprocess.Popen(
            args,
            shell=shell,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            universal_newlines=False,
            bufsize=bufsize,
            **kwargs,
        )

    def _watch_exit(self) -> None:
        """Have `_reap` called in the loop when the child has ended."""
        try:
            self._pidfd = _PidFd(os.pidfd_open(self._pid))
        except ProcessLookupError:  # somebody was faster
            self._loop.call_soon(self._reap)
        except (AttributeError, OSError):  # no such call, or no descriptor to spare
            _children.watch(self._loop, self._pid, self._reap)
        else:
            self._loop._add_reader(self._pidfd, self._reap)

    def _let_pipes_grow(self) -> None:
        """Let pipes that are found full in the middle of a stream hold more."""
        for pipe_protocol in self._pipes.values():
            pipe = None if pipe_protocol is None else pipe_protocol.pipe
            if isinstance(pipe, (_core.ReadPipeTransport, _core.WritePipeTransport)):
                pipe._may_grow = True

    def _reap(self) -> None:
        """Take the exit status: at once with setting `_returncode`, so that no signal that is
        meant for the child can reach a later process of the same number."""
        pidfd, self._pidfd = self._pidfd, None
        if pidfd is not None:
            self._loop._remove_reader(pidfd)
            pidfd.close()
        self._process_exited(self._take_status())

    def _take_status(self) -> int:
        try:
            _, status = os.waitpid(self._pid, 0)
        except ChildProcessError:
            # Popen.poll() was called, by close() for one. Or by somebody else, or SIGCHLD is
            # ignored in this process: then nobody knows.
            if self._proc.returncode is not None:
                return int(self._proc.returncode)
            logger.warning(
                "child process pid %d exit status already read:  will report returncode 255",
                self._pid,
            )
            return 255
        try:
            return os.waitstatus_to_exitcode(status)
        except ValueError:
            return status

    def close(self) -> None:
        """Close the pipes, kill the child if it runs. The exit is told as ever."""
        super().close()
        if self._loop is not None and self._loop.is_closed():
            # Then nothing is told any more; what is left are descriptors.
            for pipe_protocol in self._pipes.values():
                if pipe_protocol is not None:
                    pipe_protocol.pipe.close()
            self._pidfd = None

    def send_signal(self, signum: int) -> None:
        """Send a signal to the child, and only to it: nothing happens when it has ended.

        Raises ProcessLookupError when `connection_lost()` has been called.
        """
        self._check_proc()
        if self._returncode is not None:
            return
        try:
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd.fileno(), signum)
            else:
                os.kill(self._pid, signum)
        except ProcessLookupError:
            pass

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)
