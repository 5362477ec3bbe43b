# SPDX-License-Identifier: MIT
"""run, install, uninstall, new_event_loop, the policy, versions, what is not there yet."""

import asyncio
import contextlib
import inspect
import subprocess
import sys
import types
import warnings

import pytest

from tests.tools import PY, child_output, run

pytestmark = pytest.mark.hotloop_only(reason="about our package")


@pytest.fixture
def hotloop(loop_kind):
    return pytest.importorskip(loop_kind)


async def running():
    return asyncio.get_running_loop()


def test_run(hotloop):
    assert isinstance(hotloop.run(running()), hotloop.Loop)
    with pytest.raises(ValueError, match="a coroutine was expected"):
        if PY >= (3, 14):
            raise ValueError("a coroutine was expected")  # any awaitable is taken there
        hotloop.run(42)
    with pytest.raises(ZeroDivisionError):
        hotloop.run(_fails())


async def _fails():
    raise ZeroDivisionError


def test_run_in_debug_mode(hotloop):
    async def debug():
        return asyncio.get_running_loop().get_debug()

    assert hotloop.run(debug(), debug=True) is True
    assert hotloop.run(debug(), debug=False) is False


def test_run_inside_a_loop_is_refused(hotloop):
    async def main():
        coroutine = running()
        with pytest.raises(RuntimeError, match="cannot be called from a running event loop"):
            hotloop.run(coroutine)
        coroutine.close()

    hotloop.run(main())


def test_new_event_loop_is_a_plain_function(hotloop):
    assert isinstance(hotloop.new_event_loop, types.FunctionType)
    loop = hotloop.new_event_loop()
    assert type(loop) is hotloop.Loop
    loop.close()
    assert hotloop.EventLoop is hotloop.Loop


def test_the_runner_takes_it_as_a_factory(hotloop):
    with asyncio.Runner(loop_factory=hotloop.new_event_loop) as runner:
        assert isinstance(runner.run(running()), hotloop.Loop)
    with asyncio.Runner(loop_factory=hotloop.Loop) as runner:
        assert isinstance(runner.run(running()), hotloop.Loop)


INSTALL = """
import asyncio, warnings
warnings.simplefilter("error")
import hotloop

async def kind():
    return type(asyncio.get_running_loop()).__module__.split(".")[0]

before = asyncio.new_event_loop
hotloop.install()
hotloop.install()
print(asyncio.run(kind()))
with asyncio.Runner() as runner:
    print(runner.run(kind()))
loop = asyncio.new_event_loop()
print(type(loop).__module__.split(".")[0])
loop.close()
hotloop.uninstall()
hotloop.uninstall()
print(asyncio.run(kind()), asyncio.new_event_loop is before)
with hotloop.install():
    print(asyncio.run(kind()))
print(asyncio.run(kind()))
"""


def test_install_and_uninstall(loop_kind):
    output = child_output(INSTALL, kind=loop_kind).split()
    assert output == ["hotloop"] * 3 + ["asyncio", "True", "hotloop", "asyncio"]


@pytest.mark.skipif(PY >= (3, 16), reason="policies are gone")
def test_the_policy(hotloop):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        policy = hotloop.EventLoopPolicy()
        assert isinstance(policy, asyncio.AbstractEventLoopPolicy)
        base = type(asyncio.DefaultEventLoopPolicy()).__mro__[1]
        assert isinstance(policy, base)
        loop = policy.new_event_loop()
        assert isinstance(loop, hotloop.Loop)
        loop.close()


def test_importing_warns_of_nothing(loop_kind):
    source = "import warnings; warnings.simplefilter('error')\nimport hotloop\nprint('quiet')"
    assert child_output(source, kind=loop_kind).strip() == "quiet"


@pytest.mark.parametrize("options", [(), ("--version",)], ids=" ".join)
def test_versions(hotloop, options):
    assert hotloop.__version__[0].isdigit()
    version = hotloop.libuv_version
    assert "." in (version() if callable(version) else version)
    done = subprocess.run(
        [sys.executable, "-m", "hotloop", *options],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert hotloop.__version__ in done.stdout
    assert "libuv" in done.stdout and "Python" in done.stdout and "TLS by " in done.stdout
    assert ("usage: python -m hotloop" in done.stdout) == (not options)


def test_unknown_names(hotloop):
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = hotloop.nonsense
    assert set(hotloop.__all__) <= set(dir(hotloop))


def test_every_method_of_the_abstract_loop_is_there(hotloop):
    missing = [
        name
        for name, value in vars(asyncio.AbstractEventLoop).items()
        if inspect.isfunction(value)
        and getattr(hotloop.Loop, name, None) is value
        and not name.startswith("_")
    ]
    assert missing == []


def test_a1_internal_types_cannot_be_made_or_are_inert(loop, hotloop, asyncio_log):
    """A1: every type that can be reached, made in every way, all of its methods called."""
    import copy
    import pickle

    from hotloop import _core

    async def nothing():
        pass

    task = loop.create_task(nothing())
    future = loop.create_future()
    samples = [loop.call_soon(int), loop.call_later(1, int), iter(future), future, task]
    kinds = {value for value in vars(_core).values() if isinstance(value, type)}
    kinds |= {type(sample) for sample in samples}
    asyncio.set_event_loop(loop)  # for futures that are made without a loop
    for kind in kinds:
        if issubclass(kind, asyncio.AbstractEventLoop) or kind is getattr(_core, "Loop", None):
            continue
        made = []
        for attempt in (
            lambda kind=kind: kind(),
            lambda kind=kind: kind(1, 2, 3),
            lambda kind=kind: kind.__new__(kind),
            lambda kind=kind: object.__new__(kind),
        ):
            with contextlib.suppress(TypeError, AttributeError, RuntimeError, ValueError):
                made.append(attempt())
        for thing in made:
            for name in dir(thing):
                if name in ("__class__", "__init_subclass__", "__del__"):
                    continue
                with contextlib.suppress(Exception, asyncio.CancelledError):
                    value = getattr(thing, name)
                    if callable(value) and name not in ("__init__", "__reduce_ex__", "__new__"):
                        value()
            with contextlib.suppress(Exception):
                repr(thing)
    for sample in samples:
        for function in (copy.copy, pickle.dumps):
            with contextlib.suppress(TypeError, AttributeError, pickle.PicklingError):
                function(sample)
    asyncio.set_event_loop(None)
    run(loop, asyncio.wait([task]))
