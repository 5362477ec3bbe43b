# SPDX-License-Identifier: MIT
"""Which classes of each CPython test file are run, and with what in the place of asyncio's own.

Most files need nothing: their tests ask asyncio for a loop and get ours (see loops.plug). The
recipes here are for files whose tests are generic over a Task, Future or loop class, and drop
the classes that test the stdlib's implementation and never meet ours.
"""

from __future__ import annotations

import fnmatch
import types
import unittest
from collections.abc import Callable
from typing import Any
from unittest import mock

from .loops import Kind

# Whole files that test the inside of the stdlib's own loops.
NOT_OURS = {
    "test_selector_events": "the inside of the stdlib's selector loop and its transports",
    "test_proactor_events": "the inside of the stdlib's proactor loop",
    "test_windows_events": "Windows only",
    "test_windows_utils": "Windows only",
    "test_ctrl_c_in_proactor_loop_helper": "Windows only",
}

# Classes that never touch the loop, Task or Future under test. "*" is every file.
_DROPPED = {
    "*": ["*Proactor*"],
    "test_base_events": ["BaseLoopSockSendfileTests", "TestSelectorUtils"],
    "test_events": ["KqueueEventLoopTests", "EPollEventLoopTests", "PollEventLoopTests",
                    "SelectEventLoopTests"],
    "test_graph": ["TestCallStackPy"],  # of Python's own Task, by Python's own bookkeeping
    "test_futures": ["CFuture*", "CSubFuture*", "PyFuture*"],
    "test_sendfile": ["*EventLoopTests"],
    "test_sock_lowlevel": ["*EventLoopTests"],
    "test_subprocess": ["SubprocessTransportTests", "*Watcher*"],
    "test_tasks": ["CTask_CFuture_*", "CTask_PyFuture_*", "PyTask_*", "CTaskSubclass_*",
                   "FutureGatherTests", "CoroutineGatherTests"],
    "test_unix_events": ["*PipeTransportTests", "*ChildWatcher*", "PolicyTests"],
}  # fmt: skip

Recipe = Callable[[Any, Kind], dict[str, type]]
_RECIPES: dict[str, Recipe] = {}


def _recipe(function: Recipe) -> Recipe:
    """Register `function` for the file it is named after."""
    _RECIPES[function.__name__] = function
    return function


def classes(file: str, module: types.ModuleType, kind: Kind) -> list[type[unittest.TestCase]]:
    """Return the test classes to run of the imported `module` of test file `file`."""
    dropped = _DROPPED["*"] + _DROPPED.get(file, [])
    found = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, unittest.TestCase)
        and value.__module__ == module.__name__
        and not any(fnmatch.fnmatchcase(name, pattern) for pattern in dropped)
    }
    if file in _RECIPES:
        found.update(_RECIPES[file](module, kind))
    return list(found.values())


def _make(module: Any, name: str, *bases: type, **attributes: Any) -> dict[str, type]:
    """Return {name: class} for a test class that looks as if written in `module`.

    unittest finds the module's fixtures through ``__module__``.
    """
    attributes["__module__"] = module.__name__
    return {name: type(name, bases, attributes)}


@_recipe
def test_tasks(module: Any, kind: Kind) -> dict[str, type]:
    case = module.test_utils.TestCase
    base = module.BaseTaskTests
    py_task, c_task = module.tasks._PyTask, module.tasks._CTask
    py_future, c_future = module.futures._PyFuture, module.futures._CFuture
    made: dict[str, type] = {}

    def pair(name: str, task: type, future: type, *bases: type) -> None:
        # From 3.14 a Python task is only known to the functions in Python, and a C task to those
        # in C; the tests ask the class for the pair that goes with its Task.
        flavour = "_py_" if task is py_task else "_c_"
        functions = {
            function: staticmethod(getattr(module.tasks, flavour + function))
            for function in ("all_tasks", "current_task")
            if hasattr(module.tasks, flavour + function)
        }
        made.update(_make(module, name, *bases, Task=task, Future=future, **functions))

    # The stdlib's class for its C pair also holds the tests for what only C can get wrong.
    pair("NativeTask_NativeFuture_Tests", kind.Task, kind.Future, module.CTask_CFuture_Tests)
    pair("NativeTask_CFuture_Tests", kind.Task, c_future, base, case)
    pair("NativeTask_PyFuture_Tests", kind.Task, py_future, base, case)
    pair("CTask_NativeFuture_Tests", c_task, kind.Future, base, case)
    pair("PyTask_NativeFuture_Tests", py_task, kind.Future, base, case)
    for name, task, future in (
        ("NativeTask_NativeFuture_SubclassTests", kind.Task, kind.Future),
        ("NativeTask_CFuture_SubclassTests", kind.Task, c_future),
        ("CTask_NativeFuture_SubclassTests", c_task, kind.Future),
    ):
        pair(name, task, future, base, case)
        module.add_subclass_tests(made[name])

    def new_task(self: Any, coro: Any) -> Any:
        return kind.Task(coro, loop=self.loop)

    made.update(
        _make(
            module,
            "NativeCurrentLoopTests",
            module.BaseCurrentLoopTests,
            case,
            current_task=staticmethod(module.asyncio.current_task),
            new_task=new_task,
        )
    )
    for name in ("FutureGatherTests", "CoroutineGatherTests"):
        made.update(_gather(module, kind, name))
    return made


def _gather(module: Any, kind: Kind, name: str) -> dict[str, type]:
    """The gather tests with our futures, and with our tasks around coroutines."""
    base = getattr(module, name)

    def make_native(loop: Any) -> None:
        def task_factory(loop: Any, coro: Any, **options: Any) -> Any:
            return kind.Task(coro, loop=loop, **options)

        loop.create_future = lambda: kind.Future(loop=loop)
        loop.set_task_factory(task_factory)

    def set_up(self: Any) -> None:
        base.setUp(self)
        make_native(self.one_loop)
        make_native(self.other_loop)

    return _make(module, f"Native{name}", base, setUp=set_up)


@_recipe
def test_futures(module: Any, kind: Kind) -> dict[str, type]:
    case = module.test_utils.TestCase
    sub_future = type("SubFuture", (kind.Future,), {})

    def new_future(self: Any) -> Any:
        return kind.Future(loop=self.loop)

    def new_sub_future(self: Any) -> Any:
        return sub_future(loop=self.loop)

    done, inherit = module.BaseFutureDoneCallbackTests, module.BaseFutureInheritanceTests
    return {
        **_make(module, "NativeFutureTests", module.CFutureTests, cls=kind.Future),
        **_make(module, "NativeSubFutureTests", module.CSubFutureTests, cls=sub_future),
        **_make(module, "NativeFutureDoneCallbackTests", done, case, _new_future=new_future),
        **_make(module, "NativeSubFutureDoneCallbackTests", done, case, _new_future=new_sub_future),
        **_make(
            module,
            "NativeFutureInheritanceTests",
            inherit,
            case,
            _get_future_cls=lambda self: kind.Future,
        ),
    }


@_recipe
def test_futures2(module: Any, kind: Kind) -> dict[str, type]:
    base = getattr(module, "CFutureTests", None)
    if base is not None:
        return _make(module, "NativeFutureTests", base, cls=kind.Task)
    # Before 3.12 the tests were written for the asyncio.Task of the day.
    return _make(module, "NativeFutureTests", module.FutureTests, cls=kind.Task)


@_recipe
def test_eager_task_factory(module: Any, kind: Kind) -> dict[str, type]:
    bases = {
        "NativeEagerTaskFactoryLoopTests": module.CEagerTaskFactoryLoopTests,
        "NativeNonEagerTests": module.NonEagerCTaskTests,
        "NativeEagerTests": module.EagerCTaskTests,
    }
    made: dict[str, type] = {}
    for name, base in bases.items():
        made.update(_make(module, name, base, Task=kind.Task))
    return made


def _loop_tests(module: Any, kind: Kind) -> dict[str, type]:
    """One class for our loop instead of one for each of the stdlib's selectors."""
    return _make(
        module,
        "LoopTests",
        module.SelectEventLoopTests,
        create_event_loop=lambda self: kind.new_loop(),
    )


@_recipe
def test_events(module: Any, kind: Kind) -> dict[str, type]:
    made = _loop_tests(module, kind)
    for name in ("HandleTests", "TimerTests"):
        made.update(_handles(module, kind, name))
    return made


def _handles(module: Any, kind: Kind, name: str) -> dict[str, type]:
    """A class of tests that call asyncio.Handle() and TimerHandle(), calling ours instead."""
    base = getattr(module, name)

    def set_up(self: Any) -> None:
        for handle in ("Handle", "TimerHandle"):
            patch = mock.patch.object(module.asyncio, handle, getattr(kind, handle))
            patch.start()
            self.addCleanup(patch.stop)
        base.setUp(self)

    return _make(module, f"Native{name}", base, setUp=set_up)


for _name in ("test_sendfile", "test_sock_lowlevel"):
    _RECIPES[_name] = _loop_tests


@_recipe
def test_subprocess(module: Any, kind: Kind) -> dict[str, type]:
    case = module.test_utils.TestCase

    def set_up(self: Any) -> None:
        case.setUp(self)
        self.loop = kind.new_loop()
        self.set_event_loop(self.loop)

    return _make(module, "LoopTests", module.SubprocessMixin, case, setUp=set_up)


@_recipe
def test_base_events(module: Any, kind: Kind) -> dict[str, type]:
    base = module.BaseEventLoopTests
    if kind.name == "asyncio":
        return {}  # the class is about its BaseEventLoop, not about the loop made from that

    def set_up(self: Any) -> None:
        # Instead of the base's own, which builds a BaseEventLoop over a mock selector.
        super(base, self).setUp()
        self.loop = kind.new_loop()
        self.set_event_loop(self.loop)

    return _make(module, "BaseEventLoopTests", base, setUp=set_up)


@_recipe
def test_runners(module: Any, kind: Kind) -> dict[str, type]:
    def new_loop(self: Any) -> Any:
        loop: Any = kind.new_loop()
        loop.shutdown_ag_run = False
        original = loop.shutdown_asyncgens

        async def shutdown_asyncgens() -> None:
            loop.shutdown_ag_run = True
            await original()

        loop.shutdown_asyncgens = shutdown_asyncgens
        return loop

    module.BaseTest.new_loop = new_loop
    return {}


@_recipe
def test_free_threading(module: Any, kind: Kind) -> dict[str, type]:
    def factory(self: Any, loop: Any, coro: Any, **options: Any) -> Any:
        return kind.Task(coro, loop=loop, **options)

    def eager_factory(
        self: Any, loop: Any, coro: Any, eager_start: bool = True, **more: Any
    ) -> Any:
        return kind.Task(coro, loop=loop, eager_start=eager_start, **more)

    base = module.TestCFreeThreading
    return {
        **_make(module, "TestNativeFreeThreading", base, factory=factory),
        **_make(module, "TestEagerNativeFreeThreading", base, factory=eager_factory),
    }
