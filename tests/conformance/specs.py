"""Which classes of each upstream test file are run, which are made anew, and which are left out and why.

Every TestCase class of every file has to match one line here: a new one, in a new Python, fails the run
until somebody has decided about it.
"""

from __future__ import annotations

import re
import unittest
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType

import recipes
from recipes import Recipe, Roles, TestClass

# Reasons that recur.
_REMADE = "made anew for the target from the same mixin"
_STDLIB_TWIN = "the stdlib's own C or Python twin; the target's is made anew from the same mixin"
_PROACTOR = "Windows only"
_STDLIB_TRANSPORT = "calls the methods of the stdlib's own transport classes on a mocked loop"
_CHILD_WATCHER = "child watchers, removed in 3.14, are the stdlib loop's way to wait for processes"


@dataclass(frozen=True, slots=True)
class Spec:
    """What becomes of the classes of one upstream file. Names are regular expressions, matched in full."""

    stock: tuple[str, ...] = ()
    """Classes run unchanged."""
    made: Recipe | None = None
    """Makes further classes from the file's mixins."""
    white_box: tuple[str, ...] = ()
    """Classes run unchanged that look inside the stdlib's loop in many tests, but not in all."""
    on_virtual_time: str = ""
    """Classes of these, stock or made, whose tests run on upstream's TestLoop: run on the target's as well."""
    made_white_box: Recipe | None = None
    """Makes further classes of that kind."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Classes that are not run, and why not."""


@dataclass(frozen=True, slots=True)
class Suite:
    """One class to run."""

    cls: TestClass
    white_box: bool


_EVERY_CLASS = Spec(stock=(".*",))
_SELECTOR_LOOPS = {"(EPoll|Poll|Select|Kqueue)EventLoopTests": _REMADE}

SPECS: dict[str, Spec] = {
    "test_base_events": Spec(
        stock=("RunningLoopTests",),
        made_white_box=recipes.base_events,
        left_out={
            "BaseEventLoopTests|BaseEventLoopWithSelectorTests|BaseLoopSockSendfileTests": _REMADE,
            "BaseEventTests|TestSelectorUtils": "private functions of base_events",
        },
    ),
    "test_buffered_proto": Spec(
        stock=("BufferedProtocolSelectorTests",),
        left_out={"BufferedProtocolProactorTests": _PROACTOR},
    ),
    "test_context": _EVERY_CLASS,
    "test_eager_task_factory": Spec(
        stock=("DefaultTaskFactoryEagerStart",),
        made=recipes.eager_tasks,
        left_out={
            "(Py|C)EagerTaskFactoryLoopTests|(Non)?Eager(CTask|PyTask)?Tests": _STDLIB_TWIN,
        },
    ),
    "test_events": Spec(
        stock=(
            "HandleTests",
            "TimerTests",
            "AbstractEventLoopTests",
            "PolicyTests",
            "TestCGetEventLoop",
            "TestServer",
            "TestAbstractServer",
            "UnixPipeObjectSupportTests",
        ),
        made=recipes.event_loop,
        left_out={
            **_SELECTOR_LOOPS,
            "TestPyGetEventLoop": "swaps the stdlib's pure Python get_running_loop in; one is enough",
        },
    ),
    "test_free_threading": Spec(
        made=recipes.free_threading,
        left_out={"Test(Eager)?(C|Py)FreeThreading": _STDLIB_TWIN},
    ),
    "test_futures": Spec(
        stock=("DuckTests",),
        made=recipes.futures,
        on_virtual_time="Target(Sub)?Future(DoneCallback)?Tests",
        left_out={"(C|Py)(Sub)?Future(DoneCallback|Inheritance)?Tests": _STDLIB_TWIN},
    ),
    "test_futures2": Spec(
        stock=("FutureReprTests",),
        made=recipes.task_tracebacks,
        left_out={"(C|Py)FutureTests": _STDLIB_TWIN},
    ),
    "test_graph": Spec(
        made=recipes.call_graph,
        left_out={"TestCallStack(C|Py)": _STDLIB_TWIN},
    ),
    "test_locks": _EVERY_CLASS,
    "test_pep492": _EVERY_CLASS,
    "test_proactor_events": Spec(left_out={".*": _PROACTOR}),
    "test_protocols": _EVERY_CLASS,
    "test_queues": _EVERY_CLASS,
    "test_runners": _EVERY_CLASS,
    "test_selector_events": Spec(left_out={".*": _STDLIB_TRANSPORT}),
    "test_sendfile": Spec(made=recipes.on_loop("SendfileTestsBase"), left_out=_SELECTOR_LOOPS),
    "test_server": Spec(
        stock=("SelectorStartServerTests", "TestServer2", "UnixServerCleanupTests"),
        left_out={"ProactorStartServerTests": _PROACTOR},
    ),
    "test_server_context": Spec(
        stock=("AsyncioEventLoop(SSL)?Tests",),
        left_out={"Asyncio(Proactor|Selector)EventLoop(SSL)?Tests": _PROACTOR},
    ),
    "test_sock_lowlevel": Spec(
        made=recipes.on_loop("BaseSockTestsMixin"),
        left_out=_SELECTOR_LOOPS,
    ),
    "test_ssl": _EVERY_CLASS,
    "test_sslproto": Spec(
        stock=("SelectorStartTLSTests",),
        white_box=("SslProtoHandshakeTests",),
        left_out={"ProactorStartTLSTests": _PROACTOR},
    ),
    "test_staggered": _EVERY_CLASS,
    "test_streams": _EVERY_CLASS,
    "test_subprocess": Spec(
        made=recipes.subprocess,
        left_out={
            "Subprocess(Fast|Safe|Pidfd|Threaded|MultiLoop)WatcherTests": _REMADE,
            "SubprocessTransportTests": "a subclass of the stdlib's private base_subprocess transport",
            "GenericWatcherTests|MultiLoopChildWatcherTests": _CHILD_WATCHER,
        },
    ),
    "test_taskgroups": _EVERY_CLASS,
    "test_tasks": Spec(
        stock=(
            "CTask_Future_Tests",
            "GenericTaskTests",
            "FutureGatherTests",
            "CoroutineGatherTests",
            "RunCoroutineThreadsafeTests",
            "SleepTests",
            "CompatibilityTests",
            "WaitTests",
            "GatherTests.*",
        ),
        made=recipes.tasks,
        on_virtual_time="(StdlibTaskOnTarget|(Target|C)Task_.*_?(Subclass)?)Tests",
        left_out={
            "(C|Py)Task(Subclass)?_(C|Py)Future(Subclass)?_(Subclass)?Tests": _STDLIB_TWIN,
            "(C|Py)(CurrentLoop|Introspection)Tests": _STDLIB_TWIN,
        },
    ),
    "test_threads": _EVERY_CLASS,
    "test_timeouts": _EVERY_CLASS,
    "test_tools": Spec(left_out={".*": "asyncio's command line for looking into other processes"}),
    "test_transports": _EVERY_CLASS,
    "test_unix_events": Spec(
        stock=("TestFunctional", "TestFork"),
        white_box=(
            "SelectorEventLoopUnixSocketTests",
            "SelectorEventLoopSignalTests",
            "SelectorEventLoopUnixSockSendfileTests",
        ),
        left_out={
            "Unix(Read|Write)PipeTransportTests": _STDLIB_TRANSPORT,
            "(Abstract|Base|Fast|Safe|Pidfd)ChildWatcherTests|PolicyTests": _CHILD_WATCHER,
        },
    ),
    "test_waitfor": _EVERY_CLASS,
    "test_windows_events": Spec(left_out={".*": _PROACTOR}),
    "test_windows_utils": Spec(left_out={".*": _PROACTOR}),
}


def suites(file: str, module: ModuleType, target: ModuleType) -> list[Suite]:
    """The classes of one imported test module that are to be run against the target."""
    spec, roles = SPECS[file], Roles.of(target)
    chosen = []
    for cls in _own_cases(module):
        if _matches(cls, spec.stock):
            chosen.append(Suite(cls, white_box=False))
        elif _matches(cls, spec.white_box):
            chosen.append(Suite(cls, white_box=True))
    if spec.made:
        chosen += [Suite(cls, white_box=False) for cls in spec.made(module, roles)]
    if roles.test_loop:
        twins = [
            recipes.on_virtual_time(suite.cls, roles)
            for suite in chosen
            if _matches(suite.cls, (spec.on_virtual_time,))
        ]
        chosen += [Suite(cls, white_box=False) for cls in twins]
    if spec.made_white_box:
        chosen += [Suite(cls, white_box=True) for cls in spec.made_white_box(module, roles)]
    return chosen


def unmentioned(file: str, module: ModuleType) -> list[str]:
    """The names of classes that no line of the file's spec covers."""
    spec = SPECS[file]
    covered = (*spec.stock, *spec.white_box, *spec.left_out)
    return [cls.__name__ for cls in _own_cases(module) if not _matches(cls, covered)]


def _own_cases(module: ModuleType) -> Iterator[TestClass]:
    for _, value in sorted(vars(module).items()):
        is_case = isinstance(value, type) and issubclass(value, unittest.TestCase)
        if is_case and value.__module__ == module.__name__:
            yield value


def _matches(cls: TestClass, patterns: tuple[str, ...]) -> bool:
    return any(re.fullmatch(pattern, cls.__name__) for pattern in patterns)
