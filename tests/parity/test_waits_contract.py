"""gather, wait, wait_for, shield, as_completed, timeouts and task groups: what misuse raises and what they take."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.namespaces import Names

from .support import Loop, turns


async def value(result: Any = None) -> Any:
    await asyncio.sleep(0)
    return result


async def fails(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


class Ready:
    """An awaitable that is no coroutine and no future."""

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        return "ready"


async def test_gather_takes_every_awaitable_and_each_only_once(loop: Loop, names: Names) -> None:
    names.require("gather")
    future = loop.create_future()
    future.set_result("future")
    coroutine = value("coroutine")
    got = await names.gather(coroutine, future, Ready(), coroutine, future)
    assert got == ["coroutine", "future", "ready", "coroutine", "future"]
    assert await names.gather() == []


async def test_gather_refuses_what_cannot_be_awaited(loop: Loop, names: Names) -> None:
    names.require("gather")
    with pytest.raises(
        TypeError, match="^An asyncio.Future, a coroutine or an awaitable is required$"
    ):
        await names.gather(1)


async def test_gather_without_a_loop_says_so_or_waits_for_one(names: Names, loop: Loop) -> None:
    names.require("gather")
    # The loop fixture makes this test run on one; another thread has none.
    if names.native:
        assert await await_in_thread(lambda: names.gather(value(1), value(2))) == [1, 2]
        return
    with pytest.raises(RuntimeError, match="There is no current event loop|no running event loop"):
        await asyncio.to_thread(lambda: names.gather())


async def await_in_thread(make: Callable[[], Awaitable[Any]]) -> Any:
    """Make something in a thread without a loop, and await it here."""
    return await (await asyncio.to_thread(make))


async def test_gather_stays_cancelled_when_its_children_take_it_badly(
    loop: Loop, names: Names
) -> None:
    names.require("gather")

    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "survived"
        return "never"

    outer = names.gather(stubborn())
    await turns(2)
    assert outer.cancel("why")
    with pytest.raises(asyncio.CancelledError):
        await outer
    assert repr(outer) == "<_GatheringFuture finished exception=CancelledError()>"
    assert not outer.cancelled()


async def test_wait_refuses_what_it_always_has(loop: Loop, names: Names) -> None:
    names.require("wait")
    with pytest.raises(ValueError, match="^Set of Tasks/Futures is empty.$"):
        await names.wait([])
    future = loop.create_future()
    with pytest.raises(TypeError, match="^expect a list of futures, not Future$"):
        await names.wait(future)
    with pytest.raises(ValueError, match="^Invalid return_when value: soon$"):
        await names.wait([future], return_when="soon")
    coroutine = value()
    with pytest.raises(TypeError, match="^expect a list of futures, not coroutine$"):
        await names.wait(coroutine)
    with pytest.raises(TypeError, match="^Passing coroutines is forbidden, use tasks explicitly.$"):
        await names.wait([coroutine])
    coroutine.close()


async def test_wait_takes_any_iterable(loop: Loop, names: Names) -> None:
    names.require("wait")
    tasks = {asyncio.create_task(value(n)) for n in range(3)}
    # Python 3.11 takes every generator for a coroutine.
    once = (task for task in tasks) if sys.version_info >= (3, 12) else iter(tasks)
    done, pending = await names.wait(once)
    assert (done, pending) == (tasks, set())
    done, pending = await names.wait(dict.fromkeys(tasks), timeout=0)
    assert (done, pending) == (tasks, set())


async def test_wait_for_gives_results_errors_and_timeouts(loop: Loop, names: Names) -> None:
    names.require("wait_for")
    assert await names.wait_for(value(1), None) == 1
    assert await names.wait_for(value(2), 10) == 2
    assert await names.wait_for(Ready(), timeout=10) == "ready"
    with pytest.raises(KeyError):
        await names.wait_for(fails(KeyError("k")), 10)
    future = loop.create_future()
    with pytest.raises(TimeoutError) as late:
        await names.wait_for(future, 0)
    assert late.value.args == ()
    assert future.cancelled()
    done = loop.create_future()
    done.set_result("done")
    assert await names.wait_for(done, -1) == "done"


async def test_shield_guards_against_cancellation(loop: Loop, names: Names) -> None:
    names.require("shield")
    inner = asyncio.create_task(value("kept"))
    outer = names.shield(inner)
    assert outer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer
    assert await inner == "kept"
    assert names.shield(inner) is inner
    with pytest.raises(
        TypeError, match="^An asyncio.Future, a coroutine or an awaitable is required$"
    ):
        names.shield("no awaitable")


@pytest.mark.parametrize("first", ["cancellation", "exception"])
async def test_an_exception_in_the_turn_in_which_its_shield_is_cancelled(
    loop: Loop, names: Names, first: str
) -> None:
    names.require("shield")
    inner: Any = loop.create_future()
    outer = names.shield(inner)
    if first == "cancellation":
        outer.cancel()
    inner.set_exception(ValueError("shielded"))
    outer.cancel()
    await turns(2)
    # The shield takes it for retrieved only where asyncio does not report what is left shielded.
    assert inner._log_traceback is hasattr(asyncio.tasks, "_log_on_exception")
    assert not inner._callbacks
    inner.exception()


async def test_as_completed_refuses_what_is_no_list(loop: Loop, names: Names) -> None:
    names.require("as_completed")
    future = loop.create_future()
    with pytest.raises(
        TypeError, match="^expects? an iterable of (futures|awaitables), not Future$"
    ):
        list(names.as_completed(future))
    assert list(names.as_completed([])) == []


async def test_as_completed_begins_when_asyncios_does(loop: Loop, names: Names) -> None:
    names.require("as_completed")
    # Below Python 3.13 asyncio's is a generator function, which does nothing until it is asked for its first value.
    is_lazy = sys.version_info < (3, 13)
    coroutine = value("late")
    tasks_before = asyncio.all_tasks()
    completed = names.as_completed([coroutine])
    assert (asyncio.all_tasks() == tasks_before) is is_lazy
    assert [await coming for coming in completed] == ["late"]

    asked: list[int] = []
    # No generator: to Python 3.11 that is a coroutine.
    awaitables: Any = map(asked.append, [1])
    if is_lazy:
        completed = names.as_completed(awaitables)
        assert iter(completed) is completed
        assert asked == []
        with pytest.raises(TypeError, match="^An asyncio.Future, a coroutine or an awaitable"):
            next(completed)
        # What failed to begin is over.
        assert list(completed) == []
    else:
        with pytest.raises(TypeError, match="^An asyncio.Future, a coroutine or an awaitable"):
            names.as_completed(awaitables)
    assert asked == [1]


async def test_as_completed_gives_what_is_done_first(loop: Loop, names: Names) -> None:
    names.require("as_completed")

    async def after(count: int) -> int:
        await turns(count)
        return count

    got = [await coming for coming in names.as_completed([after(6), after(1), after(3)])]
    assert got == [1, 3, 6]
    late = names.as_completed([loop.create_future()], timeout=0)
    with pytest.raises(TimeoutError):
        await next(iter(late))


async def test_as_completed_gives_the_tasks_themselves(loop: Loop, names: Names) -> None:
    names.require("as_completed")
    if not names.native and sys.version_info < (3, 13):
        pytest.skip("stdlib only from 3.13: async iteration")
    tasks = [asyncio.create_task(value(n)) for n in range(3)]
    got = [task async for task in names.as_completed(tasks)]
    assert set(got) == set(tasks)
    assert all(task.done() for task in got)


async def test_a_timeout_says_when_it_is_misused(loop: Loop, names: Names) -> None:
    names.require("timeout")
    timeout = names.timeout(None)
    assert repr(timeout) == "<Timeout [created]>"
    with pytest.raises(RuntimeError, match="^Timeout has not been entered$"):
        timeout.reschedule(1)
    async with timeout as entered:
        assert entered is timeout
        assert re.fullmatch(r"<Timeout \[active\] when=None>", repr(timeout))
        with pytest.raises(RuntimeError, match="^Timeout has already been entered$"):
            await timeout.__aenter__()
    assert repr(timeout) == "<Timeout [finished]>"
    with pytest.raises(RuntimeError, match="^Cannot change state of finished Timeout$"):
        timeout.reschedule(1)


async def test_a_timeout_turns_its_own_cancellation_into_an_error(loop: Loop, names: Names) -> None:
    names.require("timeout")
    with pytest.raises(TimeoutError) as late:
        async with names.timeout(0) as timeout:
            await asyncio.Event().wait()
    assert late.value.args == ()
    assert isinstance(late.value.__cause__, asyncio.CancelledError)
    assert timeout.expired()
    assert repr(timeout) == "<Timeout [expired]>"
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_timeout_needs_a_task(loop: Loop, names: Names) -> None:
    names.require("timeout")

    async def enter() -> None:
        async with names.timeout(1):
            pass

    answer = loop.create_future()

    def outside() -> None:
        try:
            enter().send(None)
        except BaseException as exc:  # noqa: BLE001 - it is what the test is about
            answer.set_result(exc)

    loop.call_soon(outside)
    error = await answer
    assert (type(error), str(error)) == (RuntimeError, "Timeout should be used inside a task")


async def test_a_group_says_when_it_is_misused(loop: Loop, names: Names) -> None:
    names.require("TaskGroup")
    group = names.TaskGroup()
    assert repr(group) == "<TaskGroup>"
    coroutine = value()
    with pytest.raises(RuntimeError, match="^TaskGroup <TaskGroup> has not been entered$"):
        group.create_task(coroutine)
    coroutine.close()
    async with group:
        task = group.create_task(value(3), name="named")
        assert task.get_name() == "named"
        assert repr(group) == "<TaskGroup tasks=1 entered>"
        with pytest.raises(
            RuntimeError, match="^TaskGroup <TaskGroup tasks=1 entered> has already been entered$"
        ):
            await group.__aenter__()
    assert task.result() == 3
    coroutine = value()
    with pytest.raises(RuntimeError, match="^TaskGroup <TaskGroup entered> is finished$"):
        group.create_task(coroutine)
    coroutine.close()


async def test_a_group_raises_all_errors_together(loop: Loop, names: Names) -> None:
    names.require("TaskGroup")
    with pytest.raises(BaseExceptionGroup) as several:
        async with names.TaskGroup() as group:
            for error in (KeyError("a"), ValueError("b")):
                group.create_task(fails(error))
            await asyncio.Event().wait()
    assert several.value.message == "unhandled errors in a TaskGroup"
    assert [type(each) for each in several.value.exceptions] == [KeyError, ValueError]


async def test_the_current_task_and_all_tasks_are_those_of_the_loop(
    loop: Loop, names: Names
) -> None:
    names.require("current_task", "create_task", "all_tasks")
    mine = names.current_task()
    assert mine is asyncio.current_task()
    other = names.create_task(value("x"), name="other")
    assert names.all_tasks() == {mine, other}
    assert names.all_tasks(loop) == {mine, other}
    assert other.get_name() == "other"
    assert await other == "x"
    assert names.all_tasks() == {mine}


async def test_ensure_future_gives_back_what_is_one(loop: Loop, names: Names) -> None:
    names.require("ensure_future")
    future = loop.create_future()
    assert names.ensure_future(future) is future
    assert await names.ensure_future(value(1)) == 1
    assert await names.ensure_future(Ready()) == "ready"
    future.cancel()
    with pytest.raises(
        TypeError, match="^An asyncio.Future, a coroutine or an awaitable is required$"
    ):
        names.ensure_future(None)
    other = asyncio.new_event_loop()
    with pytest.raises(
        ValueError,
        match="^The future belongs to a different loop than the one specified as the loop argument$",
    ):
        names.ensure_future(future, loop=other)
    other.close()


async def test_a_coroutine_of_another_thread_runs_here(loop: Loop, names: Names) -> None:
    names.require("run_coroutine_threadsafe")

    def elsewhere() -> Any:
        return names.run_coroutine_threadsafe(value("there"), loop).result(10)

    assert await asyncio.to_thread(elsewhere) == "there"
    with pytest.raises(TypeError, match="^A coroutine object is required$"):
        names.run_coroutine_threadsafe(1, loop)


async def test_to_thread_takes_the_context_with_it(loop: Loop, names: Names) -> None:
    names.require("to_thread")
    import contextvars

    var: contextvars.ContextVar[int] = contextvars.ContextVar("var")
    var.set(7)
    assert await names.to_thread(var.get) == 7
    assert await names.to_thread(lambda *a, **k: (a, k), 1, x=2) == ((1,), {"x": 2})
