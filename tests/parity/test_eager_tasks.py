"""Eager tasks: the factory and the `eager_start` argument."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from .support import Loop

pytestmark = pytest.mark.python_since(3, 12, "asyncio.Task starts eagerly from 3.12 on")

since_3_14 = pytest.mark.asyncio_since(3, 14, "create_task(eager_start=) is new in 3.14")


async def _value(value: object = None) -> object:
    return value


async def test_with_the_eager_factory_a_task_runs_until_its_first_wait(loop: Loop) -> None:
    loop.set_task_factory(asyncio.eager_task_factory)
    order: list[str] = []

    async def child() -> None:
        order.append("started")
        await asyncio.sleep(0)
        order.append("resumed")

    task = loop.create_task(child())
    order.append("created")
    await task
    assert order == ["started", "created", "resumed"]


async def test_an_eager_task_that_does_not_wait_is_done_at_once(loop: Loop) -> None:
    loop.set_task_factory(asyncio.eager_task_factory)
    task = loop.create_task(_value(4))
    assert task.done()
    assert await task == 4


async def test_an_eager_task_is_the_current_task_during_its_first_step(loop: Loop) -> None:
    loop.set_task_factory(asyncio.eager_task_factory)
    me = asyncio.current_task()
    seen: list[object] = []

    async def child() -> None:
        seen.append(asyncio.current_task())

    task = loop.create_task(child())
    assert seen == [task]
    assert asyncio.current_task() is me


async def test_an_eager_task_has_its_name(loop: Loop) -> None:
    loop.set_task_factory(asyncio.eager_task_factory)
    task = loop.create_task(_value(), name="mine")
    assert task.get_name() == "mine"


def test_without_a_running_loop_the_eager_factory_makes_a_lazy_task(loop: Loop) -> None:
    loop.set_task_factory(asyncio.eager_task_factory)
    task = loop.create_task(_value(1))
    assert not task.done()
    assert loop.run_until_complete(task) == 1


async def test_an_exception_of_an_eager_task_is_in_the_task(loop: Loop) -> None:
    loop.set_task_factory(asyncio.eager_task_factory)

    async def fails() -> None:
        raise LookupError("eager")

    task = loop.create_task(fails())
    assert task.done()
    with pytest.raises(LookupError, match="eager"):
        await task


async def test_gather_of_eager_tasks_that_are_done_at_once(loop: Loop) -> None:
    loop.set_task_factory(asyncio.eager_task_factory)
    assert await asyncio.gather(*(_value(i) for i in range(10))) == list(range(10))


async def test_a_custom_eager_factory_makes_its_own_type(loop: Loop) -> None:
    class MyTask(asyncio.Task[Any]):
        """A task type of the user's own."""

    loop.set_task_factory(asyncio.create_eager_task_factory(MyTask))
    task = loop.create_task(_value(2))
    assert type(task) is MyTask
    assert task.done()


async def test_tasks_made_eagerly_by_hand_run_on_the_loop(loop: Loop) -> None:
    async def child() -> int:
        await asyncio.sleep(0)
        return 6

    task = asyncio.Task(child(), loop=loop, eager_start=True)
    assert not task.done()
    assert task in asyncio.all_tasks()
    assert await task == 6


@since_3_14
async def test_eager_start_true_starts_at_once(loop: Loop) -> None:
    ran: list[int] = []

    async def child() -> None:
        ran.append(1)

    task = loop.create_task(child(), eager_start=True)  # type: ignore[call-arg]
    assert ran == [1]
    assert task.done()


@since_3_14
async def test_eager_start_keeps_name_and_context(loop: Loop) -> None:
    import contextvars

    var: contextvars.ContextVar[int] = contextvars.ContextVar("var")
    context = contextvars.copy_context()

    async def child() -> None:
        var.set(1)

    task = loop.create_task(child(), name="mine", context=context, eager_start=True)  # type: ignore[call-arg]
    assert task.get_name() == "mine"
    assert context[var] == 1
    assert var not in contextvars.copy_context()


@since_3_14
async def test_eager_start_false_starts_later(loop: Loop) -> None:
    task = loop.create_task(_value(1), eager_start=False)  # type: ignore[call-arg]
    assert not task.done()
    assert await task == 1


@since_3_14
async def test_eager_start_false_overrules_the_eager_factory(loop: Loop) -> None:
    loop.set_task_factory(asyncio.eager_task_factory)
    if sys.version_info < (3, 14):
        pytest.skip("asyncio.eager_task_factory takes no eager_start before 3.14")
    task = loop.create_task(_value(1), eager_start=False)  # type: ignore[call-arg]
    assert not task.done()
    assert await task == 1


@pytest.mark.asyncio_since(3, 14, "create_task takes no keyword arguments of others before 3.14")
async def test_an_unknown_keyword_argument_is_a_type_error(loop: Loop) -> None:
    coro = _value()
    with pytest.raises(TypeError, match="nonsense"):
        loop.create_task(coro, nonsense=1)  # type: ignore[call-arg]
    coro.close()
