"""anyio's cancel scopes, which read and cancel tasks by their private names: each delivers once and loses no result."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

pytestmark = pytest.mark.usefixtures("task_kind")

SHORT_S = 0.01

Loop = asyncio.AbstractEventLoop
FutureMaker = Callable[[], "asyncio.Future[Any]"]


async def nothing_is_left() -> None:
    """Check that no cancellation waits for this task."""
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert task._must_cancel is False  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def cancellations(wait: Callable[[], Awaitable[object]], count: int) -> int:
    """Wait `count` times, and return how many of the waits were cancelled."""
    cancelled = 0
    for _ in range(count):
        try:
            await wait()
        except asyncio.CancelledError:
            cancelled += 1
    return cancelled


async def test_move_on_after_ends_what_takes_too_long() -> None:
    with anyio.move_on_after(SHORT_S) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    await nothing_is_left()


async def test_move_on_after_leaves_alone_what_is_in_time() -> None:
    with anyio.move_on_after(60) as scope:
        await anyio.lowlevel.checkpoint()
    assert not scope.cancel_called
    await nothing_is_left()


async def test_fail_after_turns_its_cancellation_into_a_timeout() -> None:
    with pytest.raises(TimeoutError), anyio.fail_after(SHORT_S):
        await asyncio.get_running_loop().create_future()
    await nothing_is_left()


async def test_a_deadline_that_has_passed_cancels_the_first_wait() -> None:
    reached = False
    with anyio.move_on_after(-1) as scope:
        reached = True
        await anyio.lowlevel.checkpoint()
        pytest.fail("the first wait must be cancelled")
    assert reached
    assert scope.cancelled_caught
    await nothing_is_left()


async def test_a_deadline_can_be_put_off(loop: Loop) -> None:
    with anyio.move_on_after(SHORT_S) as scope:
        scope.deadline = math.inf
        later = loop.create_future()
        loop.call_later(2 * SHORT_S, later.set_result, None)
        await later
    assert not scope.cancel_called
    await nothing_is_left()


async def test_a_deadline_can_be_brought_forward() -> None:
    with anyio.CancelScope() as scope:
        scope.deadline = anyio.current_time()
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    await nothing_is_left()


async def test_the_effective_deadline_is_the_nearest_one() -> None:
    with anyio.CancelScope(deadline=anyio.current_time() + 30) as outer:
        await asyncio.sleep(0)
        with anyio.move_on_after(60):
            await asyncio.sleep(0)
            assert anyio.current_effective_deadline() == outer.deadline
        with anyio.CancelScope(shield=True):
            await asyncio.sleep(0)
            assert anyio.current_effective_deadline() == math.inf


@pytest.mark.parametrize("wait", ["a future", "a turn", "a task", "an event"])
async def test_a_cancelled_scope_cancels_every_wait_inside(loop: Loop, wait: str) -> None:
    waits: dict[str, Callable[[], Awaitable[object]]] = {
        "a future": loop.create_future,
        "a turn": lambda: asyncio.sleep(0),
        "a task": lambda: loop.create_task(anyio.sleep_forever()),
        "an event": lambda: asyncio.Event().wait(),
    }
    with anyio.CancelScope() as scope:
        scope.cancel()
        assert await cancellations(waits[wait], 5) == 5
    assert scope.cancel_called
    await nothing_is_left()
    assert await cancellations(lambda: asyncio.sleep(0), 3) == 0


async def test_a_cancellation_is_delivered_once_to_each_of_many_tasks() -> None:
    heard: list[int] = []

    async def child(number: int) -> None:
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            heard.append(number)
            raise

    async with anyio.create_task_group() as group:
        for number in range(1000):
            group.start_soon(child, number)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert sorted(heard) == list(range(1000))
    await nothing_is_left()


async def test_cancelling_the_outer_scope_passes_through_the_inner_one() -> None:
    with anyio.CancelScope() as outer:
        with anyio.CancelScope() as inner:
            outer.cancel()
            await anyio.sleep_forever()
        pytest.fail("the inner scope must let it through")
    assert outer.cancelled_caught
    assert not inner.cancel_called
    assert not inner.cancelled_caught
    await nothing_is_left()


async def test_cancelling_the_inner_scope_leaves_the_outer_one_running() -> None:
    with anyio.CancelScope() as outer:
        with anyio.CancelScope() as inner:
            inner.cancel()
            await anyio.sleep_forever()
        assert inner.cancelled_caught
        await nothing_is_left()
    assert not outer.cancel_called


async def test_two_nested_scopes_cancelled_at_once_leave_nothing_behind() -> None:
    with anyio.CancelScope() as outer:
        with anyio.CancelScope() as inner:
            inner.cancel()
            outer.cancel()
            await anyio.sleep_forever()
        pytest.fail("the outer scope's cancellation is still under way")
    assert outer.cancelled_caught
    await nothing_is_left()


async def test_a_shielded_scope_waits_in_peace_until_it_ends(loop: Loop) -> None:
    steps: list[str] = []
    with anyio.CancelScope() as outer:
        with anyio.CancelScope(shield=True):
            outer.cancel()
            await asyncio.sleep(0)
            future = loop.create_future()
            loop.call_soon(future.set_result, "kept")
            steps.append(await future)
        steps.append("left")
        await anyio.lowlevel.checkpoint()
        steps.append("never")
    assert steps == ["kept", "left"]
    assert outer.cancelled_caught
    await nothing_is_left()


async def test_a_shield_that_is_lowered_lets_the_cancellation_in() -> None:
    with anyio.CancelScope() as outer, anyio.CancelScope(shield=True) as inner:
        outer.cancel()
        await asyncio.sleep(0)
        inner.shield = False
        assert await cancellations(anyio.sleep_forever, 2) == 2
    await nothing_is_left()


async def test_a_cleanup_behind_a_shield_may_wait(loop: Loop) -> None:
    cleaned: list[str] = []
    with anyio.CancelScope() as scope:
        loop.call_soon(scope.cancel)
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(0)
                cleaned.append(await asyncio.wait_for(_value("cleaned"), 10))
    assert cleaned == ["cleaned"]
    await nothing_is_left()


async def _value(value: str) -> str:
    await asyncio.sleep(0)
    return value


async def test_another_task_may_cancel_a_scope(loop: Loop) -> None:
    scopes: list[anyio.CancelScope] = []
    texts: list[str] = []

    async def waits() -> None:
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            try:
                await anyio.sleep_forever()
            except asyncio.CancelledError as exc:
                texts.append(exc.args[0])
                raise
        await nothing_is_left()

    task = loop.create_task(waits())
    await anyio.wait_all_tasks_blocked()
    scopes[0].cancel("enough")
    await task
    assert scopes[0].cancelled_caught
    [text] = texts
    assert text.startswith("Cancelled via cancel scope ")
    assert text.endswith("; reason: enough")


def future_makers(loop: Loop) -> dict[str, FutureMaker]:
    """Each kind of future that a task may wait for, by name."""
    return {"own": loop.create_future, "asyncio": lambda: asyncio.Future(loop=loop)}


@pytest.mark.parametrize("kind", ["own", "asyncio"])
async def test_a_result_that_is_there_is_not_lost_to_a_cancellation(loop: Loop, kind: str) -> None:
    future = future_makers(loop)[kind]()
    scope = anyio.CancelScope()
    got: list[str] = []

    async def waits() -> None:
        with scope:
            got.append(await future)
        await nothing_is_left()

    task = loop.create_task(waits())
    await anyio.wait_all_tasks_blocked()
    future.set_result("kept")
    scope.cancel()
    await task
    assert got == ["kept"]
    assert not scope.cancelled_caught


@pytest.mark.parametrize("kind", ["own", "asyncio"])
async def test_an_exception_that_is_there_is_not_lost_to_a_cancellation(
    loop: Loop, kind: str
) -> None:
    future = future_makers(loop)[kind]()
    scope = anyio.CancelScope()

    async def waits() -> None:
        with pytest.raises(LookupError, match="kept"), scope:
            await future
        await nothing_is_left()

    task = loop.create_task(waits())
    await anyio.wait_all_tasks_blocked()
    future.set_exception(LookupError("kept"))
    scope.cancel()
    await task


async def test_the_result_of_a_finished_task_is_not_lost_to_a_cancellation(loop: Loop) -> None:
    gate = asyncio.Event()
    scope = anyio.CancelScope()
    got: list[str] = []

    async def child() -> str:
        await gate.wait()
        scope.cancel()
        return "kept"

    async def waits(awaited: asyncio.Task[str]) -> None:
        with scope:
            got.append(await awaited)
        await nothing_is_left()

    awaited = loop.create_task(child())
    task = loop.create_task(waits(awaited))
    await anyio.wait_all_tasks_blocked()
    gate.set()
    # The scope is cancelled within the last step of the child, so the child is cancelled as well, or is done.
    await task
    assert awaited.cancelled() == (got == [])
    assert scope.cancelled_caught == (got == [])


async def test_after_a_kept_result_the_next_wait_is_cancelled(loop: Loop) -> None:
    future = loop.create_future()
    scope = anyio.CancelScope()
    steps: list[str] = []

    async def waits() -> None:
        with scope:
            steps.append(await future)
            await asyncio.sleep(0)
            steps.append("never")
        await nothing_is_left()

    task = loop.create_task(waits())
    await anyio.wait_all_tasks_blocked()
    future.set_result("kept")
    scope.cancel()
    await task
    assert steps == ["kept"]
    assert scope.cancelled_caught


async def test_a_native_cancellation_is_not_swallowed_by_a_scope(loop: Loop) -> None:
    async def waits() -> None:
        with anyio.CancelScope():
            await anyio.sleep_forever()

    task = loop.create_task(waits())
    await anyio.wait_all_tasks_blocked()
    task.cancel("native")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


@pytest.mark.parametrize("order", ["scope first", "native first"])
async def test_a_native_cancellation_is_not_lost_in_the_turn_of_a_scopes_own(
    loop: Loop, order: str
) -> None:
    scope = anyio.CancelScope()

    async def waits() -> None:
        with scope:
            await anyio.sleep_forever()
        await asyncio.sleep(0)

    task = loop.create_task(waits())
    await anyio.wait_all_tasks_blocked()
    calls = [scope.cancel, task.cancel]
    for call in calls if order == "scope first" else reversed(calls):
        call()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_scope_may_be_cancelled_before_it_is_entered() -> None:
    scope = anyio.CancelScope()
    scope.cancel()
    with scope:
        await asyncio.sleep(0)
        pytest.fail("the first wait must be cancelled")
    assert scope.cancelled_caught
    await nothing_is_left()


async def test_cancelling_a_scope_without_a_wait_does_nothing() -> None:
    with anyio.CancelScope() as scope:  # noqa: ASYNC100
        scope.cancel()
    assert not scope.cancelled_caught
    await nothing_is_left()


async def test_a_checkpoint_that_is_shielded_is_not_cancelled() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anyio.lowlevel.cancel_shielded_checkpoint()
        with pytest.raises(asyncio.CancelledError):
            await anyio.lowlevel.checkpoint_if_cancelled()
    await nothing_is_left()
