# SPDX-License-Identifier: MIT
"""Memory that is used again must not remember that its last life was reported."""

import gc


def _messages(loop):
    found = []
    loop.set_exception_handler(lambda _, context: found.append(context["message"]))
    return found


def test_of_futures_one_after_the_other(loop):
    messages = _messages(loop)
    for number in range(5):
        future = loop.create_future()
        future.set_exception(ValueError(number))
        del future
        gc.collect()
    assert messages == ["Future exception was never retrieved"] * 5


def test_of_tasks_one_after_the_other(loop):
    async def fail():
        raise ValueError("mine")

    messages = _messages(loop)
    for _ in range(5):
        task = loop.create_task(fail())
        for _ in range(2):
            loop.call_soon(loop.stop)
            loop.run_forever()
        del task
        gc.collect()
    assert messages == ["Task exception was never retrieved"] * 5


def test_of_tasks_that_die_pending(loop):
    async def wait(future):
        await future

    messages = _messages(loop)
    for _ in range(5):
        task = loop.create_task(wait(loop.create_future()))
        loop.call_soon(loop.stop)
        loop.run_forever()
        del task
        gc.collect()
    assert messages == ["Task was destroyed but it is pending!"] * 5
