# SPDX-License-Identifier: MIT
"""loop._selector: what add_reader() and its kind watch, as a selector to be asked."""

import asyncio
import selectors
import socket

import pytest

from tests.tools import assert_usable, run, turns


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    with near, far:
        yield near, far


def test_a_key_has_the_handles(loop, pair):
    near, _ = pair
    with pytest.raises(KeyError):
        loop._selector.get_key(near)
    loop.add_reader(near, print, 1)
    key = loop._selector.get_key(near)
    assert key.fd == near.fileno() and key.events == selectors.EVENT_READ
    assert key.data[0]._callback is print and key.data[0]._args == (1,) and key.data[1] is None
    loop.add_writer(near, repr)
    key = loop._selector.get_key(near.fileno())
    assert key.events == selectors.EVENT_READ | selectors.EVENT_WRITE
    assert [handle._callback for handle in key.data] == [print, repr]
    loop.remove_reader(near)
    assert loop._selector.get_key(near).events == selectors.EVENT_WRITE
    loop.remove_writer(near)
    with pytest.raises(KeyError):
        loop._selector.get_key(near)


def test_the_map_lists_all(loop, pair):
    near, far = pair
    before = set(loop._selector.get_map())
    for sock in pair:
        loop.add_reader(sock, int)
    found = loop._selector.get_map()
    assert set(found) - before == {near.fileno(), far.fileno()}
    assert found[near].fd == near.fileno() and len(found) == len(before) + 2
    for sock in pair:
        loop.remove_reader(sock)
    assert set(loop._selector.get_map()) == before


def test_a_call_that_waits_is_listed(loop, pair):
    near, far = pair

    async def main():
        task = asyncio.ensure_future(loop.sock_recv(near, 10))
        await asyncio.sleep(0)
        assert loop._selector.get_key(near).events == selectors.EVENT_READ
        far.send(b"x")
        assert await task == b"x"

    run(loop, main())
    with pytest.raises(KeyError):
        loop._selector.get_key(near)


@pytest.mark.hotloop_only("asyncio's is a real selector")
def test_it_only_answers(loop, pair):
    selector = loop._selector
    assert isinstance(selector, selectors.BaseSelector) and "Watched" in repr(selector)
    for call in (
        lambda: selector.register(pair[0], selectors.EVENT_READ),
        lambda: selector.modify(pair[0], selectors.EVENT_READ),
        lambda: selector.unregister(pair[0]),
        lambda: selector.select(0),
    ):
        with pytest.raises(NotImplementedError):
            call()
    with pytest.raises(AttributeError):
        loop._selector = selector
    for junk in (None, "text", -1):
        with pytest.raises((KeyError, AttributeError)):
            selector.get_map()[junk]
    assert_usable(loop)


@pytest.mark.hotloop_only("asyncio has none by then")
def test_of_a_closed_loop(loop, pair):
    loop.add_reader(pair[0], int)
    turns(loop)
    loop.close()
    assert loop._selector.get_map() is None and loop._watchers() == {}
    with pytest.raises(RuntimeError):
        loop._selector.get_key(pair[0])
