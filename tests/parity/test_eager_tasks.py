"""Eager tasks: the factory and the `eager_start` argument."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from typing import Any

import pytest

import aioxide

from .kinds import Kind
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


class YieldsANumber:
    """Yields to its task what is no future."""

    def __await__(self) -> Any:
        yield 42


@pytest.mark.parametrize("is_native", [False, True])
async def test_a_wrong_yield_of_an_eager_task_has_no_context(loop: Loop, is_native: bool) -> None:
    # What the maker of the task is just handling has nothing to do with it.
    if is_native:
        loop.set_task_factory(
            lambda loop, coro, **_: aioxide.Task(coro, loop=loop, eager_start=True)
        )
    else:
        loop.set_task_factory(asyncio.eager_task_factory)

    async def child() -> None:
        await YieldsANumber()

    try:
        raise KeyError("handled")
    except KeyError:
        task = loop.create_task(child())
    with pytest.raises(RuntimeError, match="^Task got bad yield: 42$") as raised:
        await task
    assert raised.value.__context__ is None


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


async def test_every_kind_starts_eagerly_by_its_constructor(loop: Loop, kind: Kind) -> None:
    order: list[str] = []

    async def child() -> str:
        order.append("started")
        await asyncio.sleep(0)
        return "done"

    task = kind.Task(child(), loop=loop, name="eager", eager_start=True)
    order.append("made")
    assert (order, task.done(), task.get_name()) == (["started", "made"], False, "eager")
    assert task.get_coro() is not None
    assert await task == "done"
    at_once = kind.Task(_value(7), loop=loop, eager_start=True)
    assert (at_once.done(), at_once.result()) == (True, 7)
    if not kind.in_c or sys.version_info >= (3, 13):
        # The first C tasks that could do this crash here.
        assert at_once.get_coro() is None
        assert at_once.get_stack() == []
    assert at_once._coro is None
    assert "coro=" not in repr(at_once)


@pytest.mark.parametrize("eager", [0, None, "", [], 1, "x", True], ids=repr)
async def test_anything_true_starts_eagerly(loop: Loop, kind: Kind, eager: object) -> None:
    ran: list[int] = []

    async def child() -> None:
        ran.append(1)

    task = kind.Task(child(), loop=loop, eager_start=eager)
    assert bool(ran) is bool(eager)
    await task


async def test_an_eager_task_runs_in_the_context_it_is_given(loop: Loop, kind: Kind) -> None:
    var: contextvars.ContextVar[int] = contextvars.ContextVar("var", default=0)
    context = contextvars.copy_context()

    async def child() -> int:
        var.set(var.get() + 1)
        await asyncio.sleep(0)
        var.set(var.get() + 1)
        return var.get()

    copied = kind.Task(child(), loop=loop, eager_start=True)
    assert var.get() == 0
    given = kind.Task(child(), loop=loop, context=context, eager_start=True)
    assert context[var] == 1
    assert (await copied, await given, context[var], var.get()) == (2, 2, 2, 0)


async def test_an_eager_task_may_cancel_itself(loop: Loop, kind: Kind) -> None:
    if not kind.is_known_to_asyncio:
        pytest.skip("pure Python tasks are kept elsewhere since 3.14")

    async def returns() -> int:
        task: Any = asyncio.current_task()
        task.cancel("mine")
        return 3

    async def waits() -> None:
        task: Any = asyncio.current_task()
        task.cancel("mine")
        await asyncio.sleep(0)

    task = kind.Task(returns(), loop=loop, eager_start=True)
    assert task.cancelled()
    task = kind.Task(waits(), loop=loop, eager_start=True)
    assert "cancelling" in repr(task)
    with pytest.raises(asyncio.CancelledError, match="^mine$"):
        await task


async def test_eager_tasks_within_eager_tasks(loop: Loop, kind: Kind) -> None:
    if not kind.is_known_to_asyncio:
        pytest.skip("pure Python tasks are kept elsewhere since 3.14")
    me = asyncio.current_task()

    async def nest(depth: int) -> int:
        own = asyncio.current_task()
        if depth:
            child = kind.Task(nest(depth - 1), loop=loop, eager_start=True)
            assert asyncio.current_task() is own
            return int(await child) + 1
        await asyncio.sleep(0)
        return 0

    task = kind.Task(nest(20), loop=loop, eager_start=True)
    assert asyncio.current_task() is me
    assert await task == 20


def test_a_loop_that_does_not_run_starts_no_task_eagerly(loop: Loop, kind: Kind) -> None:
    task = kind.Task(_value(1), loop=loop, eager_start=True)
    assert not task.done()
    assert loop.run_until_complete(task) == 1


async def test_the_eager_factory_makes_every_kind(loop: Loop, kind: Kind) -> None:
    loop.set_task_factory(asyncio.create_eager_task_factory(kind.Task))
    task = loop.create_task(_value(2), name="made")
    loop.set_task_factory(None)
    assert type(task) is kind.Task
    assert (task.done(), task.get_name(), await task) == (True, "made", 2)
