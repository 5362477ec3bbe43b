# SPDX-License-Identifier: MIT
"""Source tracebacks of handles, futures, tasks; the origin of coroutines; the environment."""

import asyncio
import gc
import sys

import pytest

from tests.tools import child_output, turns


def here(traceback):
    return traceback is not None and any(frame.filename == __file__ for frame in traceback)


def test_handles_futures_and_tasks(loop):
    loop.set_debug(True)
    handle, timer = loop.call_soon(int), loop.call_later(60, int)
    future, task = loop.create_future(), loop.create_task(asyncio.sleep(0))
    for thing in (handle, timer, future, task):
        assert here(thing._source_traceback), thing
    loop.run_until_complete(task)


def test_none_of_it_without_debug_mode(loop):
    loop.set_debug(False)
    handle, future, task = loop.call_soon(int), loop.create_future(), loop.create_task(_nothing())
    for thing in (handle, future, task):
        assert thing._source_traceback is None
    loop.run_until_complete(task)


async def _nothing():
    pass


def test_reports_carry_it(loop, reports):
    loop.set_debug(True)
    loop.call_soon(lambda: 1 / 0)
    future = loop.create_future()
    future.set_exception(ValueError())
    del future
    gc.collect()
    turns(loop)
    assert len(reports) == 2
    assert all(here(report["source_traceback"]) for report in reports)


def test_the_default_handler_prints_it(loop, asyncio_log):
    loop.set_debug(True)
    loop.call_soon(lambda: 1 / 0)
    turns(loop)
    (message,) = asyncio_log.messages
    assert "Exception in callback" in message
    assert "Object created at (most recent call last)" in message or "created at" in message


def test_coroutine_origin_tracking_is_on_while_it_runs_and_restored(loop):
    depths = []
    before = sys.get_coroutine_origin_tracking_depth()
    loop.set_debug(True)
    loop.call_soon(lambda: depths.append(sys.get_coroutine_origin_tracking_depth()))
    turns(loop)
    assert depths[0] > 0
    assert sys.get_coroutine_origin_tracking_depth() == before
    loop.set_debug(False)
    loop.call_soon(lambda: depths.append(sys.get_coroutine_origin_tracking_depth()))
    turns(loop)
    assert depths[1] == before


def test_set_debug_inside_takes_effect(loop):
    before = sys.get_coroutine_origin_tracking_depth()
    depths = []

    def switch():
        loop.set_debug(True)
        loop.call_soon(lambda: loop.call_soon(look))

    def look():
        depths.append(sys.get_coroutine_origin_tracking_depth())
        loop.stop()

    loop.call_soon(switch)
    loop.run_forever()
    assert depths[0] > 0
    assert sys.get_coroutine_origin_tracking_depth() == before


def test_a_coroutine_never_awaited_names_its_origin(loop):
    loop.set_debug(True)

    async def main():
        _nothing()

    with pytest.warns(RuntimeWarning, match="was never awaited\nCoroutine created at"):
        loop.run_until_complete(main())
        gc.collect()


@pytest.mark.parametrize("value, expected", [(True, True), (False, False), (1, True), ("", False)])
def test_get_debug_gives_what_was_set(loop, value, expected):
    loop.set_debug(value)
    assert bool(loop.get_debug()) is expected


def test_g9_an_async_generator_dies_while_its_frame_is_torn_down(loop):
    """A released loop crashed here in debug mode: the finaliser made a source traceback."""
    loop.set_debug(True)

    async def numbers():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)

    async def leave():
        generator = numbers()
        await anext(generator)

    for _ in range(10):
        loop.run_until_complete(leave())
        gc.collect()
        turns(loop, 2)
    loop.run_until_complete(loop.shutdown_asyncgens())


@pytest.mark.parametrize(
    "flags, env, expected",
    [
        ([], {}, "False"),
        (["-X", "dev"], {}, "True"),
        ([], {"PYTHONASYNCIODEBUG": "1"}, "True"),
        ([], {"PYTHONASYNCIODEBUG": ""}, "False"),
        (["-E"], {"PYTHONASYNCIODEBUG": "1"}, "False"),
    ],
)
def test_the_environment_switches_it_on(loop_kind, flags, env, expected):
    if "-E" in flags:
        env = {**env, "PYTHONPATH": ""}
    source = "loop = make_loop()\nprint(loop.get_debug())\nloop.close()\n"
    if "-E" in flags:
        import os

        # -E hides PYTHONPATH too, so a build outside site-packages is named inside.
        paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        source = f"import sys; sys.path[:0] = {[p for p in paths if p]!r}\n" + source
    assert child_output(source, kind=loop_kind, flags=flags, env=env).strip() == expected
