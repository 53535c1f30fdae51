"""anyio's task groups: waiting, failing, cancelling and starting, on every kind of task."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import anyio
import pytest

Loop = asyncio.AbstractEventLoop

pytestmark = pytest.mark.usefixtures("task_kind")

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def test_a_group_waits_for_its_children() -> None:
    finished: list[int] = []

    async def child(number: int) -> None:
        for _ in range(number):
            await asyncio.sleep(0)
        finished.append(number)

    async with anyio.create_task_group() as group:
        for number in reversed(range(10)):
            group.start_soon(child, number)
    assert finished == list(range(10))


async def test_a_failing_child_cancels_the_others_and_its_host() -> None:
    heard: list[str] = []

    async def waits(name: str) -> None:
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            heard.append(name)
            raise

    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("the child's")

    with pytest.raises(ExceptionGroup) as caught:
        async with anyio.create_task_group() as group:
            group.start_soon(waits, "sibling")
            group.start_soon(fails)
            await waits("host")
    [exc] = caught.value.exceptions
    assert isinstance(exc, LookupError)
    assert sorted(heard) == ["host", "sibling"]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_group_reports_every_failure() -> None:
    gate = anyio.Event()

    async def fails(error: Exception) -> None:
        await gate.wait()
        raise error

    with pytest.raises(ExceptionGroup) as caught:
        async with anyio.create_task_group() as group:
            for error in (LookupError("a"), ValueError("b"), OSError("c")):
                group.start_soon(fails, error)
            await anyio.wait_all_tasks_blocked()
            gate.set()
    assert {type(exc) for exc in caught.value.exceptions} == {LookupError, ValueError, OSError}


async def test_a_failure_during_the_cancellation_is_reported_too() -> None:
    async def cleans_up_badly() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("cleanup")

    with pytest.raises(ExceptionGroup) as caught:
        async with anyio.create_task_group() as group:
            group.start_soon(cleans_up_badly)
            await anyio.wait_all_tasks_blocked()
            raise LookupError("host")
    assert {type(exc) for exc in caught.value.exceptions} == {LookupError, ValueError}


async def test_cancelling_a_group_ends_its_children_and_is_no_error() -> None:
    ended: list[int] = []

    async def child(number: int) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(number)

    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(child, number)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert sorted(ended) == list(range(5))
    assert group.cancel_scope.cancel_called
    await asyncio.sleep(0)


async def test_a_child_that_was_never_started_still_runs_to_its_first_wait() -> None:
    steps: list[str] = []

    async def child() -> None:
        steps.append("started")
        await asyncio.sleep(0)
        steps.append("never")

    async with anyio.create_task_group() as group:
        group.cancel_scope.cancel()
        group.start_soon(child)
    assert steps == ["started"]


async def test_a_cancelled_host_cancels_its_children(loop: Loop) -> None:
    ended: list[str] = []

    async def child() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("child")

    async def host() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(child)

    task = loop.create_task(host())
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert ended == ["child"]


async def test_groups_nest_and_the_outer_cancellation_reaches_the_innermost_child() -> None:
    ended: list[str] = []

    async def leaf(name: str) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(name)

    async def branch(depth: int) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(leaf, f"leaf {depth}")
            if depth:
                group.start_soon(branch, depth - 1)

    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(branch, 4)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
    assert sorted(ended) == [f"leaf {depth}" for depth in range(5)]
    assert scope.cancelled_caught


async def test_errors_of_nested_groups_nest() -> None:
    async def fails() -> None:
        raise LookupError("leaf")

    async def branch() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(fails)

    with pytest.raises(ExceptionGroup) as caught:
        async with anyio.create_task_group() as group:
            group.start_soon(branch)
    [inner] = caught.value.exceptions
    assert isinstance(inner, ExceptionGroup)
    assert isinstance(inner.exceptions[0], LookupError)


async def test_start_waits_until_the_child_says_that_it_has_started() -> None:
    steps: list[str] = []

    async def child(*, task_status: anyio.abc.TaskStatus[str]) -> None:
        await asyncio.sleep(0)
        task_status.started("ready")
        await asyncio.sleep(0)
        steps.append("went on")

    async with anyio.create_task_group() as group:
        assert await group.start(child) == "ready"
        assert steps == []
    assert steps == ["went on"]


async def test_start_raises_what_the_child_raised_before_it_had_started() -> None:
    async def child(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        await asyncio.sleep(0)
        raise LookupError("too early")

    async with anyio.create_task_group() as group:
        with pytest.raises(LookupError, match="too early"):
            await group.start(child)
    assert not group.cancel_scope.cancel_called


async def test_start_of_a_child_that_ends_without_a_word_is_an_error() -> None:
    async def child(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        await asyncio.sleep(0)

    async with anyio.create_task_group() as group:
        with pytest.raises(RuntimeError, match="without calling task_status.started"):
            await group.start(child)


async def test_cancelling_start_cancels_the_child() -> None:
    ended: list[str] = []

    async def child(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("child")

    async with anyio.create_task_group() as group:
        with anyio.move_on_after(0.01) as scope:
            await group.start(child)
        assert scope.cancelled_caught
        assert ended == ["child"]
    assert not group.cancel_scope.cancel_called


async def test_a_child_has_the_context_of_the_one_who_started_it_and_keeps_its_changes() -> None:
    seen: list[str] = []

    async def child() -> None:
        seen.append(variable.get())
        variable.set("the child's")
        await asyncio.sleep(0)
        seen.append(variable.get())

    variable.set("the host's")
    async with anyio.create_task_group() as group:
        group.start_soon(child)
    assert seen == ["the host's", "the child's"]
    assert variable.get() == "the host's"


async def test_a_child_is_named_after_its_function_or_as_asked() -> None:
    names: dict[str, str] = {}

    async def child(key: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        names[key] = task.get_name()
        assert anyio.get_current_task().name == task.get_name()

    async with anyio.create_task_group() as group:
        group.start_soon(child, "unnamed")
        group.start_soon(child, "named", name="worker 7")
    assert names["named"] == "worker 7"
    assert names["unnamed"].endswith("child")


async def test_a_thousand_children_come_and_go(loop: Loop) -> None:
    before = len(asyncio.all_tasks())
    total = 0

    async def child(number: int) -> None:
        nonlocal total
        await asyncio.sleep(0)
        total += number

    for _ in range(3):
        async with anyio.create_task_group() as group:
            for number in range(1000):
                group.start_soon(child, number)
    assert total == 3 * sum(range(1000))
    assert len(asyncio.all_tasks()) == before


async def test_a_child_may_start_its_own_siblings() -> None:
    finished: list[int] = []

    async def child(group: anyio.abc.TaskGroup, left: int) -> None:
        await asyncio.sleep(0)
        if left:
            group.start_soon(child, group, left - 1)
        finished.append(left)

    async with anyio.create_task_group() as group:
        group.start_soon(child, group, 20)
    assert sorted(finished) == list(range(21))


async def test_the_group_of_an_async_generator_ends_with_it() -> None:
    ended: list[str] = []

    async def ticks(stop: anyio.Event) -> None:
        try:
            await stop.wait()
        finally:
            ended.append("ticks")

    async def stream() -> Any:
        async with anyio.create_task_group() as group:
            group.start_soon(ticks, anyio.Event())
            yield 1
            yield 2
            group.cancel_scope.cancel()

    assert [item async for item in stream()] == [1, 2]
    assert ended == ["ticks"]
