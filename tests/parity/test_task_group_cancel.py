"""`TaskGroup.cancel`: asyncio's groups have it since Python 3.15, ours everywhere."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from tests.namespaces import Names

from .support import Loop, turns


@pytest.fixture(autouse=True)
def _only_where_there_is_one(names: Names) -> None:
    if not hasattr(names.TaskGroup, "cancel"):
        pytest.skip("asyncio's groups have no cancel before Python 3.15")


async def test_the_body_and_the_tasks_end_and_nothing_is_raised(loop: Loop, names: Names) -> None:
    group: Any = names.TaskGroup()
    async with group:
        task = group.create_task(asyncio.sleep(3600))
        group.cancel()
        await asyncio.sleep(3600)
        pytest.fail("the body goes on")
    assert task.cancelled()
    parent: Any = asyncio.current_task()
    assert parent.cancelling() == 0
    await asyncio.sleep(0)


async def test_a_body_that_waits_for_nothing_ends_as_well(loop: Loop, names: Names) -> None:
    for has_task in (False, True):
        group: Any = names.TaskGroup()
        async with group:
            tasks = [group.create_task(asyncio.sleep(3600))] if has_task else []
            group.cancel()
        assert all(task.cancelled() for task in tasks)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_a_task_may_cancel_its_group(loop: Loop, names: Names) -> None:
    group: Any = names.TaskGroup()

    async def cancel() -> None:
        group.cancel()

    async with group:
        cancelling = group.create_task(cancel())
        other = group.create_task(asyncio.sleep(3600))
        await asyncio.sleep(3600)
    # Cancelled before its end, the first one, too.
    assert cancelling.cancelled()
    assert other.cancelled()


async def test_a_cancelled_group_takes_no_tasks(loop: Loop, names: Names) -> None:
    group: Any = names.TaskGroup()
    async with group:
        group.cancel()
        coroutine = asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="is shutting down"):
            group.create_task(coroutine)
        coroutine.close()


async def test_a_group_cancelled_before_it_is_entered_cancels_its_body(
    loop: Loop, names: Names
) -> None:
    group: Any = names.TaskGroup()
    group.cancel()
    reached = []
    async with group:
        reached.append("body")
        await asyncio.sleep(3600)
        reached.append("end")
    assert reached == ["body"]


async def test_once_it_is_over_there_is_nothing_to_cancel(loop: Loop, names: Names) -> None:
    group: Any = names.TaskGroup()
    async with group:
        group.create_task(asyncio.sleep(0))
    group.cancel()
    group.cancel()
    parent: Any = asyncio.current_task()
    assert parent.cancelling() == 0
    await asyncio.sleep(0)


async def test_a_second_cancel_adds_nothing(loop: Loop, names: Names) -> None:
    group: Any = names.TaskGroup()
    parent: Any = asyncio.current_task()
    async with group:
        group.create_task(asyncio.sleep(3600))
        for _ in range(3):
            group.cancel()
        assert parent.cancelling() == 1
        await asyncio.sleep(3600)
    assert parent.cancelling() == 0


async def test_errors_of_tasks_and_of_the_body_are_still_told(loop: Loop, names: Names) -> None:
    async def fail_when_cancelled() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise ValueError("in the end")

    group: Any = names.TaskGroup()
    with pytest.raises(BaseExceptionGroup) as raised:
        async with group:
            group.create_task(fail_when_cancelled())
            await asyncio.sleep(0)
            group.cancel()
            raise KeyError("body")
    assert [type(error) for error in raised.value.exceptions] == [ValueError, KeyError]
    await asyncio.sleep(0)


async def test_a_cancellation_from_outside_is_not_lost(loop: Loop, names: Names) -> None:
    group: Any = names.TaskGroup()

    async def main() -> None:
        async with group:
            group.create_task(ends_late())
            await asyncio.sleep(3600)

    async def ends_late() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await turns(3)

    task = loop.create_task(main())
    await turns(2)
    group.cancel()
    await turns(2)
    task.cancel("from outside")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_an_eager_task_that_cancels_its_group_is_cancelled_with_it(
    loop: Loop, names: Names
) -> None:
    if sys.version_info < (3, 12):
        pytest.skip("no eager tasks before Python 3.12")
    group: Any = names.TaskGroup()

    async def cancel_and_wait() -> None:
        group.cancel()
        await asyncio.sleep(3600)

    previous = loop.get_task_factory()
    loop.set_task_factory(names.eager_task_factory)
    try:
        async with group:
            task = group.create_task(cancel_and_wait())
            await asyncio.sleep(3600)
    finally:
        loop.set_task_factory(previous)
    assert task.cancelled()


async def test_a_generator_with_a_group_in_it_is_closed_without_an_error(
    loop: Loop, names: Names
) -> None:
    if sys.version_info < (3, 15):
        pytest.skip("a group of one GeneratorExit before Python 3.15")

    async def numbers() -> AsyncGenerator[int]:
        async with names.TaskGroup() as group:
            group.create_task(asyncio.sleep(3600))
            yield 1

    generator = numbers()
    assert await anext(generator) == 1
    await generator.aclose()
