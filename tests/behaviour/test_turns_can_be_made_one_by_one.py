# SPDX-License-Identifier: MIT
"""_run_once(), alone, between _run_forever_setup() and _run_forever_cleanup(), and overridden."""

import asyncio
import signal
import socket
import sys
import threading

import pytest

from tests.tools import PY, Recorder, assert_usable, child_output, connected, run_until, turns

ALREADY = "This event loop is already running"


@pytest.fixture
def begun(loop):
    """A loop that counts as running here, with nobody who makes its turns."""
    if not hasattr(loop, "_run_forever_setup"):
        pytest.skip("asyncio has had it since 3.13")
    loop._run_forever_setup()
    yield loop
    loop._run_forever_cleanup()
    assert not loop.is_running() and asyncio._get_running_loop() is None
    assert_usable(loop)


def refused(call):
    """The RuntimeError that the call raises."""
    with pytest.raises(RuntimeError) as caught:
        call()
    return str(caught.value)


def test_what_is_added_waits_for_the_next_turn(loop):
    seen = []
    loop.call_soon(lambda: loop.call_soon(seen.append, 2))
    loop.call_soon(seen.append, 1)
    loop._run_once()
    assert seen == [1]
    loop._run_once()
    assert seen == [1, 2]
    assert_usable(loop)


def test_it_waits_for_a_timer(loop):
    seen = []
    due = loop.time() + 0.01
    loop.call_at(due, lambda: seen.append(loop.time()))
    while not seen:
        loop._run_once()
    assert seen[0] >= due - loop._clock_resolution


def test_it_waits_for_a_descriptor_and_for_another_thread(loop):
    near, far = socket.socketpair()
    seen = []
    with near, far:
        loop.add_reader(near, lambda: seen.append(near.recv(10)))
        thread = threading.Thread(target=far.send, args=(b"x",))
        thread.start()
        while not seen:
            loop._run_once()
        thread.join()
        loop.remove_reader(near)
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(seen.append, 2))
    thread.start()
    while len(seen) == 1:
        loop._run_once()
    thread.join()
    assert seen == [b"x", 2]


def test_after_stop_it_does_not_wait_and_the_flag_stays(loop):
    loop.stop()
    loop._run_once()
    assert loop._stopping is True
    loop.run_forever()
    assert loop._stopping is False


def test_no_loop_counts_as_running_in_a_turn_from_outside(loop):
    seen = []
    loop.call_soon(lambda: seen.append(asyncio._get_running_loop()))
    loop._run_once()
    assert seen == [None] and not loop.is_running() and loop._thread_id is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_must_leave_leaves(loop, error):
    def leave():
        raise error("leaving")

    loop.call_soon(leave)
    with pytest.raises(error):
        loop._run_once()
    assert not loop.is_running()
    assert_usable(loop)


def test_errors_are_reported(loop, reports):
    loop.call_soon(lambda: 1 / 0)
    loop._run_once()
    assert isinstance(reports[0]["exception"], ZeroDivisionError)


def test_signal_handlers_run(loop):
    seen = []
    loop.add_signal_handler(signal.SIGUSR1, seen.append, 1)
    loop.call_soon(signal.raise_signal, signal.SIGUSR1)
    guard = loop.call_later(20, loop.stop)
    while not seen and not loop._stopping:
        loop._run_once()
    guard.cancel()
    assert seen == [1]
    loop.remove_signal_handler(signal.SIGUSR1)


def test_a_program_makes_the_turns(begun):
    loop = begun
    assert loop.is_running() and asyncio.get_running_loop() is loop
    assert loop._thread_id == threading.get_ident()

    async def work():
        await asyncio.sleep(0.001)
        return asyncio.current_task()

    task = loop.create_task(work())
    assert task in asyncio.all_tasks()
    while not task.done():
        loop._run_once()
    assert task.result() is task


def test_between_turns_the_loop_is_taken(begun, loop_kind):
    if loop_kind == "asyncio" and PY == (3, 13):
        pytest.skip("asyncio of 3.13.0 takes a refused run for one that ended")
    future = begun.create_future()
    assert refused(begun.run_forever) == ALREADY
    assert refused(lambda: begun.run_until_complete(future)) == ALREADY
    assert refused(begun._run_forever_setup) == ALREADY
    assert refused(begun.close) == "Cannot close a running event loop"
    begun.call_soon(int)
    begun._run_once()


def test_a_stop_between_turns_is_over_with_the_cleanup(begun):
    begun.stop()
    begun._run_once()
    assert begun._stopping is True
    begun._run_forever_cleanup()
    assert begun._stopping is False


def test_a_cleanup_too_much_does_nothing(loop):
    if hasattr(loop, "_run_forever_cleanup"):
        loop._run_forever_cleanup()
    assert_usable(loop)


@pytest.mark.hotloop_only("asyncio trusts its callers")
def test_not_inside_a_turn(loop):
    caught = []

    def inside():
        caught.append(refused(loop._run_once))
        caught.append(refused(loop._run))
        caught.append(refused(loop._run_forever_cleanup))
        caught.append(loop.is_running())

    loop.call_soon(inside)
    turns(loop)
    loop.call_soon(inside)
    loop._run_once()
    assert caught == [ALREADY, ALREADY, ALREADY, True] * 2
    assert_usable(loop)


@pytest.mark.hotloop_only("asyncio trusts its callers")
def test_not_inside_a_protocol(loop, stream_kind):
    caught = []

    class Nested(Recorder):
        def data_received(self, data):
            caught.append(refused(loop._run_once))
            super().data_received(data)

    with connected(loop, stream_kind, Nested()) as (_, protocol, peer):
        peer.send(b"x")
        run_until(loop, lambda: protocol.data)
    assert caught == [ALREADY]


@pytest.mark.hotloop_only("asyncio trusts its callers")
def test_not_while_another_thread_has_the_loop(loop):
    begun, caught, go_on = threading.Event(), [], threading.Event()

    def other():
        loop._run_forever_setup()
        begun.set()
        go_on.wait()
        loop._run_forever_cleanup()

    thread = threading.Thread(target=other)
    thread.start()
    begun.wait()
    for call in (loop._run_once, loop._run, loop._run_forever_cleanup, loop.run_forever):
        caught.append(refused(call))
    go_on.set()
    thread.join()
    assert caught == [ALREADY] * 4
    assert_usable(loop)


@pytest.mark.hotloop_only("asyncio's has no selector then")
def test_not_on_a_closed_loop(loop):
    loop.close()
    for call in (loop._run_once, loop._run, loop._begin, loop._run_forever_setup):
        assert refused(call) == "Event loop is closed"
    loop._end()


@pytest.mark.hotloop_only("asyncio has it only since 3.13")
def test_a_loop_may_be_begun_and_forgotten():
    done = child_output(
        """
        import asyncio, gc, threading

        def begin():
            loop = make_loop()
            loop._run_forever_setup()
            loop.create_task(asyncio.sleep(1))
            loop._run_once()
            asyncio._set_running_loop(None)

        begin()
        gc.collect()
        thread = threading.Thread(target=begin)
        thread.start()
        thread.join()
        gc.collect()
        loop = make_loop()
        print(loop.run_until_complete(asyncio.sleep(0.001, "fine")))
        loop.close()
        """,
        kind="hotloop",
        flags=("-W", "ignore"),
    )
    assert done.split() == ["fine"]


def test_an_overridden_turn_is_used(loop):
    original, count = loop._run_once, []

    def counted():
        count.append(loop.is_running())
        original()

    loop._run_once = counted
    assert loop.run_until_complete(asyncio.sleep(0.001, 42)) == 42
    assert len(count) >= 2 and all(count)
    del loop._run_once
    before = len(count)
    assert_usable(loop)
    assert len(count) == before


def test_a_subclass_may_override_it(loop):
    count = []

    class Counting(type(loop)):
        def _run_once(self):
            count.append(1)
            super()._run_once()

    mine = Counting()
    try:
        assert_usable(mine)
        turns(mine, 3)
    finally:
        mine.close()
    assert len(count) > 3


def test_what_an_overridden_turn_raises_leaves_the_run(loop):
    def fail():
        raise ZeroDivisionError

    loop._run_once = fail
    with pytest.raises(ZeroDivisionError):
        loop.run_forever()
    assert not loop.is_running() and asyncio._get_running_loop() is None
    del loop._run_once
    assert_usable(loop)


# _add_callback


def test_asyncios_own_handle_runs_in_its_turn(loop):
    seen = []
    loop.call_soon(seen.append, 1)
    handle = asyncio.Handle(seen.append, (2,), loop, None)
    loop._add_callback(handle)
    loop.call_soon(seen.append, 3)
    assert handle in loop._ready and not loop._scheduled
    turns(loop)
    assert seen == [1, 2, 3] and not loop._ready


@pytest.mark.hotloop_only("counts references of ours")
def test_a_handle_of_another_loop_gives_back_what_it_took(loop):
    other = type(loop)()
    handles = []
    before = sys.getrefcount(loop), sys.getrefcount(other)
    for _ in range(10):
        handle = other.call_soon(handles.append, None)
        other._run_once()
        loop._add_callback(handle)
        del handle
        loop._run_once()
    assert (sys.getrefcount(loop), sys.getrefcount(other)) == before
    assert handles == [None] * 20
    other.close()


@pytest.mark.parametrize("debug", [False, True])
def test_a_handle_of_the_loops_class_runs(loop, debug):
    loop.set_debug(debug)
    loop.slow_callback_duration = 20
    seen = []
    cls = type(loop.call_soon(int))
    turns(loop)
    loop._add_callback(cls(seen.append, (1,), loop, None))
    loop._add_callback(asyncio.Handle(seen.append, (2,), loop, None))
    timer = type(loop.call_later(0, int))
    loop._add_callback(timer(loop.time() + 100, seen.append, (3,), loop, None))
    turns(loop)
    assert seen == [1, 2, 3]


def test_a_cancelled_handle_does_not_run(loop):
    seen = []
    before, after = (asyncio.Handle(seen.append, (1,), loop, None) for _ in range(2))
    before.cancel()
    loop._add_callback(before)
    assert not loop._ready
    loop._add_callback(after)
    after.cancel()
    turns(loop)
    assert not seen


def test_what_it_raises_is_reported(loop, reports):
    handle = asyncio.Handle(lambda: 1 / 0, (), loop, None)
    loop._add_callback(handle)
    turns(loop)
    assert reports[0]["handle"] is handle


@pytest.mark.parametrize("junk", [None, 1, "text", print])
def test_what_is_no_handle(loop, junk):
    with pytest.raises(AttributeError):
        loop._add_callback(junk)
    assert_usable(loop)


class Cheat:
    _cancelled = False

    def _run(self):
        raise ZeroDivisionError


def test_what_a_strange_handle_raises_leaves_the_run(loop):
    loop._add_callback(Cheat())
    with pytest.raises(ZeroDivisionError):
        loop.run_forever()
    assert_usable(loop)


@pytest.mark.hotloop_only("asyncio keeps it for ever")
def test_a_closed_loop_takes_no_handle(loop):
    loop.close()
    assert refused(lambda: loop._add_callback(Cheat())) == "Event loop is closed"
