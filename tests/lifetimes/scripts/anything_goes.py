# SPDX-License-Identifier: MIT
"""S7: random calls of public methods with junk, re-entrant ones too, beside the same on asyncio.

What is compared is the kind of the outcome: a value, or the type of the exception. The loop
must stay usable after each run.
"""

import asyncio
import contextlib
import faulthandler
import logging
import math
import signal
import socket
import warnings

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.lifetimes.kit import KIND, loop_of_the_kind, sys
from tests.tools import assert_usable

EXAMPLES = int(sys.argv[2]) if len(sys.argv) > 2 else 60
warnings.simplefilter("ignore")
faulthandler.dump_traceback_later(50, exit=True)
logging.disable()


class Hangs(BaseException):
    """A turn took five seconds."""


def hangs(*args):
    raise Hangs


signal.signal(signal.SIGALRM, hangs)


class Evil:
    """Raises whatever is done to it."""

    def __eq__(self, other):
        raise ZeroDivisionError

    __lt__ = __gt__ = __add__ = __radd__ = __eq__
    __hash__ = None

    def __call__(self, *args, **kwargs):
        raise ZeroDivisionError

    def __float__(self):
        raise ZeroDivisionError

    def __index__(self):
        raise ZeroDivisionError


JUNK = [None, -1, 0, 1.5, 2**70, "text", b"b", (), [], {}, object(), Evil(), repr, ValueError()]
DELAYS = [0, -1, 0.0001, 1e308, math.inf, -math.inf, 2**70, True, None, "x", Evil(), math.nan]
FIT_FOR_ASYNCIO = 8  # of the delays; the others break its heap
junk = st.sampled_from(range(len(JUNK)))
delays = st.sampled_from(range(len(DELAYS)))
METHODS = [
    "call_soon",
    "call_soon_threadsafe",
    "set_task_factory",
    "set_exception_handler",
    "create_task",
    "run_until_complete",
    "add_reader",
    "add_writer",
    "remove_reader",
    "remove_writer",
    "add_signal_handler",
    "remove_signal_handler",
    "set_default_executor",
    "call_exception_handler",
    "get_exception_handler",
    "get_task_factory",
    "is_running",
    "is_closed",
    "stop",
    "close",
    "time",
    "create_future",
    "get_debug",
    "run_forever",
]
FUTURE_METHODS = [
    "set_result",
    "set_exception",
    "cancel",
    "add_done_callback",
    "remove_done_callback",
    "result",
    "exception",
    "done",
    "cancelled",
    "get_loop",
    "__init__",
    "__iter__",
    "__repr__",
    "_make_cancelled_error",
]
TRANSPORT_METHODS = [
    "write",
    "writelines",
    "write_eof",
    "close",
    "abort",
    "pause_reading",
    "resume_reading",
    "set_write_buffer_limits",
    "set_protocol",
    "get_extra_info",
    "is_closing",
    "get_write_buffer_size",
    "get_write_buffer_limits",
    "is_reading",
    "__repr__",
]
# Where ours is better on purpose (docs/differences.md), or where asyncio answers later.
INCOMPARABLE = {"get_extra_info", "write", "writelines", "add_reader", "add_writer"}


ERRORS = {"TypeError", "AttributeError", "ValueError", "RuntimeError", "ZeroDivisionError"}


class Side:
    """One loop with its futures and transports."""

    def __init__(self, loop):
        self.loop = loop
        self.reports = []
        loop.set_exception_handler(lambda loop, context: self.reports.append(context))
        self.futures = [loop.create_future() for _ in range(3)]
        self.transports, self.sockets = [], []
        for _ in range(2):
            near, far = socket.socketpair()
            near.setblocking(False)
            transport, _ = loop.run_until_complete(
                loop.create_unix_connection(asyncio.Protocol, sock=near)
            )
            self.transports.append(transport)
            self.sockets.append(far)

    def call(self, target, name, *args):
        """What calling it comes to."""
        try:
            getattr(target, name)(*args)
        except BaseException as error:
            return type(error).__name__
        return "fine"

    def turn(self):
        if self.loop.is_closed():
            return
        stop = self.loop.call_later(0.0005, self.loop.stop)
        signal.alarm(5)
        with contextlib.suppress(ZeroDivisionError):
            self.loop.run_forever()
        signal.alarm(0)
        stop.cancel()  # a stop() before the run may have ended it first

    def close(self):
        for future in self.futures:
            with contextlib.suppress(BaseException):
                future.exception()
        for transport in self.transports:
            with contextlib.suppress(BaseException):
                transport.abort()
        for far in self.sockets:
            far.close()
        if not self.loop.is_closed():
            self.loop.set_exception_handler(None)
            self.loop.set_exception_handler(lambda loop, context: None)
            self.loop.set_task_factory(None)
            self.turn()
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.turn()
            assert_usable(self.loop)
            self.loop.close()


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.ours = Side(loop_of_the_kind())
        self.model = Side(asyncio.SelectorEventLoop())

    def both(self, name, act):
        ours, model = act(self.ours), act(self.model)
        # After loop.close() ours is closed with it, while asyncio's transports want their loop.
        closed = name in TRANSPORT_METHODS and self.model.loop.is_closed()
        if name not in INCOMPARABLE and not closed:
            # Two mistakes in one call may be noticed in another order.
            same = ours == model or {ours, model} <= ERRORS
            assert same, f"{name}: {ours}, and asyncio: {model}"

    @rule(name=st.sampled_from(METHODS), args=st.lists(junk, max_size=2))
    def loop_method(self, name, args):
        if name == "run_forever":
            self.ours.turn()
            self.model.turn()
            return
        if name in ("add_signal_handler", "remove_signal_handler", "call_exception_handler"):
            args = args[:0]
        if name == "run_until_complete" and not args:
            return
        if name in ("create_task", "set_task_factory") and len(args) == 2:
            args = args[:1]
        self.both(name, lambda side: side.call(side.loop, name, *(JUNK[a] for a in args)))

    @rule(name=st.sampled_from(["call_later", "call_at"]), delay=delays, callback=junk)
    def timer(self, name, delay, callback):
        for side in (self.ours, self.model):
            if delay < FIT_FOR_ASYNCIO or (side is self.ours and KIND == "hotloop"):
                side.call(side.loop, name, DELAYS[delay], JUNK[callback])

    @rule(
        index=st.integers(0, 2),
        name=st.sampled_from(FUTURE_METHODS),
        args=st.lists(junk, max_size=2),
    )
    def future_method(self, index, name, args):
        self.both(
            name,
            lambda side: side.call(side.futures[index], name, *(JUNK[a] for a in args)),
        )

    @rule(
        index=st.integers(0, 1),
        name=st.sampled_from(TRANSPORT_METHODS),
        args=st.lists(junk, max_size=2),
    )
    def transport_method(self, index, name, args):
        if name == "set_protocol":
            args = []
        self.both(
            name,
            lambda side: side.call(side.transports[index], name, *(JUNK[a] for a in args)),
        )

    @rule(name=st.sampled_from(METHODS), argument=junk)
    def reentrant(self, name, argument):
        """The same from inside a callback."""

        def act(side):
            if side.loop.is_closed():
                return "closed"
            seen = []
            args = () if name in ("stop", "close", "run_forever", "time") else (JUNK[argument],)
            side.loop.call_soon(lambda: seen.append(side.call(side.loop, name, *args)))
            side.turn()
            return seen

        if name not in ("add_signal_handler", "remove_signal_handler", "call_exception_handler"):
            self.both(name, act)

    @rule(index=st.integers(0, 1), data=st.binary(min_size=1, max_size=10))
    def peer_writes(self, index, data):
        for side in (self.ours, self.model):
            with contextlib.suppress(OSError):
                side.sockets[index].setblocking(False)
                side.sockets[index].send(data)

    @rule(index=st.integers(0, 1))
    def peer_closes(self, index):
        self.ours.sockets[index].close()
        self.model.sockets[index].close()

    @rule()
    def turn(self):
        self.ours.turn()
        self.model.turn()

    @invariant()
    def both_are_in_the_same_state(self):
        assert self.ours.loop.is_closed() == self.model.loop.is_closed()
        assert not self.ours.loop.is_running()

    def teardown(self):
        self.ours.close()
        self.model.close()


run_state_machine_as_test(
    Machine,
    settings=settings(
        max_examples=EXAMPLES,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        # A hang costs five seconds a try: a failure is shown as it was found.
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    ),
)
print("fine", KIND)
