# SPDX-License-Identifier: MIT
"""add_reader, add_writer and their removal (A16, A17, T4, T5, T6; io F 24-27)."""

import os
import socket

import pytest

from tests.tools import assert_usable, connected, run_until, settle, turns


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    with near, far:
        yield near, far


def test_a_reader_is_called_as_long_as_there_is_data(loop, pair):
    near, far = pair
    seen = []
    loop.add_reader(near, lambda *args: seen.append((args, near.recv(1))), 1, "two")
    far.send(b"abc")
    run_until(loop, lambda: len(seen) == 3)
    assert seen == [((1, "two"), b"a"), ((1, "two"), b"b"), ((1, "two"), b"c")]
    assert loop.remove_reader(near) is True


def test_a_writer_is_called_as_long_as_there_is_room(loop, pair):
    near, _ = pair
    seen = []
    loop.add_writer(near, seen.append, 1)
    run_until(loop, lambda: len(seen) >= 3)
    assert loop.remove_writer(near) is True
    count = len(seen)
    settle(loop)
    assert len(seen) == count


def test_both_on_one_descriptor(loop, pair):
    near, far = pair
    seen = []
    far.send(b"x")
    loop.add_reader(near, lambda: seen.append(near.recv(1)))
    loop.add_writer(near, lambda: (seen.append("w"), loop.remove_writer(near)))
    run_until(loop, lambda: len(seen) == 2)
    assert set(seen) == {b"x", "w"}
    far.send(b"y")
    run_until(loop, lambda: seen[-1] == b"y")
    assert loop.remove_reader(near) is True


def test_numbers_and_objects_with_fileno(loop, pair):
    near, far = pair
    seen = []
    far.send(b"x")
    loop.add_reader(near.fileno(), lambda: (seen.append(1), loop.remove_reader(near)))
    run_until(loop, lambda: seen)


def test_adding_again_replaces_the_callback(loop, pair):
    near, far = pair
    seen = []
    loop.add_reader(near, seen.append, "old")
    loop.add_reader(near, lambda: (seen.append("new"), near.recv(1)))
    far.send(b"x")
    run_until(loop, lambda: seen)
    settle(loop)
    loop.remove_reader(near)
    assert seen == ["new"]


def test_t5_removing_says_whether_there_was_one(loop, pair):
    near, _ = pair
    assert loop.remove_reader(near) is False and loop.remove_writer(near) is False
    loop.add_reader(near, print)
    assert loop.remove_writer(near) is False
    assert loop.remove_reader(near) is True and loop.remove_reader(near) is False


def test_t5_removing_a_closed_descriptor(loop, pair):
    near, _ = pair
    fd = near.fileno()
    loop.add_reader(near, print)
    near.close()
    assert loop.remove_reader(fd) in (True, False)
    assert loop.remove_reader(fd) is False
    assert_usable(loop)


def test_removed_in_its_own_callback(loop, pair):
    near, far = pair
    seen = []
    loop.add_reader(near, lambda: (seen.append(1), loop.remove_reader(near)))
    far.send(b"x")
    run_until(loop, lambda: seen)
    settle(loop)
    assert seen == [1]


def test_removed_by_another_callback_of_the_same_turn(loop):
    """io F 25: two descriptors are ready at once, and the first callback removes the other."""
    pairs = [socket.socketpair() for _ in range(2)]
    seen = []

    def ready(index):
        seen.append(index)
        loop.remove_reader(pairs[1 - index][0])

    for index, (near, far) in enumerate(pairs):
        loop.add_reader(near, ready, index)
        far.send(b"x")
    turns(loop, 2)
    for near, far in pairs:
        loop.remove_reader(near)
        near.close()
        far.close()
    assert len(set(seen)) == 1


def test_closed_by_another_callback_of_the_same_turn(loop):
    pairs = [socket.socketpair() for _ in range(2)]
    seen = []

    def ready(index):
        seen.append(index)
        mine, other = pairs[index][0], pairs[1 - index][0]
        loop.remove_reader(mine)
        loop.remove_reader(other)
        other.close()

    for index, (near, far) in enumerate(pairs):
        loop.add_reader(near, ready, index)
        far.send(b"x")
    turns(loop, 2)
    for near, far in pairs:
        if near.fileno() >= 0:
            loop.remove_reader(near)
        near.close()
        far.close()
    assert len(set(seen)) == 1
    assert_usable(loop)


def test_a16_senseless_descriptors(loop):
    with pytest.raises(ValueError):
        loop.add_reader(-1, print)
    with pytest.raises((ValueError, TypeError)):
        loop.add_reader("x", print)
    with pytest.raises((ValueError, TypeError)):
        loop.add_reader(None, print)
    with pytest.raises(OSError):
        loop.add_reader(99_999, print)
    with pytest.raises((OverflowError, ValueError)):
        loop.add_reader(2**40, print)
    assert_usable(loop)


def test_a16_a_closed_descriptor(loop):
    near, far = os.pipe()
    os.close(near)
    os.close(far)
    with pytest.raises(OSError):
        loop.add_reader(near, print)
    with pytest.raises(OSError):
        loop.add_writer(far, print)
    assert loop.remove_reader(near) is False
    assert_usable(loop)


def test_a16_a_regular_file(loop, tmp_path):
    with open(tmp_path / "file", "w") as file:
        with pytest.raises(PermissionError):
            loop.add_reader(file, print)
        assert loop.remove_reader(file) is False
    assert_usable(loop)


def test_a17_a_transports_descriptor(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, _, _):
        sock = transport.get_extra_info("socket")
        for name in ("add_reader", "add_writer"):
            with pytest.raises(RuntimeError, match="is used by transport"):
                getattr(loop, name)(sock.fileno(), print)
        for name in ("remove_reader", "remove_writer"):
            with pytest.raises(RuntimeError, match="is used by transport"):
                getattr(loop, name)(sock.fileno())


def test_t4_a_descriptor_closed_and_its_number_used_again(loop):
    """The registration of the old one is gone; the new one is watched."""
    near, far = os.pipe()
    loop.add_reader(near, print, "old")
    os.close(near)
    os.close(far)
    again, other = os.pipe()
    assert again == near
    seen = []
    loop.remove_reader(near)
    loop.add_reader(again, lambda: seen.append(os.read(again, 1)))
    os.write(other, b"x")
    run_until(loop, lambda: seen)
    loop.remove_reader(again)
    os.close(again)
    os.close(other)
    assert_usable(loop)


@pytest.mark.hotloop_only(reason="asyncio gets no event for the new descriptor")
@pytest.mark.parametrize("name", ["add_reader", "add_writer"])
def test_t4_the_same_without_removing_first(loop, name):
    near, far = socket.socketpair()
    getattr(loop, name)(near, print, "old")
    fd = near.fileno()
    near.close()
    far.close()
    again, other = socket.socketpair()
    try:
        assert again.fileno() == fd
        seen = []
        getattr(loop, name)(again, lambda: seen.append(1))
        other.send(b"x")
        run_until(loop, lambda: seen)
        getattr(loop, name.replace("add", "remove"))(again)
    finally:
        again.close()
        other.close()
    assert_usable(loop)


def test_t6_a_duplicate_that_lives_on(loop, pair):
    """The kernel's registration follows the open file, not the number."""
    near, far = pair
    seen = []
    loop.add_reader(near, seen.append, "old")
    duplicate = os.dup(near.fileno())
    loop.remove_reader(near)
    near.close()
    far.send(b"x")
    settle(loop)
    assert seen == []
    os.close(duplicate)
    assert_usable(loop)


def test_the_end_of_a_pipe_wakes_the_reader(loop):
    """io F 27: hang-up alone, without data."""
    near, far = os.pipe()
    seen = []
    loop.add_reader(near, lambda: (seen.append(os.read(near, 1)), loop.remove_reader(near)))
    os.close(far)
    run_until(loop, lambda: seen)
    os.close(near)
    assert seen == [b""]


def test_an_error_wakes_the_writer(loop):
    near, far = os.pipe()
    os.set_blocking(far, False)
    while True:
        try:
            os.write(far, b"x" * 65536)
        except BlockingIOError:
            break
    seen = []
    loop.add_writer(far, lambda: (seen.append(1), loop.remove_writer(far)))
    os.close(near)
    run_until(loop, lambda: seen)
    os.close(far)


def test_a_failed_connect_wakes_the_writer(loop):
    with socket.socket() as reserved, socket.socket() as client:
        reserved.bind(("127.0.0.1", 0))
        client.setblocking(False)
        client.connect_ex(reserved.getsockname())
        seen = []
        loop.add_writer(client, lambda: (seen.append(1), loop.remove_writer(client)))
        run_until(loop, lambda: seen)


def test_a_callback_that_raises_is_reported_and_stays(loop, pair, reports):
    near, far = pair

    def fail():
        near.recv(1)
        raise ZeroDivisionError

    loop.add_reader(near, fail)
    far.send(b"ab")
    run_until(loop, lambda: len(reports) == 2)
    assert all(isinstance(report["exception"], ZeroDivisionError) for report in reports)
    loop.remove_reader(near)


def test_underscored_names_are_there(loop, pair):
    near, far = pair
    seen = []
    loop._add_reader(near.fileno(), lambda: seen.append(near.recv(1)))
    far.send(b"x")
    run_until(loop, lambda: seen)
    assert loop._remove_reader(near.fileno()) is True
    loop._add_writer(near.fileno(), print)
    assert loop._remove_writer(near.fileno()) is True


def test_a_thousand_descriptors(loop):
    pairs = [socket.socketpair() for _ in range(200)]
    seen = []
    for near, far in pairs:
        loop.add_reader(near, lambda near=near: (seen.append(near), loop.remove_reader(near)))
        far.send(b"x")
    run_until(loop, lambda: len(seen) == 200)
    assert len(set(seen)) == 200
    for near, far in pairs:
        near.close()
        far.close()


def test_the_descriptor_stays_as_blocking_as_it_was(loop):
    """A popular loop leaves it non-blocking."""
    near, far = os.pipe()
    loop.add_reader(near, print)
    assert os.get_blocking(near)
    loop.remove_reader(near)
    settle(loop)
    assert os.get_blocking(near)
    os.close(near)
    os.close(far)


def test_readers_left_at_close_are_forgotten(new_loop, pair):
    near, far = pair
    loop = new_loop()
    loop.add_reader(near, print)
    loop.add_writer(far, print)
    loop.close()
    near.send(b"x")
    assert far.recv(1) == b"x"


@pytest.mark.hotloop_only(reason="asyncio leaves the number in its epoll set")
def test_t5_a_descriptor_closed_while_watched_does_not_spin_or_abort(loop):
    near, far = socket.socketpair()
    loop.add_reader(near, print)
    near.close()
    far.close()
    settle(loop)
    assert_usable(loop)
