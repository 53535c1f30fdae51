"""anyio's cancel scopes and task groups around asyncio's own: each side sees the other's cancellations as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from .test_anyio_cancellation import nothing_is_left

Loop = asyncio.AbstractEventLoop

pytestmark = pytest.mark.usefixtures("task_kind")


async def _forever() -> None:
    await asyncio.get_running_loop().create_future()


async def _in_task_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_forever())
        group.create_task(_forever())


async def _in_timeout() -> None:
    async with asyncio.timeout(60):
        await _forever()


async def _on_condition() -> None:
    condition = asyncio.Condition()
    async with condition:
        try:
            await condition.wait()
        finally:
            assert condition.locked()


async def _acquiring_twice() -> None:
    lock = asyncio.Lock()
    await lock.acquire()
    await lock.acquire()


async def _first_completed() -> None:
    for first in asyncio.as_completed([_forever()]):
        await first


ENDLESS: dict[str, Callable[[], Awaitable[object]]] = {
    "gather": lambda: asyncio.gather(_forever(), _forever()),
    "wait_for": lambda: asyncio.wait_for(_forever(), 60),
    "timeout": _in_timeout,
    "TaskGroup": _in_task_group,
    "Queue.get": lambda: asyncio.Queue[int]().get(),
    "Event.wait": lambda: asyncio.Event().wait(),
    "Condition.wait": _on_condition,
    "Lock.acquire": _acquiring_twice,
    "sleep": lambda: asyncio.sleep(60),
    "StreamReader.read": lambda: asyncio.StreamReader().read(1),
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_a_scope_ends_a_wait_of_asyncio_and_leaves_no_task_behind(name: str) -> None:
    before = asyncio.all_tasks()
    with anyio.move_on_after(0.01) as scope:
        await ENDLESS[name]()
    assert scope.cancelled_caught
    await nothing_is_left()
    assert asyncio.all_tasks() == before


async def test_a_cancelled_scope_cancels_asyncios_waits_again_and_again() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        for wait in ENDLESS.values():
            with pytest.raises(asyncio.CancelledError):
                await wait()
    await nothing_is_left()


async def test_what_asyncio_shields_survives_the_scope(loop: Loop) -> None:
    gate = asyncio.Event()

    async def work() -> str:
        await gate.wait()
        return "done"

    task = loop.create_task(work())
    with anyio.move_on_after(0.01) as scope:
        await asyncio.shield(task)
    assert scope.cancelled_caught
    assert not task.done()
    gate.set()
    assert await task == "done"
    await nothing_is_left()


async def test_tasks_that_were_only_waited_for_survive_the_scope(loop: Loop) -> None:
    gate = asyncio.Event()
    tasks = [loop.create_task(gate.wait()) for _ in range(3)]
    with anyio.move_on_after(0.01) as scope:
        await asyncio.wait(tasks)
    assert scope.cancelled_caught
    assert not any(task.done() for task in tasks)
    gate.set()
    assert await asyncio.gather(*tasks) == [True, True, True]


async def test_a_task_of_asyncio_is_outside_the_scope_that_it_was_made_in(loop: Loop) -> None:
    async def work() -> str:
        for _ in range(5):
            await asyncio.sleep(0)
        return "done"

    with anyio.CancelScope() as scope:
        task = loop.create_task(work())
        scope.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()
    assert await task == "done"


async def test_an_item_of_a_queue_is_not_lost_to_a_scope(loop: Loop) -> None:
    queue: asyncio.Queue[str] = asyncio.Queue()
    scope = anyio.CancelScope()
    got: list[str] = []

    async def takes() -> None:
        with scope:
            got.append(await queue.get())
        await nothing_is_left()

    task = loop.create_task(takes())
    await anyio.wait_all_tasks_blocked()
    queue.put_nowait("item")
    scope.cancel()
    await task
    assert got == ["item"]
    assert queue.empty()


async def test_a_lock_that_was_just_handed_over_is_not_lost_to_a_scope(loop: Loop) -> None:
    lock = asyncio.Lock()
    await lock.acquire()
    scope = anyio.CancelScope()

    async def takes() -> None:
        with scope:
            await lock.acquire()
            lock.release()
        await nothing_is_left()

    task = loop.create_task(takes())
    await anyio.wait_all_tasks_blocked()
    lock.release()
    scope.cancel()
    await task
    assert not lock.locked()


async def test_a_timeout_of_asyncio_fires_within_a_scope() -> None:
    with anyio.move_on_after(60) as scope:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anyio.sleep_forever()
        await nothing_is_left()
    assert not scope.cancel_called


async def test_a_scope_fires_within_a_timeout_of_asyncio() -> None:
    async with asyncio.timeout(60) as timeout:
        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        await nothing_is_left()
    assert not timeout.expired()


async def test_a_scope_and_a_timeout_that_are_due_at_once_both_end_well() -> None:
    due = asyncio.get_running_loop().time() + 0.01
    with pytest.raises(TimeoutError):
        async with asyncio.timeout_at(due):
            with anyio.CancelScope(deadline=due):
                await anyio.sleep_forever()
            # Whichever came first, the timeout is still to be heard here.
            await anyio.sleep_forever()
    await nothing_is_left()


async def test_a_failing_task_group_of_asyncio_ends_a_group_of_anyio() -> None:
    async def fails() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_forever())
            await asyncio.sleep(0)
            raise LookupError("inner")

    with pytest.raises(ExceptionGroup) as caught:
        async with anyio.create_task_group() as group:
            group.start_soon(_forever)
            group.start_soon(fails)
    assert caught.value.subgroup(LookupError) is not None
    await nothing_is_left()


async def test_a_failing_group_of_anyio_ends_a_task_group_of_asyncio() -> None:
    async def fails() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(_forever)
            await asyncio.sleep(0)
            raise LookupError("inner")

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(_forever())
            group.create_task(fails())
    assert caught.value.subgroup(LookupError) is not None
    # Before 3.13 a TaskGroup of asyncio leaves its host counted as being cancelled: no more is asked here.
    await asyncio.sleep(0)


async def test_a_cancelled_gather_passes_its_cancellation_to_groups_of_anyio(loop: Loop) -> None:
    ended: list[str] = []

    async def child(name: str) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(name)

    async def branch(name: str) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(child, name)

    gathered = asyncio.gather(branch("a"), branch("b"))
    await anyio.wait_all_tasks_blocked()
    gathered.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathered
    assert sorted(ended) == ["a", "b"]


async def test_a_foreign_awaitable_is_cancelled_by_a_scope(loop: Loop) -> None:
    class Foreign:
        def __await__(self) -> Any:
            future = loop.create_future()
            try:
                return (yield from future.__await__())
            finally:
                assert future.cancelled()

    with anyio.move_on_after(0.01) as scope:
        await Foreign()
    assert scope.cancelled_caught
    await nothing_is_left()
