"""Random programs of tasks leave the same trace with our Future and Task as with the standard library's.

The pure Python classes are the reference, because every step of theirs can be read; the C classes have to agree with
them, and whatever is native is compared with the C classes in still finer detail. AIOXIDE_TASK_PROGRAMS is the number
of programs to try, and asks for fresh ones; without it the same few hundred are tried each time.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from tests.namespaces import native

import aioxide

from .task_program_parts import CAUGHT, ERRORS, Kind, Program, loop_with
from .task_programs import FUTURES, run

asked_for = os.environ.get("AIOXIDE_TASK_PROGRAMS")
PROGRAMS = settings(
    max_examples=int(asked_for or 250),
    derandomize=not asked_for,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

_futures: Any = asyncio.futures
_tasks: Any = asyncio.tasks
PyFuture, PyTask = _futures._PyFuture, _tasks._PyTask
OurFuture, OurTask = aioxide.Future, aioxide.Task


def kind(name: str, base: Any, task: Any, future: Any, *, in_python: bool = False) -> Kind:
    return Kind(name, task, future, loop_with(base, task, future), in_python)


def heir(parent: Any) -> Any:
    """Two classes deep, as users do."""
    return type(parent.__name__, (type("Middle", (parent,), {}),), {})


STDLIB, OURS = asyncio.SelectorEventLoop, aioxide.EventLoop
PYTHON = kind("Python", STDLIB, PyTask, PyFuture, in_python=True)
C = kind("C", STDLIB, asyncio.Task, asyncio.Future)
PYTHON_ON_OURS = kind("Python on our loop", OURS, PyTask, PyFuture, in_python=True)
NAMES = ["Lock", "TaskGroup", "gather", "shield", "sleep", "timeout", "wait", "wait_for"]
if sys.version_info < (3, 13):
    # Ours is as on the newest Python: it takes back that it has cancelled its parent when it raises.
    NAMES.remove("TaskGroup")
WITH_NATIVES = SimpleNamespace(
    **{**vars(asyncio), **{name: native(name) or getattr(asyncio, name) for name in NAMES}}
)
WHOLLY_OURS = Kind("our loop as it is", OurTask, OurFuture, OURS)
NATIVE = replace(WHOLLY_OURS, name="natives on our loop", names=WITH_NATIVES)
OURS_ON_THEIRS = kind("ours on the stdlib's loop", STDLIB, OurTask, OurFuture)
MIXED = [
    kind("C on our loop", OURS, asyncio.Task, asyncio.Future),
    kind("heirs of C", STDLIB, heir(asyncio.Task), heir(asyncio.Future)),
    OURS_ON_THEIRS,
    kind("our Task, C Future", OURS, OurTask, asyncio.Future),
    kind("C Task, our Future", OURS, asyncio.Task, OurFuture),
    kind("heirs of ours", OURS, heir(OurTask), heir(OurFuture)),
    replace(C, name="natives with C", names=WITH_NATIVES),
    replace(OURS_ON_THEIRS, name="natives with ours on the stdlib's loop", names=WITH_NATIVES),
]

# Before that, what outlives a gather stays awaited in asyncio's call graph.
GATHERS_END_EDGES = hasattr(asyncio.tasks, "_discard_awaited_by")

indexes = st.integers(0, 5)
futures = st.integers(0, FUTURES - 1)
targets = st.tuples(st.sampled_from("ttf"), indexes)
several = st.lists(targets, min_size=1, max_size=3).map(tuple)
messages = st.sampled_from([None, None, "m1", "m2", 7, ""])
ways = st.sampled_from(["lazy", "eager", "context", "class"])
names = st.sampled_from([None, None, "named"])
errors = st.sampled_from(sorted(ERRORS))
# Often the same one, so that it is added twice and removed.
callbacks = st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5, 6])

actions = st.one_of(
    st.tuples(st.just("set_result"), futures),
    st.tuples(st.just("set_exception"), futures, errors, st.booleans()),
    st.tuples(st.just("cancel"), targets, messages),
    st.tuples(st.just("cancel"), targets, messages),
    st.tuples(st.just("uncancel"), indexes),
    st.tuples(st.just("new_future"), futures),
    st.tuples(st.just("spawn"), indexes, ways, names),
    st.tuples(st.just("ask"), targets),
    st.tuples(st.just("outcome"), targets),
    st.tuples(st.just("add_callback"), targets, callbacks, st.booleans()),
    st.tuples(st.just("add_and_remove_callback"), targets, st.integers(1, 3)),
    st.tuples(st.just("remove_callback"), targets, st.sampled_from([0, 0, 2])),
    st.tuples(st.just("var"), st.integers(1, 9)),
    st.just(("all_tasks",)),
)

waits = st.one_of(
    st.just(("sleep",)),
    st.tuples(st.just("await"), targets),
    st.tuples(st.just("await"), targets),
    st.tuples(st.just("spawn_and_await"), indexes, ways),
    st.tuples(st.just("shield"), targets),
    st.tuples(st.just("gather"), several, st.booleans()),
    st.tuples(st.just("gather_coroutines"), indexes),
    st.tuples(
        st.just("wait"), several, st.sampled_from([asyncio.ALL_COMPLETED, asyncio.FIRST_COMPLETED])
    ),
    st.tuples(st.just("wait_for"), targets),
    st.tuples(
        st.just("odd"), st.sampled_from(["none", "number", "text", "future", "list", "generator"])
    ),
    st.tuples(st.just("raise"), errors),
    st.just(("return",)),
)


def blocks(ops: Any) -> Any:
    inner = st.lists(ops, min_size=1, max_size=4).map(tuple)
    handler = st.lists(ops, max_size=2).map(tuple)
    catch = st.tuples(st.just("catch"), st.sampled_from(sorted(CAUGHT)), inner, handler)
    return st.one_of(
        catch,
        catch,
        catch,
        st.tuples(st.just("call"), inner),
        st.tuples(st.just("finally"), inner, inner),
        st.tuples(st.just("timeout"), inner),
        st.tuples(st.just("group"), st.lists(indexes, min_size=1, max_size=2).map(tuple), inner),
        st.tuples(st.just("lock"), inner),
    )


ops = st.recursive(st.one_of(actions, waits, waits), blocks, max_leaves=6)
scripts = st.lists(ops, min_size=1, max_size=6).map(tuple)
programs = st.builds(
    Program,
    scripts=st.lists(scripts, min_size=2, max_size=4).map(tuple),
    driver=st.lists(st.lists(actions, max_size=3).map(tuple), max_size=6).map(tuple),
    roots=st.integers(1, 3),
    debug=st.integers(0, 9).map(lambda n: n == 9),
)


@PROGRAMS
@given(programs, st.sampled_from([PYTHON_ON_OURS, *MIXED]))
def test_a_random_program_leaves_the_same_trace_with_every_kind_of_task(
    program: Program, mixed: Kind
) -> None:
    expected, in_c = run(program, PYTHON), run(program, C)
    assert in_c.coarse == expected.coarse
    for each in (WHOLLY_OURS, NATIVE, mixed):
        trace = run(program, each)
        assert trace.coarse == expected.coarse, each.name
        assert each.in_python or trace.fine == in_c.fine, each.name
        is_mixed = each not in (WHOLLY_OURS, NATIVE)
        assert is_mixed or not GATHERS_END_EDGES or trace.has_call_graph_of(in_c), each.name


class DropsMessages(PyTask):  # type: ignore[misc, valid-type]
    def cancel(self, msg: object = None) -> bool:
        return bool(super().cancel())


class CountsOneCancellation(PyTask):  # type: ignore[misc, valid-type]
    def cancel(self, msg: object = None) -> bool:
        answer = super().cancel(msg)
        self._num_cancels_requested = min(self._num_cancels_requested, 1)
        return bool(answer)


class ForgetsContexts(PyTask):  # type: ignore[misc, valid-type]
    def add_done_callback(self, callback: Any, *, context: Any = None) -> None:
        super().add_done_callback(callback)


class CallsBackInReverse(PyFuture):  # type: ignore[misc, valid-type]
    def add_done_callback(self, callback: Any, *, context: Any = None) -> None:
        super().add_done_callback(callback, context=context)
        if len(self._callbacks) > 1:
            self._callbacks.insert(0, self._callbacks.pop())


class CallsBackATurnLate(PyFuture):  # type: ignore[misc, valid-type]
    def set_result(self, result: object) -> None:
        self._loop.call_soon(int)
        if self._state == "PENDING":
            self._loop.call_soon(super().set_result, result)


class RemovesOneCallback(PyTask):  # type: ignore[misc, valid-type]
    def remove_done_callback(self, callback: Any) -> int:
        return min(int(super().remove_done_callback(callback)), 1)


MUTANTS = [
    (DropsMessages, PyFuture),
    (CountsOneCancellation, PyFuture),
    (ForgetsContexts, PyFuture),
    (RemovesOneCallback, PyFuture),
    (PyTask, CallsBackInReverse),
    (PyTask, CallsBackATurnLate),
]


@pytest.mark.parametrize(("task", "future"), MUTANTS, ids=lambda cls: cls.__name__)
def test_the_programs_notice_a_task_that_is_a_little_wrong(task: Any, future: Any) -> None:
    wrong = kind("mutant", STDLIB, task, future, in_python=True)
    right = kind("heirs", STDLIB, *_heirs_named_as(task, future), in_python=True)

    def differs(program: Program) -> bool:
        return run(program, wrong).coarse != run(program, right).coarse

    only_find = settings(PROGRAMS, max_examples=400, phases=[Phase.generate])
    find(programs, differs, settings=only_find)


def _heirs_named_as(task: Any, future: Any) -> tuple[Any, Any]:
    """The reference for a mutant: classes that change nothing and go by the same name in reprs."""
    return type(task.__name__, (PyTask,), {}), type(future.__name__, (PyFuture,), {})
