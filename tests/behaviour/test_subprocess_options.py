# SPDX-License-Identifier: MIT
"""subprocess_exec and subprocess_shell take every option of subprocess.Popen."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys

import pytest

from tests.c.build import preloaded
from tests.c.marks import PRELOADS
from tests.tools import child, child_output, run, settle

PIPE, DEVNULL, STDOUT = subprocess.PIPE, subprocess.DEVNULL, subprocess.STDOUT
NOBODY = 65534
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")


def output(loop, script, *arguments, stdin=b"", **options):
    """What a shell script writes to its standard output."""

    async def main():
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", script, "sh", *arguments, stdin=PIPE, stdout=PIPE, **options
        )
        out, _ = await process.communicate(stdin)
        assert process.returncode == 0, process.returncode
        return out.decode().rstrip("\n")

    return run(loop, main())


NO_FORK = """
import asyncio, ctypes, errno, os
faults = ctypes.CDLL(None)
loop = make_loop()
near, far = os.pipe()
options = {
    "none": {},
    "cwd": {"cwd": "/"},
    "env": {"env": {"A": "b"}},
    "close_fds": {"close_fds": False},
    "pass_fds": {"pass_fds": [far]},
    "restore_signals": {"restore_signals": False},
    "start_new_session": {"start_new_session": True},
    "process_group": {"process_group": 0},
    "umask": {"umask": 0o022},
    "pipesize": {"pipesize": 16384},
    "executable": {"executable": "/bin/true"},
    "preexec_fn": {"preexec_fn": int},
}

async def start(**options):
    process = await asyncio.create_subprocess_exec("true", stdin=-1, stdout=-1, **options)
    await process.communicate()
    return process.returncode

async def main():
    faults.fault_arm(b"fork", 1, errno.EAGAIN)
    faults.fault_go_on()
    for name, option in options.items():
        try:
            print(name, await asyncio.wait_for(start(**option), 20))
        except BlockingIOError:
            print(name, "is a fork")
    process = await asyncio.create_subprocess_shell("exit 3")
    print("shell", await process.wait())
    faults.fault_disarm()

loop.run_until_complete(main())
loop.close()
"""


@PRELOADS
def test_children_start_by_vfork(loop_kind):
    """Every call of fork() fails, and only what cannot do without it is refused."""
    lines = child_output(NO_FORK, kind=loop_kind, env=preloaded("faults.c")).splitlines()
    *started, last, shell = lines
    assert len(started) == 11 and all(line.endswith(" 0") for line in started), lines
    assert [last, shell] == ["preexec_fn is a fork", "shell 3"]


def test_arguments_and_the_shell(loop):
    assert output(loop, 'echo "$1|$2|$#"', "a b", "") == "a b||2"

    async def main():
        process = await asyncio.create_subprocess_shell(b"echo $((6 * 7)) | cat", stdout=PIPE)
        return await process.communicate()

    assert run(loop, main()) == (b"42\n", None)


def test_cwd_and_env(loop, tmp_path):
    assert output(loop, "pwd -P", cwd=tmp_path) == os.path.realpath(tmp_path)
    assert output(loop, 'echo "$ONLY,$HOME"', env={"ONLY": "this"}) == "this,"
    assert output(loop, 'echo "$ONLY"', env=os.environ | {"ONLY": "mapping"}) == "mapping"


def test_executable_leaves_argv_alone(loop):
    async def main():
        process = await asyncio.create_subprocess_exec(
            "another name", "-c", 'echo "$0"', executable="/bin/sh", stdout=PIPE
        )
        return (await process.communicate())[0]

    assert run(loop, main()) == b"another name\n"


def test_pass_fds_and_no_others(loop):
    near, far = os.pipe()
    other = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(other, True)
    listing = 'for fd in /proc/self/fd/*; do echo "${fd##*/}"; done'
    fds = {int(name) for name in output(loop, listing, pass_fds=[far]).split()}
    assert far in fds and near not in fds and other not in fds
    assert output(loop, f"echo through >/dev/fd/{far}", pass_fds=(far,)) == ""
    assert os.read(near, 100) == b"through\n"
    for fd in (near, far, other):
        os.close(fd)


def test_close_fds_false_gives_what_is_inheritable(loop):
    """And none of the loop's own: it has no descriptor that survives exec."""
    wanted = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(wanted, True)
    listing = "ls -l /proc/self/fd"
    shown = output(loop, listing, close_fds=False)
    os.close(wanted)
    assert f" {wanted} -> " in shown
    for name in ("eventpoll", "eventfd", "timerfd", "pidfd"):
        assert name not in shown, shown


def test_sessions_and_groups(loop):
    ours = {str(os.getsid(0)), str(os.getpgid(0))}
    assert set(output(loop, "cut -d' ' -f5,6 /proc/$$/stat").split()) <= ours
    found = output(loop, "echo $$; cut -d' ' -f5,6 /proc/$$/stat", start_new_session=True)
    pid, group, session = found.split()
    assert pid == group == session
    found = output(loop, "echo $$; cut -d' ' -f5,6 /proc/$$/stat", process_group=0)
    pid, group, session = found.split()
    assert pid == group and session == str(os.getsid(0))


@root_only
def test_user_group_and_extra_groups(loop):
    options = {"user": NOBODY, "group": NOBODY, "extra_groups": [1, 2]}
    assert output(loop, "id -u; id -g; id -G", **options).split("\n") == [
        str(NOBODY),
        str(NOBODY),
        f"{NOBODY} 1 2",
    ]


def test_umask(loop):
    assert output(loop, "umask", umask=0o027) in ("0027", "027")


def test_preexec_fn_and_its_errors(loop):
    near, far = os.pipe()
    output(loop, "true", preexec_fn=lambda: os.write(far, b"ran") and None)
    assert os.read(near, 10) == b"ran"
    os.close(near)
    os.close(far)

    def fails():
        raise LookupError

    async def main():
        with pytest.raises(subprocess.SubprocessError, match="preexec_fn"):
            await asyncio.create_subprocess_exec("true", preexec_fn=fails)

    run(loop, main())


@pytest.mark.parametrize("restore", [True, False])
def test_restore_signals(loop, restore):
    """Python ignores SIGPIPE; a child that does so too writes for ever."""
    ignored = output(loop, "grep SigIgn /proc/$$/status", restore_signals=restore)
    bit = 1 << (signal.SIGPIPE - 1)
    assert bool(int(ignored.split()[1], 16) & bit) is not restore


def test_pipesize(loop):
    async def main():
        process = await asyncio.create_subprocess_exec(
            "cat", stdin=PIPE, stdout=PIPE, pipesize=16384
        )
        sizes = [
            fcntl.fcntl(stream._transport.get_extra_info("pipe").fileno(), fcntl.F_GETPIPE_SZ)
            for stream in (process.stdin, process.stdout)
        ]
        await process.communicate(b"x")
        return sizes

    assert run(loop, main()) == [16384, 16384]


def test_streams_of_every_kind(loop, tmp_path):
    async def main():
        path = tmp_path / "out"
        with open(path, "wb") as file:
            both = "echo out; echo err >&2"
            process = await asyncio.create_subprocess_shell(
                both, stdin=DEVNULL, stdout=file, stderr=STDOUT
            )
            assert process.stdin is process.stdout is process.stderr is None
            assert await process.wait() == 0
        assert path.read_bytes() == b"out\nerr\n"

        with open(path, "rb") as file:
            process = await asyncio.create_subprocess_exec(
                "cat", stdin=file, stdout=PIPE, stderr=PIPE
            )
            assert await process.communicate() == (b"out\nerr\n", b"")

        near, far = os.pipe()
        process = await asyncio.create_subprocess_shell("echo fd", stdout=far, stderr=DEVNULL)
        assert await process.wait() == 0
        os.close(far)
        assert os.read(near, 10) == b"fd\n"
        os.close(near)

        process = await asyncio.create_subprocess_shell(both, stdout=PIPE, stderr=STDOUT)
        assert await process.communicate() == (b"out\nerr\n", None)
        process = await asyncio.create_subprocess_shell(both, stdout=DEVNULL, stderr=PIPE)
        assert await process.communicate() == (None, b"err\n")

    run(loop, main())


def test_pipes_are_pipes(loop):
    """uvloop#505, #532: a socket cannot be opened again by its path."""
    script = "cat /dev/stdin >/dev/stdout; echo err >/dev/stderr; test -p /dev/stdin"

    async def main():
        process = await asyncio.create_subprocess_shell(
            script, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        for number, stream in enumerate(("stdin", "stdout", "stderr")):
            pipe = process._transport.get_pipe_transport(number).get_extra_info("pipe")
            assert os.readlink(f"/proc/self/fd/{pipe.fileno()}").startswith("pipe:"), stream
        return await process.communicate(b"by path\n"), process.returncode

    assert run(loop, main()) == ((b"by path\n", b"err\n"), 0)


REFUSED = [
    ({"universal_newlines": True}, "universal_newlines must be False"),
    ({"bufsize": 4096}, "bufsize must be 0"),
    ({"text": True}, "text must be False"),
    ({"encoding": "utf-8"}, "encoding must be None"),
    ({"errors": "strict"}, "errors must be None"),
]


@pytest.mark.parametrize(("options", "words"), REFUSED)
def test_options_that_decode_text_are_refused(loop, options, words):
    for make in (asyncio.create_subprocess_exec, asyncio.create_subprocess_shell):

        async def main(make=make):
            await make("true", **options)

        with pytest.raises(ValueError) as caught:
            run(loop, main())
        assert str(caught.value) == words


def test_calls_that_cannot_be_right(loop):
    factory = asyncio.SubprocessProtocol
    for call, words in (
        (lambda: loop.subprocess_exec(factory, "true", shell=True), "shell must be False"),
        (lambda: loop.subprocess_shell(factory, "true", shell=False), "shell must be True"),
        (lambda: loop.subprocess_shell(factory, ["true"]), "cmd must be a string"),
        (lambda: loop.subprocess_shell(factory, 3), "cmd must be a string"),
    ):
        with pytest.raises(ValueError) as caught:
            run(loop, call())
        assert str(caught.value) == words
    for call in (
        lambda: loop.subprocess_exec(factory, 3),
        lambda: loop.subprocess_exec(factory, "true", object()),
        lambda: loop.subprocess_exec(factory, "true", no_such_option=1),
        lambda: loop.subprocess_exec(factory, "true", process_group="x"),
    ):
        with pytest.raises(TypeError):
            run(loop, call())
    with pytest.raises(ValueError, match="null byte"):
        run(loop, loop.subprocess_exec(factory, "tr\0ue"))
    settle(loop)


def test_a32_programs_that_are_not_there(loop, tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("no program")

    async def main():
        with pytest.raises(FileNotFoundError) as caught:
            await asyncio.create_subprocess_exec("/no/such/program", stdin=PIPE, stdout=PIPE)
        assert caught.value.filename == "/no/such/program"
        with pytest.raises(PermissionError):
            await asyncio.create_subprocess_exec(str(plain), stdout=PIPE, stderr=PIPE)
        with pytest.raises(FileNotFoundError) as caught:
            await asyncio.create_subprocess_exec("true", cwd=tmp_path / "nowhere")
        assert str(caught.value.filename) == str(tmp_path / "nowhere")

    run(loop, main())


def test_a32_our_own_standard_streams_are_closed(loop_kind):
    """The pipes then get the numbers 0 to 2, which the child's streams want."""
    program = """
        import asyncio, os, sys
        for fd in (0, 1, 2):
            os.close(fd)
        loop = make_loop()
        async def main():
            p = await asyncio.create_subprocess_exec(
                "cat", stdin=-1, stdout=-1, stderr=-1)
            out, err = await asyncio.wait_for(p.communicate(b"through"), 20)
            return (out, err, p.returncode) == (b"through", b"", 0)
        os._exit(7 if loop.run_until_complete(main()) else 1)
    """
    assert child(program, kind=loop_kind).returncode == 7


def test_debug_mode_says_what_runs_but_not_its_arguments(loop, asyncio_log, caplog):
    loop.set_debug(True)
    loop.slow_callback_duration = 60

    async def main():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "secret = 1", stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
        )
        await process.communicate()

    with caplog.at_level("DEBUG", logger="asyncio"):
        run(loop, main())
    words = f"execute program {sys.executable!r}"
    assert f"{words} stdin={DEVNULL} stdout=stderr=<pipe>" in caplog.messages
    assert any(text.startswith(f"{words}: <") for text in caplog.messages)
    assert "secret" not in caplog.text
