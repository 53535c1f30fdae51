"""What becomes of tasks and futures that nobody needs: they go at once, they say what was lost, and none leaks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from .kinds import HAS_EAGER_START, Kind, one_turn, spin, waits
from .support import Loop, Reports


class Thing:
    """Something that can be weakly referenced."""


@contextmanager
def no_collector() -> Iterator[None]:
    """Keep the cycle collector away, after it has done its work once."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _holds(thing: Thing, awaitables: list[Any]) -> None:
    # A frame that held the future would be in a cycle with it by way of the future's exception.
    await awaitables.pop()


async def _fails(thing: Thing, awaitable: Any) -> None:
    await awaitable
    raise LookupError("mine")


ENDS: dict[str, Callable[[Loop, Kind, Any], None]] = {
    "result": lambda loop, kind, future: future.set_result(None),
    "cancelled": lambda loop, kind, future: future.cancel(),
    "error": lambda loop, kind, future: future.set_exception(LookupError()),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_task_that_ended_needs_no_collector(loop: Loop, kind: Kind, end: str) -> None:
    if kind.in_python:
        pytest.skip("pure Python's frames hold on to the task")
    references = []
    with no_collector():

        def start() -> Any:
            thing = Thing()
            references.append(weakref.ref(thing))
            future = kind.Future(loop=loop)
            task = kind.Task(_holds(thing, [future]), loop=loop)
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            references.append(weakref.ref(task))
            references.append(weakref.ref(future))
            return future

        future = start()
        spin(loop, 1)
        ENDS[end](loop, kind, future)
        del future
        spin(loop)
        assert [reference() for reference in references] == [None] * 3


def test_a_task_that_raised_needs_no_collector(loop: Loop, kind: Kind) -> None:
    if kind.in_python:
        pytest.skip("pure Python's frames hold on to the task")
    references = []
    with no_collector():

        def start() -> None:
            thing = Thing()
            task = kind.Task(_fails(thing, asyncio.sleep(0)), loop=loop)
            task.add_done_callback(lambda done: done.exception())
            references.extend((weakref.ref(thing), weakref.ref(task)))

        start()
        spin(loop, 4)
        assert [reference() for reference in references] == [None] * 2


def test_waiting_for_failing_and_cancelled_children_leaves_no_cycles(
    loop: Loop, kind: Kind
) -> None:
    if kind.in_python:
        pytest.skip("pure Python leaves some")

    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError

    async def main() -> None:
        with contextlib.suppress(LookupError):
            await kind.Task(fails(), loop=loop)
        child = kind.Task(waits(kind.Future(loop=loop)), loop=loop)
        await asyncio.sleep(0)
        child.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await child
        await kind.Task(one_turn(), loop=loop)

    loop.run_until_complete(main())
    with no_collector():
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(10):
                loop.run_until_complete(main())
            gc.collect()
            left = {type(thing).__name__ for thing in gc.garbage}
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
    assert not left & {"Task", "Future", "coroutine", "FutureIter", "Handle"}, left


def _through_callback(loop: Loop, kind: Kind) -> list[Any]:
    future = kind.Future(loop=loop)
    future.add_done_callback(lambda _: future)
    return [future]


def _through_attribute(loop: Loop, kind: Kind) -> list[Any]:
    future = kind.Future(loop=loop)
    future.mine = future
    return [future]


def _through_result(loop: Loop, kind: Kind) -> list[Any]:
    future = kind.Future(loop=loop)
    future.set_result([future])
    return [future]


def _through_exception(loop: Loop, kind: Kind) -> list[Any]:
    future = kind.Future(loop=loop)
    error = LookupError()
    error.future = future  # type: ignore[attr-defined]
    future.set_exception(error)
    future.exception()
    return [future]


def _through_message(loop: Loop, kind: Kind) -> list[Any]:
    future = kind.Future(loop=loop)
    future.cancel([future])
    return [future]


def _through_the_waiter(loop: Loop, kind: Kind) -> list[Any]:
    future = kind.Future(loop=loop)
    task = kind.Task(waits(future), loop=loop)
    task._log_destroy_pending = False
    future.mine = task
    spin(loop, 1)
    return [future, task]


def _through_the_coroutine(loop: Loop, kind: Kind) -> list[Any]:
    async def main() -> None:
        own = tasks
        await kind.Future(loop=loop)
        del own

    tasks = []
    tasks.append(kind.Task(main(), loop=loop))
    tasks[0]._log_destroy_pending = False
    spin(loop, 1)
    return tasks[:]


def _through_the_context(loop: Loop, kind: Kind) -> list[Any]:
    import contextvars

    var: contextvars.ContextVar[Any] = contextvars.ContextVar("var")
    context = contextvars.copy_context()
    future = kind.Future(loop=loop)
    future.add_done_callback(id, context=context)
    context.run(var.set, future)
    return [future]


def _heirs_through_slots(loop: Loop, kind: Kind) -> list[Any]:
    class Heir(kind.Future):  # type: ignore[misc, name-defined]
        __slots__ = ("mine",)

    heir = Heir(loop=loop)
    heir.mine = heir
    return [heir]


CYCLES = [
    _through_callback,
    _through_attribute,
    _through_result,
    _through_exception,
    _through_message,
    _through_the_waiter,
    _through_the_coroutine,
    _through_the_context,
    _heirs_through_slots,
]


@pytest.mark.parametrize("make", CYCLES, ids=lambda make: make.__name__.strip("_"))
def test_cycles_are_collected(loop: Loop, kind: Kind, make: Any) -> None:
    references = [weakref.ref(thing) for thing in make(loop, kind)]
    gc.collect()
    assert [reference() for reference in references] == [None] * len(references)


def test_the_report_of_a_lost_exception_of_a_task(loop: Loop, kind: Kind, reports: Reports) -> None:
    task = kind.Task(_fails(Thing(), asyncio.sleep(0)), loop=loop, name="n")
    spin(loop)
    assert task._log_traceback is True
    del task
    gc.collect()
    [report] = reports
    assert set(report) == {"message", "exception", "future"}
    assert report["message"] == "Task exception was never retrieved"
    assert isinstance(report["exception"], LookupError)
    assert report["future"].get_name() == "n"
    reports.clear()


def test_a_cancellation_is_never_reported_as_lost(loop: Loop, kind: Kind, reports: Reports) -> None:
    task = kind.Task(one_turn(), loop=loop)
    task.cancel()
    spin(loop)
    del task
    gc.collect()
    assert reports == []


@pytest.mark.parametrize("debug", [False, True])
def test_the_report_of_a_pending_task_that_goes(
    loop: Loop, kind: Kind, reports: Reports, debug: bool
) -> None:
    loop.set_debug(debug)
    task = kind.Task(waits(kind.Future(loop=loop)), loop=loop, name="n")
    spin(loop, 1)
    del task
    gc.collect()
    [report] = reports
    assert set(report) == {"message", "task"} | ({"source_traceback"} if debug else set())
    assert report["message"] == "Task was destroyed but it is pending!"
    assert report["task"].get_name() == "n"
    reports.clear()
    gc.collect()
    assert reports == []


def test_a_pending_task_may_go_in_silence_if_it_is_told_to(
    loop: Loop, kind: Kind, reports: Reports
) -> None:
    task = kind.Task(waits(kind.Future(loop=loop)), loop=loop)
    spin(loop, 1)
    task._log_destroy_pending = False
    del task
    gc.collect()
    assert reports == []


def test_a_task_that_is_scheduled_is_kept_alive_by_the_loop(loop: Loop, kind: Kind) -> None:
    results: list[object] = []

    async def main() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
            gc.collect()
        results.append("ran")

    kind.Task(main(), loop=loop)
    gc.collect()
    spin(loop, 6)
    assert results == ["ran"]


def test_a_report_that_brings_the_task_back_to_life_is_survived(
    loop: Loop, kind: Kind, reports: Reports
) -> None:
    kept: list[Any] = []
    loop.set_exception_handler(lambda loop, context: kept.append(context))
    task = kind.Task(waits(kind.Future(loop=loop)), loop=loop, name="again")
    spin(loop, 1)
    del task
    gc.collect()
    [context] = kept
    task = context["task"]
    assert task.get_name() == "again"
    assert not task.done()
    assert "again" in repr(task)
    del task, context
    kept.clear()
    gc.collect()
    assert kept == []


@pytest.mark.parametrize("length", [100_000])
def test_a_long_chain_of_tasks_that_wait_for_each_other_goes_without_a_crash(
    program: Any, length: int, kind: Kind
) -> None:
    if kind.in_python:
        pytest.skip("the same chain with pure Python only takes longer")
    outcome = program.run(f"""
        import gc
        if {kind.name!r} == "aioxide":
            from aioxide import Task, Future
        else:
            from asyncio import Task, Future

        async def waits(thing):
            await thing

        loop = new_event_loop()
        loop.set_exception_handler(lambda loop, context: None)

        def chain():
            last = first = Future(loop=loop)
            for _ in range({length}):
                last = Task(waits(last), loop=loop)
                last._log_destroy_pending = False
            return first, last

        def turns(count):
            for _ in range(count):
                loop.call_soon(loop.stop)
                loop.run_forever()

        # Abandoned before the first step, and while waiting.
        for count in (0, 2):
            first, last = chain()
            turns(count)
            if count == 0:
                turns(1)
            del first, last
            gc.collect()

        # Futures whose results are futures.
        last = None
        for _ in range({length}):
            future = Future(loop=loop)
            future.set_result(last)
            last = future
        del last, future
        gc.collect()

        # Futures with callbacks that hold the next.
        last = None
        for _ in range({length}):
            future = Future(loop=loop)
            future.add_done_callback(lambda _, last=last: last)
            last = future
        del last, future
        gc.collect()

        # To the end, one after the other.
        first, last = chain()
        turns(1)
        first.set_result(None)
        loop.run_until_complete(last)
        del first, last
        gc.collect()
        loop.close()
        print("survived")
    """)
    assert (outcome.stdout, outcome.returncode) == ("survived\n", 0), outcome.stderr[-2000:]


def test_an_eager_task_that_ends_at_once_leaves_nothing(loop: Loop, kind: Kind) -> None:
    if not HAS_EAGER_START:
        pytest.skip("asyncio.Task starts eagerly from 3.12 on")

    async def main() -> list[Any]:
        references = []
        for _ in range(3):
            thing = Thing()
            future = kind.Future(loop=loop)
            future.set_result(None)
            task = kind.Task(_holds(thing, [future]), loop=loop, eager_start=True)
            assert task.done()
            references += [weakref.ref(thing), weakref.ref(task)]
            del thing, task, future
        return references

    with no_collector():
        references = loop.run_until_complete(main())
        assert [reference() for reference in references] == [None] * 6
