# SPDX-License-Identifier: MIT
"""As in asyncio: isinstance() says so, and Future's own methods take a task, in any state."""

import asyncio
import gc
import weakref

import pytest

from tests.tools import PY, assert_usable, run, turns


@pytest.fixture
def classes(loop):
    """The Future and the Task that the loop makes."""
    future = loop.create_future()
    task = loop.create_task(asyncio.sleep(0))
    loop.run_until_complete(task)
    return type(future), type(task)


def test_by_isinstance(loop, classes):
    future, task = classes
    assert issubclass(task, future) and not issubclass(future, task)
    assert issubclass(future, asyncio.Future) and issubclass(task, asyncio.Task)

    class Mine(task):
        pass

    mine = Mine(asyncio.sleep(0, 42), loop=loop)
    assert isinstance(mine, future) and isinstance(mine, asyncio.Task)
    assert loop.run_until_complete(mine) == 42
    assert task.__mro__.index(task) < task.__mro__.index(future)
    assert Mine.__mro__.index(future) < Mine.__mro__.index(asyncio.Future) + (future is not task)


def test_an_override_wins_over_both(loop, classes):
    class Mine(classes[1]):
        def add_done_callback(self, *args, **kwargs):
            added.append(self)
            super().add_done_callback(*args, **kwargs)

    added = []
    mine = Mine(asyncio.sleep(0, 42), loop=loop)
    assert loop.run_until_complete(mine) == 42
    assert added[0] is mine
    with pytest.raises(RuntimeError, match="Task does not support set_result"):
        mine.set_result(1)


STATES = ["new", "waiting", "waiting for a task", "sleeping", "done", "failed", "cancelled"]


def in_state(loop, state):
    """A task, and what ends the thing it waits for."""
    future = loop.create_future()

    async def work():
        if state == "sleeping":
            while not future.done():
                await asyncio.sleep(0)
        elif state == "waiting for a task":
            await loop.create_task(asyncio.wait([future]))
        elif state in ("waiting", "cancelled"):
            await future
        if state == "failed":
            raise ZeroDivisionError
        return 42

    task = loop.create_task(work())
    if state != "new":
        turns(loop, 3)
    if state == "cancelled":
        task.cancel()
        turns(loop, 2)
    return task, lambda: future.done() or future.set_result(None)


def outcome(call, *args):
    try:
        return call(*args)
    except BaseException as error:
        return type(error)


ASKED = {
    "done": lambda cls, task: cls.done(task),
    "cancelled": lambda cls, task: cls.cancelled(task),
    "result": lambda cls, task: cls.result(task),
    "exception": lambda cls, task: repr(cls.exception(task)),
    "_state": lambda cls, task: cls._state.__get__(task),
    "get_loop": lambda cls, task: cls.get_loop(task) is task.get_loop(),
    "add_done_callback": lambda cls, task: cls.add_done_callback(task, id),
    "remove_done_callback": lambda cls, task: cls.remove_done_callback(task, print),
    "__await__": lambda cls, task: type(cls.__await__(task)).__name__,
    "repr": lambda cls, task: cls.__repr__(task) != "",
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", sorted(ASKED))
def test_what_asks_only(loop, classes, state, name):
    task, end = in_state(loop, state)
    ask = ASKED[name]
    assert outcome(ask, classes[0], task) == outcome(ask, type(task), task)
    end()
    turns(loop, 8)
    assert task.done()
    if state == "failed":
        task.exception()


ENDED = {
    "set_result": lambda cls, task: cls.set_result(task, "spam"),
    "set_exception": lambda cls, task: cls.set_exception(task, KeyError("spam")),
    "cancel": lambda cls, task: cls.cancel(task),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", sorted(ENDED))
def test_what_ends_it(loop, classes, reports, state, name):
    """The task has ended then; its coroutine learns nothing, but its next step is reported."""
    task, end = in_state(loop, state)
    was_done, told = task.done(), []
    task.add_done_callback(told.append)
    answer = outcome(ENDED[name], classes[0], task)
    if was_done:
        assert answer in (False, asyncio.InvalidStateError)
        task.cancelled() or task.exception()
        return turns(loop, 2)
    assert task.done() and task.cancelled() is (name == "cancel")
    assert outcome(task.result) in ("spam", KeyError, asyncio.CancelledError)
    end()
    turns(loop, 8)
    assert told == [task] and task not in asyncio.all_tasks(loop)
    (report,) = reports
    assert isinstance(report["exception"], asyncio.InvalidStateError)
    assert "already done" in str(report["exception"])
    task.get_coro().close()
    assert_usable(loop)
    return None


@pytest.mark.parametrize("name", sorted(ENDED))
@pytest.mark.parametrize("then", ["returns", "raises", "waits"])
def test_from_its_own_step(loop, classes, reports, name, then):
    future = loop.create_future()

    async def work():
        ENDED[name](classes[0], asyncio.current_task())
        if then == "waits":
            await future
        if then == "raises":
            raise ZeroDivisionError
        return 42

    task = loop.create_task(work())
    turns(loop, 2)
    assert outcome(task.result) in ("spam", KeyError, asyncio.CancelledError)
    future.set_result(None)
    turns(loop, 3)
    assert [type(report["exception"]) for report in reports] == [asyncio.InvalidStateError]
    task.get_coro().close()
    assert asyncio.all_tasks(loop) == set()
    assert_usable(loop)


@pytest.mark.parametrize("state", STATES)
def test_its_future_may_be_made_anew(loop, classes, reports, state):
    """Nobody should; nothing may break of it."""
    task, end = in_state(loop, state)
    other = asyncio.new_event_loop()
    if PY >= (3, 15):
        with pytest.raises(RuntimeError, match="already initialized"):
            classes[0].__init__(task, loop=other)
    else:
        classes[0].__init__(task, loop=other)
        classes[0].__init__(task, loop=loop)
        assert not task.done()
    other.close()
    end()
    turns(loop, 8)
    coroutine = task.get_coro()
    if not task.done():
        classes[0].set_result(task, None)
    elif not task.cancelled():
        task.exception()
    if coroutine is not None:
        coroutine.close()
    assert_usable(loop)


def test_it_leaves_nothing(loop, classes):
    references = []
    for state in STATES:
        task, end = in_state(loop, state)
        outcome(classes[0].set_result, task, task)
        task.get_coro().close()
        references.append(weakref.ref(task))
        task.done() and not task.cancelled() and task.exception()
        loop.set_exception_handler(lambda *args: None)
        end()
        turns(loop, 8)
    del task, end
    gc.collect()
    assert [reference() for reference in references] == [None] * len(STATES)


@pytest.mark.parametrize("junk", [None, 1, object(), asyncio.Future])
def test_nothing_else_is_a_future(loop, classes, junk):
    with pytest.raises(TypeError):
        classes[0].set_result(junk, 1)
    assert run(loop, asyncio.sleep(0, 42)) == 42
