# SPDX-License-Identifier: MIT
"""G3, G4, U6: __del__ of callbacks, arguments, results and protocols uses the loop it came from."""

from tests.lifetimes.kit import (
    KIND,
    asyncio,
    collect,
    loop_of_the_kind,
    pair,
    pipe,
    settle,
    sys,
    turns,
)

count = 0


class Reaches:
    """When it dies it does the given thing."""

    def __init__(self, act):
        self.act = act

    def __del__(self):
        global count
        count += 1
        self.act()

    def __call__(self, *args):
        pass


def acts(loop):
    """Everything a finaliser might think of."""

    def close():
        try:
            loop.close()
        except RuntimeError:
            pass

    def call(function):
        def act():
            try:
                function()
            except RuntimeError as error:
                assert "closed" in str(error) or "running" in str(error), error

        return act

    return [
        call(lambda: loop.call_soon(int)),
        call(lambda: loop.call_later(0, int)),
        call(lambda: loop.call_soon_threadsafe(int)),
        call(lambda: loop.create_future().set_result(None)),
        call(lambda: loop.stop()),
        call(lambda: loop.set_task_factory(None)),
        call(lambda: loop.set_exception_handler(None)),
        call(lambda: list(loop._scheduled)),
        call(lambda: repr(loop)),
        call(lambda: asyncio.all_tasks(loop)),
        close,
        collect,
    ]


def in_a_callback(loop, act):
    loop.call_soon(Reaches(act))
    loop.call_soon(print, Reaches(act)).cancel()
    loop.call_later(60, Reaches(act)).cancel()
    loop.call_later(0, Reaches(act))
    loop.call_later(60, Reaches(act))


def in_a_future(loop, act):
    future = loop.create_future()
    future.add_done_callback(Reaches(act))
    future.add_done_callback(Reaches(act))
    future.set_result(Reaches(act))
    future = loop.create_future()
    future.add_done_callback(Reaches(act))
    future.cancel(Reaches(act))
    again = loop.create_future()
    again.add_done_callback(Reaches(act))
    if sys.version_info < (3, 15):  # refused from then on
        again.__init__(loop=loop)


def in_a_task(loop, act):
    async def work(thing):
        return thing

    async def waits(thing):
        await loop.create_future()

    loop.create_task(work(Reaches(act)))
    task = loop.create_task(waits(Reaches(act)))
    task._log_destroy_pending = False
    if act is not None:
        loop.call_soon(task.cancel)


def in_a_handler(loop, act):
    loop.set_exception_handler(Reaches(act))
    loop.set_exception_handler(None)
    loop.set_task_factory(Reaches(act))
    loop.set_task_factory(None)


def in_a_protocol(loop, act):
    transport, protocol, far = pair(loop)
    protocol.thing = Reaches(act)
    transport.set_protocol(asyncio.Protocol())
    protocol = None
    far.close()
    transport.abort()


def in_a_pipe(loop, act, side="read"):
    transport, protocol, far = pipe(loop, side)
    protocol.thing = Reaches(act)
    transport.set_protocol(asyncio.Protocol())
    protocol = None
    far.close()
    transport.close()


def in_a_write_pipe(loop, act):
    in_a_pipe(loop, act, "write")


places = (in_a_callback, in_a_future, in_a_task, in_a_handler, in_a_protocol, in_a_pipe)
for place in (*places, in_a_write_pipe):
    for index in range(len(acts(None))):
        loop = loop_of_the_kind()
        act = acts(loop)[index]
        try:
            place(loop, act)
            for _ in range(4):
                if not loop.is_closed():
                    turns(loop)
        except RuntimeError as error:
            assert "closed" in str(error), error
        del act
        loop.close()
        collect()
assert count > 100

# G3: a task, a future and a transport that their own finaliser's handler keeps alive.
loop = loop_of_the_kind()
kept = []
loop.set_exception_handler(lambda loop, context: kept.append(context))


async def waits():
    await loop.create_future()


loop.create_task(waits())
turns(loop)
collect()
future = loop.create_future()
future.set_exception(ValueError())
del future
collect()
assert len(kept) == 2, kept
task = kept[0]["task"]
assert not task.done() and repr(task) and task.get_name()
task.cancel()
assert isinstance(kept[1]["future"].exception(), ValueError)
settle(loop)
kept.clear()
del task
collect()
loop.close()
assert KIND in ("asyncio", "hotloop")
print("fine")
