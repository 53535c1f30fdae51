"""Test classes made anew from upstream's mixins, with the hooks they leave open filled in by a target.

Upstream keeps many tests in mixins and instantiates them once per selector, or once per C and Python
twin. Each function here instantiates the mixins of one file for the target instead, and returns classes
whose names begin with `Target` where the target is what they test.
"""

from __future__ import annotations

import asyncio
import unittest
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

import virtual_time

TestClass = type[unittest.TestCase]

# Untyped, like all of the private machinery below: typeshed knows none of it.
_futures: Any = asyncio.futures
_tasks: Any = asyncio.tasks


@dataclass(frozen=True, slots=True)
class Roles:
    """The classes of a target that the hooks ask for; None where the target leaves the stdlib's."""

    target: ModuleType
    loop: Callable[[], asyncio.AbstractEventLoop]
    future: Any
    task: Any
    test_loop: Any
    """Its loop with a time that tests move."""

    @classmethod
    def of(cls, target: ModuleType) -> Roles:
        """Read them off the target module."""
        return cls(
            target=target,
            loop=target.EventLoop,
            future=getattr(target, "Future", None),
            task=getattr(target, "Task", None),
            test_loop=virtual_time.loop_class(target),
        )

    @property
    def task_or_stdlib(self) -> Any:
        """The target's Task, or the stdlib's if it has none."""
        return self.task or asyncio.Task

    @property
    def has_own_task(self) -> bool:
        """Whether the target brings both Task and Future."""
        return self.task is not None and self.future is not None

    @property
    def is_stdlib_loop(self) -> bool:
        """Whether the loop is the stdlib's own, whose internals may be looked at."""
        return isinstance(self.loop, type) and issubclass(self.loop, asyncio.BaseEventLoop)


Recipe = Callable[[ModuleType, Roles], list[TestClass]]


def _case() -> Any:
    """Upstream's base TestCase. Looked up late: importing it imports asyncio's test support."""
    return import_module("test.test_asyncio.utils").TestCase


def _make(module: ModuleType, name: str, bases: tuple[Any, ...], **hooks: Any) -> TestClass:
    return type(name, bases, {"__module__": module.__name__, "__qualname__": name, **hooks})


def _loop_in_setup(roles: Roles) -> Callable[[Any], None]:
    """A setUp that gives the test a fresh loop of the target as `self.loop`."""

    def set_up(self: Any) -> None:
        _case().setUp(self)
        self.loop = roles.loop()
        self.set_event_loop(self.loop)

    return set_up


def on_virtual_time(cls: TestClass, roles: Roles) -> TestClass:
    """Make of a class whose tests run on upstream's TestLoop one whose tests run on the target's."""

    def new_test_loop(self: Any, gen: Any = None) -> Any:
        loop = roles.test_loop(gen)
        self.set_event_loop(loop)
        return loop

    module = import_module(cls.__module__)
    return _make(module, f"{cls.__name__}OnVirtualTime", (cls,), new_test_loop=new_test_loop)


def event_loop(module: ModuleType, roles: Roles) -> list[TestClass]:
    """The public surface of the loop, and subprocesses (test_events)."""

    def create_event_loop(_self: Any) -> Any:
        loop: Any = roles.loop()
        if not hasattr(loop, "_stop_serving"):
            # One test ends with this private name, after all that it has to ask.
            loop._stop_serving = loop.remove_reader
        return loop

    bases = (module.EventLoopTestsMixin, module.SubprocessTestsMixin, _case())
    return [_make(module, "TargetEventLoopTests", bases, create_event_loop=create_event_loop)]


def on_loop(mixin: str) -> Recipe:
    """Recipe for a file whose tests are one mixin that asks only for a loop."""

    def recipe(module: ModuleType, roles: Roles) -> list[TestClass]:
        name = "Target" + mixin.removesuffix("Mixin").removesuffix("Base")
        bases = (getattr(module, mixin), _case())
        return [_make(module, name, bases, create_event_loop=lambda _: roles.loop())]

    return recipe


def base_events(module: ModuleType, roles: Roles) -> list[TestClass]:
    """What BaseEventLoop promises, asked of the target's loop (test_base_events).

    Many of these tests look inside, many do not. The stdlib's own loop keeps the stock setUp, which gives
    it the mocked selector that some of them rely on.
    """
    set_up_loop = _loop_in_setup(roles)

    def set_up(self: Any) -> None:
        set_up_loop(self)
        if not hasattr(self.loop, "_run_once"):
            # One turn, which is all that some tests want of this private name.
            self.loop._run_once = partial(module.test_utils.run_once, self.loop)

    def set_up_with_file(self: Any) -> None:
        set_up(self)
        # setUpClass of the stock class wrote it.
        self.file = self.enterContext(open(module.os_helper.TESTFN, "rb"))

    set_ups = {
        "BaseEventLoopTests": set_up,
        "BaseEventLoopWithSelectorTests": set_up,
        "BaseLoopSockSendfileTests": set_up_with_file,
    }
    hooks = {
        name: {} if roles.is_stdlib_loop else {"setUp": hook} for name, hook in set_ups.items()
    }
    return [
        _make(module, f"Target{name}", (getattr(module, name),), **hooks[name]) for name in set_ups
    ]


def subprocess(module: ModuleType, roles: Roles) -> list[TestClass]:
    """asyncio.create_subprocess_* (test_subprocess)."""
    bases = (module.SubprocessMixin, _case())
    return [_make(module, "TargetSubprocessTests", bases, setUp=_loop_in_setup(roles))]


def futures(module: ModuleType, roles: Roles) -> list[TestClass]:
    """The target's Future and a subclass of it (test_futures)."""
    if not roles.has_own_task:
        return []
    case = _case()
    made: list[TestClass] = []
    for name, cls in (
        ("TargetFuture", roles.future),
        ("TargetSubFuture", type("SubFuture", (roles.future,), {})),
    ):
        made += [
            _make(module, f"{name}Tests", (module.BaseFutureTests, case), cls=cls),
            _make(
                module,
                f"{name}DoneCallbackTests",
                (module.BaseFutureDoneCallbackTests, case),
                _new_future=lambda self, cls=cls: cls(loop=self.loop),
            ),
        ]
    inheritance = (module.BaseFutureInheritanceTests, case)
    made.append(
        _make(
            module,
            "TargetFutureInheritanceTests",
            inheritance,
            _get_future_cls=lambda _: roles.future,
        )
    )
    return made


def task_tracebacks(module: ModuleType, roles: Roles) -> list[TestClass]:
    """Tracebacks of tasks that failed (test_futures2)."""
    bases = (module.FutureTests, unittest.IsolatedAsyncioTestCase)
    return [_make(module, "TargetTaskTracebackTests", bases, cls=roles.task_or_stdlib)]


def eager_tasks(module: ModuleType, roles: Roles) -> list[TestClass]:
    """Eager task factories on the target's loop (test_eager_task_factory)."""
    return [
        _make(module, f"Target{name}Tests", (base, _case()), Task=roles.task_or_stdlib)
        for name, base in (
            ("EagerTaskFactoryLoop", module.EagerTaskFactoryLoopTests),
            ("NonEagerTaskFactory", module.BaseNonEagerTaskFactoryTests),
            ("EagerTaskFactory", module.BaseEagerTaskFactoryTests),
        )
    ]


def free_threading(module: ModuleType, roles: Roles) -> list[TestClass]:
    """Tasks made and looked at from many threads (test_free_threading, 3.14 and newer)."""
    task = roles.task_or_stdlib

    def lazy(_self: Any, loop: Any, coro: Any, **options: Any) -> Any:
        return task(coro, loop=loop, **options)

    def eager(_self: Any, loop: Any, coro: Any, **options: Any) -> Any:
        return task(coro, loop=loop, **{"eager_start": True, **options})

    bases = (module.TestFreeThreading, unittest.TestCase)
    return [
        _make(module, "TargetFreeThreadingTests", bases, factory=lazy),
        _make(module, "TargetEagerFreeThreadingTests", bases, factory=eager),
    ]


def call_graph(module: ModuleType, _roles: Roles) -> list[TestClass]:
    """asyncio.capture_call_graph and print_call_graph (test_graph, 3.14 and newer)."""
    bases = (module.CallStackTestBase, unittest.IsolatedAsyncioTestCase)
    return [_make(module, "TargetCallStackTests", bases)]


def tasks(module: ModuleType, roles: Roles) -> list[TestClass]:
    """Tasks: the target's with every kind of future, or the stdlib's beside the target's loop.

    Most of these tests run on upstream's virtual-time TestLoop, and thereby prove a Task on a foreign loop.
    """
    if roles.has_own_task:
        return [*_own_task_pairs(module, roles), *_own_introspection(module, roles)]
    hooks = _introspection_hooks(roles)
    bases = (module.BaseTaskTests, module.SetMethodsTest, _case())
    stdlib_task = {"Task": _stdlib_task(), "Future": _stdlib_future()}
    return [
        _make(module, "StdlibTaskOnTargetTests", bases, **stdlib_task, **hooks),
        _current_loop_tests(module, roles),
    ]


def _stdlib_task() -> Any:
    return getattr(_tasks, "_CTask", _tasks._PyTask)


def _stdlib_future() -> Any:
    return getattr(_futures, "_CFuture", _futures._PyFuture)


def _introspection_hooks(roles: Roles) -> dict[str, Any]:
    """What the mixins of 3.14 ask for in addition; harmless on older ones."""
    names = ("all_tasks", "current_task")
    return {
        name: staticmethod(getattr(roles.target, name, getattr(asyncio, name))) for name in names
    }


def _own_task_pairs(module: ModuleType, roles: Roles) -> list[TestClass]:
    """The target's Task with our, C and Python futures; the C Task with the target's Future."""
    case, own_task, own_future = _case(), roles.task, roles.future
    hooks = _introspection_hooks(roles)
    full = (module.BaseTaskTests, module.SetMethodsTest, case)
    plain = (module.BaseTaskTests, case)
    pairs = [
        ("TargetTask_TargetFuture_Tests", full, own_task, own_future),
        ("TargetTask_CFuture_Tests", plain, own_task, _stdlib_future()),
        ("TargetTask_PyFuture_Tests", plain, own_task, _futures._PyFuture),
        ("CTask_TargetFuture_Tests", plain, _stdlib_task(), own_future),
    ]
    made = [
        _make(module, name, bases, Task=task, Future=future, **hooks)
        for name, bases, task, future in pairs
    ]
    subclasses = "TargetTask_TargetFuture_SubclassTests"
    twin = _make(module, subclasses, plain, Task=own_task, Future=own_future, **hooks)
    made.append(module.add_subclass_tests(twin))
    return made


def _own_introspection(module: ModuleType, roles: Roles) -> list[TestClass]:
    """Registration of tasks with the target's own functions, where it has them, and the current loop."""
    registration = ("_register_task", "_unregister_task", "_enter_task", "_leave_task")
    made = [_current_loop_tests(module, roles)]
    if all(hasattr(roles.target, name) for name in registration):
        hooks = {name: staticmethod(getattr(roles.target, name)) for name in registration}
        hooks |= _introspection_hooks(roles)
        bases = (_case(), module.BaseTaskIntrospectionTests)
        made.append(_make(module, "TargetIntrospectionTests", bases, Task=roles.task, **hooks))
    return made


def _current_loop_tests(module: ModuleType, roles: Roles) -> TestClass:
    def new_task(self: Any, coro: Any) -> Any:
        return roles.task_or_stdlib(coro, loop=self.loop)

    hooks = _introspection_hooks(roles)
    bases = (module.BaseCurrentLoopTests, _case())
    return _make(module, "TargetCurrentLoopTests", bases, new_task=new_task, **hooks)
