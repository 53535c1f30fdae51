"""Tasks on the loop under test: names, contexts, factories, cancellation and reports."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import weakref
from collections.abc import Coroutine
from typing import Any

import pytest

from .support import Loop, Reports, turns

var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="unset")


async def _value(value: object = None) -> object:
    return value


async def test_create_task_makes_a_real_task(loop: Loop) -> None:
    task = loop.create_task(_value(1))
    assert isinstance(task, asyncio.Task)
    assert isinstance(task, asyncio.Future)
    assert asyncio.isfuture(task)
    assert task.get_loop() is loop
    assert await task == 1


async def test_a_task_starts_in_a_later_turn(loop: Loop) -> None:
    order: list[str] = []

    async def child() -> None:
        order.append("child")

    task = loop.create_task(child())
    order.append("parent")
    await task
    assert order == ["parent", "child"]


async def test_a_task_has_the_name_it_was_given(loop: Loop) -> None:
    task = loop.create_task(_value(), name="mine")
    assert task.get_name() == "mine"
    task.set_name("other")
    assert task.get_name() == "other"
    await task


async def test_a_task_without_a_name_gets_one_of_its_own(loop: Loop) -> None:
    a, b = loop.create_task(_value()), loop.create_task(_value(), name=None)
    assert a.get_name().startswith("Task-")
    assert a.get_name() != b.get_name()
    await asyncio.gather(a, b)


async def test_a_name_that_is_no_string_is_made_one(loop: Loop) -> None:
    task = loop.create_task(_value(), name=42)  # type: ignore[arg-type]
    assert task.get_name() == "42"
    await task


async def test_a_task_runs_in_a_copy_of_the_context_of_its_creator(loop: Loop) -> None:
    async def child() -> str:
        seen = var.get()
        var.set("child's")
        return seen

    token = var.set("parent's")
    task = loop.create_task(child())
    var.set("too late")
    assert await task == "parent's"
    assert var.get() == "too late"
    var.reset(token)


async def test_a_task_runs_in_the_very_context_it_is_given(loop: Loop) -> None:
    context = contextvars.copy_context()

    async def child() -> None:
        await asyncio.sleep(0)
        var.set("inside")

    await loop.create_task(child(), context=context)
    assert context[var] == "inside"
    assert var.get() == "unset"


async def test_a_tasks_callbacks_run_in_their_own_contexts(loop: Loop) -> None:
    context = contextvars.copy_context()
    seen: list[str] = []
    context.run(var.set, "callback's")
    task = loop.create_task(_value())
    task.add_done_callback(lambda _: seen.append(var.get()), context=context)
    task.add_done_callback(lambda _: seen.append(var.get()))
    await task
    await turns(2)
    assert seen == ["callback's", "unset"]


async def test_current_task_and_all_tasks_know_the_running_task(loop: Loop) -> None:
    async def child() -> None:
        assert asyncio.current_task() is task
        assert asyncio.current_task(loop) is task

    task = loop.create_task(child())
    me = asyncio.current_task()
    assert me is not None
    assert asyncio.all_tasks() == {me, task}
    await task
    assert asyncio.all_tasks() == {me}
    assert asyncio.current_task() is me


def test_outside_of_tasks_there_is_no_current_task(loop: Loop) -> None:
    seen: list[object] = []
    loop.call_soon(lambda: seen.append(asyncio.current_task()))
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert seen == [None]


@pytest.mark.parametrize("wrong", [None, 1, "text", len], ids=repr)
async def test_create_task_of_something_else_is_a_type_error(loop: Loop, wrong: object) -> None:
    with pytest.raises(TypeError, match="^a coroutine was expected, got "):
        loop.create_task(wrong)  # type: ignore[arg-type]


async def test_a_cancelled_task_raises_in_the_coroutine_and_in_its_waiter(loop: Loop) -> None:
    seen: list[BaseException] = []

    async def child() -> None:
        try:
            await loop.create_future()
        except asyncio.CancelledError as exc:
            seen.append(exc)
            raise

    task = loop.create_task(child())
    await asyncio.sleep(0)
    assert task.cancel("reason") is True
    assert task.cancelling() == 1
    with pytest.raises(asyncio.CancelledError, match="reason"):
        await task
    assert seen[0].args == ("reason",)
    assert task.cancelled()
    assert task.cancel() is False


async def test_a_task_cancelled_before_its_first_step_never_runs(loop: Loop) -> None:
    ran: list[int] = []

    async def child() -> None:
        ran.append(1)

    task = loop.create_task(child())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ran == []


async def test_a_task_may_swallow_its_cancellation(loop: Loop) -> None:
    async def stubborn() -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await loop.create_future()
        return "still here"

    task = loop.create_task(stubborn())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "still here"
    assert not task.cancelled()


async def test_a_factory_makes_the_tasks(loop: Loop) -> None:
    made: list[tuple[Loop, dict[str, Any]]] = []

    def factory(loop: Loop, coro: Coroutine[Any, Any, Any], **kwargs: Any) -> asyncio.Task[Any]:
        made.append((loop, kwargs))
        return asyncio.Task(coro, loop=loop, **kwargs)

    assert loop.get_task_factory() is None
    loop.set_task_factory(factory)
    assert loop.get_task_factory() is factory
    context = contextvars.copy_context()
    assert await loop.create_task(_value("plain")) == "plain"
    assert await loop.create_task(_value("context"), context=context) == "context"
    task = loop.create_task(_value("named"), name="mine")
    assert task.get_name() == "mine"
    await task
    loop.set_task_factory(None)
    assert [where for where, _ in made] == [loop] * 3
    assert made[1][1]["context"] is context


async def test_a_factory_that_is_not_callable_is_a_type_error(loop: Loop) -> None:
    with pytest.raises(TypeError, match="^task factory must be a callable or None$"):
        loop.set_task_factory(1)  # type: ignore[arg-type]
    assert loop.get_task_factory() is None


async def test_a_factory_that_raises_raises_from_create_task(loop: Loop) -> None:
    def factory(loop: Loop, coro: Coroutine[Any, Any, Any], **kwargs: Any) -> asyncio.Task[Any]:
        coro.close()
        raise LookupError("no tasks today")

    loop.set_task_factory(factory)
    with pytest.raises(LookupError, match="no tasks today"):
        loop.create_task(_value())
    loop.set_task_factory(None)


async def test_a_factory_may_return_any_future(loop: Loop) -> None:
    class MyTask(asyncio.Task[Any]):
        """A task type of the user's own."""

    loop.set_task_factory(lambda loop, coro, **kw: MyTask(coro, loop=loop, **kw))
    task = loop.create_task(_value(3))
    loop.set_task_factory(None)
    assert type(task) is MyTask
    assert await task == 3


@pytest.mark.asyncio_since(3, 14, "earlier ones do not hand keyword arguments on to the factory")
async def test_keyword_arguments_of_create_task_reach_the_factory(loop: Loop) -> None:
    got: dict[str, Any] = {}

    def factory(loop: Loop, coro: Coroutine[Any, Any, Any], **kwargs: Any) -> asyncio.Task[Any]:
        got.update(kwargs)
        kwargs.pop("custom", None)
        return asyncio.Task(coro, loop=loop, **kwargs)

    loop.set_task_factory(factory)
    task = loop.create_task(_value(), name="mine", custom=1)  # type: ignore[call-arg]
    loop.set_task_factory(None)
    await task
    assert got["custom"] == 1


async def test_stdlib_tasks_made_by_hand_run_on_the_loop(loop: Loop) -> None:
    task = asyncio.Task(_value("by hand"), loop=loop)
    assert await task == "by hand"


async def test_an_exception_that_nobody_fetched_is_reported_when_the_task_goes(
    loop: Loop, reports: Reports
) -> None:
    async def fails() -> None:
        raise LookupError("lost")

    task = loop.create_task(fails())
    await turns(3)
    del task
    gc.collect()
    [report] = reports
    assert report["message"] == "Task exception was never retrieved"
    assert isinstance(report["exception"], LookupError)
    assert isinstance(report["future"], asyncio.Task)
    reports.clear()


async def test_a_pending_task_that_goes_is_reported(loop: Loop, reports: Reports) -> None:
    async def waits() -> None:
        await asyncio.Future(loop=loop)

    coro = waits()
    task = loop.create_task(coro)
    await turns(2)
    del task, coro
    gc.collect()
    [report] = reports
    assert report["message"] == "Task was destroyed but it is pending!"
    reports.clear()
    gc.collect()


async def test_a_finished_task_is_let_go(loop: Loop) -> None:
    task = loop.create_task(_value())
    gone = weakref.ref(task)
    await task
    del task
    await turns(2)
    gc.collect()
    assert gone() is None


async def test_a_task_group_waits_for_all_and_cancels_on_failure(loop: Loop) -> None:
    async def fails() -> None:
        raise LookupError

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            forever = group.create_task(asyncio.Event().wait())
            group.create_task(fails())
    assert [type(e) for e in caught.value.exceptions] == [LookupError]
    assert forever.cancelled()


async def test_gather_keeps_the_order_of_its_arguments(loop: Loop) -> None:
    events = [asyncio.Event() for _ in range(3)]

    async def wait(i: int) -> int:
        await events[i].wait()
        return i

    gathered = asyncio.gather(*(wait(i) for i in range(3)))
    for event in reversed(events):
        event.set()
        await turns(2)
    assert await gathered == [0, 1, 2]


async def test_run_coroutine_threadsafe_brings_the_result_to_another_thread(loop: Loop) -> None:
    def other_thread() -> object:
        return asyncio.run_coroutine_threadsafe(_value("crossed"), loop).result(30)

    assert await loop.run_in_executor(None, other_thread) == "crossed"


async def test_a_deep_chain_of_tasks_returns_through_all_levels(loop: Loop) -> None:
    async def level(n: int) -> int:
        return 0 if n == 0 else 1 + await loop.create_task(level(n - 1))

    assert await level(200) == 200


async def test_yielding_none_from_an_awaitable_is_a_bare_yield(loop: Loop) -> None:
    class Bare:
        def __await__(self):  # type: ignore[no-untyped-def]
            yield
            return 5

    assert await Bare() == 5


async def test_yielding_something_odd_is_a_runtime_error(loop: Loop) -> None:
    class Odd:
        def __await__(self):  # type: ignore[no-untyped-def]
            yield 42

    async def child() -> None:
        await Odd()

    with pytest.raises(RuntimeError, match="Task got bad yield: 42"):
        await loop.create_task(child())
