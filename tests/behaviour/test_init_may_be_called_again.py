# SPDX-License-Identifier: MIT
"""U3: Future.__init__ and Task.__init__ a second time, from the worst places."""

import asyncio

import pytest

from tests.tools import PY

pytestmark = [
    pytest.mark.hotloop_only("asyncio's C code does not survive all of this"),
    pytest.mark.skipif(PY >= (3, 15), reason="__init__ raises when called again"),
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
]


class BrokenLoop:
    """Binding a future to it fails when nearly all is done."""

    def get_debug(self):
        raise ZeroDivisionError


def _turn(loop, times=1):
    for _ in range(times):
        loop.call_soon(loop.stop)
        loop.run_forever()


async def nothing():
    pass


def test_by_a_callback_that_the_first_call_drops(loop):
    class Callback:
        def __call__(self, _):
            pass

        def __del__(self):
            future.__init__(loop=loop)
            future.set_result(1)

    future = loop.create_future()
    future.add_done_callback(Callback())
    future.__init__(loop=loop)
    assert not future.done()
    with pytest.raises(asyncio.InvalidStateError):
        future.result()
    future.set_result(2)
    assert future.result() == 2


def test_in_vain_by_a_loop_that_is_told_of_the_callbacks():
    import hotloop

    class Foreign:
        def get_debug(self):
            return False

        def call_soon(self, *_, **__):
            with pytest.raises(RuntimeError, match="no current event loop"):
                future.__init__()

    asyncio.set_event_loop(None)
    future = hotloop.Future(loop=Foreign())
    for _ in range(3):
        future.add_done_callback(print)
    with pytest.raises(RuntimeError, match="not initialized"):
        future.set_result(1)
    assert not future.done()


def test_of_a_task_in_its_own_step_for_another_loop(loop, new_loop):
    other = new_loop()

    async def again():
        asyncio.current_task().__init__(nothing(), loop=other)

    task = loop.create_task(again())
    loop.set_exception_handler(lambda *_: None)
    other.set_exception_handler(lambda *_: None)
    _turn(loop)
    _turn(other, 2)
    del task
    assert asyncio.current_task(loop) is None
    assert asyncio.current_task(other) is None


def test_of_a_task_in_its_own_step_drops_the_context_it_runs_in(loop):
    async def again():
        asyncio.current_task().__init__(nothing(), loop=loop)

    loop.set_exception_handler(lambda *_: None)
    task = loop.create_task(again())
    _turn(loop, 3)
    assert task.done()


@pytest.mark.skipif(PY < (3, 12), reason="no eager tasks")
@pytest.mark.parametrize("bad", ["loop", "coroutine"])
def test_of_an_eager_task_in_its_first_step(loop, new_loop, bad):
    other = new_loop()

    async def again():
        task = asyncio.current_task()
        if bad == "loop":
            with pytest.raises(ZeroDivisionError):
                task.__init__(nothing(), loop=BrokenLoop())
        else:
            with pytest.raises(TypeError):
                task.__init__(42, loop=other)

    async def main():
        mine = asyncio.current_task()
        loop.set_task_factory(asyncio.eager_task_factory)
        try:
            loop.create_task(again())
        finally:
            loop.set_task_factory(None)
        assert asyncio.current_task() is mine

    loop.set_exception_handler(lambda *_: None)
    other.set_exception_handler(lambda *_: None)
    loop.run_until_complete(main())
