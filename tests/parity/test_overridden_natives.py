"""Private methods of locks and task groups that programs call, or override in classes of their own."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from tests.namespaces import Names

from .support import Loop, turns


async def test_a_lock_passes_itself_on_by_a_method_that_can_be_overridden(
    loop: Loop, names: Names
) -> None:
    calls: list[str] = []

    class Noisy(names.Lock):  # type: ignore[misc, name-defined]
        def _wake_up_first(self) -> None:
            calls.append("woken")
            super()._wake_up_first()

    lock = Noisy()
    async with lock:
        first = asyncio.create_task(lock.acquire())
        second = asyncio.create_task(lock.acquire())
        await turns(1)
        assert calls == []
    assert calls == ["woken"]
    # The first has been woken: its cancellation passes the lock on.
    first.cancel()
    await asyncio.wait([first, second])
    assert first.cancelled()
    assert await second
    assert calls == ["woken", "woken"]


@pytest.mark.parametrize("name", ["Semaphore", "BoundedSemaphore"])
async def test_a_semaphore_passes_permits_on_by_a_method_that_can_be_overridden(
    loop: Loop, names: Names, name: str
) -> None:
    answers: list[bool] = []

    class Noisy(getattr(names, name)):  # type: ignore[misc]
        def _wake_up_next(self) -> bool:
            value = self._value
            answer = super()._wake_up_next()
            answers.append(self._value < value)
            # Before 3.13 asyncio's has no answer.
            assert answer in (answers[-1], None)
            return answers[-1]

    semaphore = Noisy(1)
    async with semaphore:
        waiting = asyncio.create_task(semaphore.acquire())
        await turns(1)
        assert answers == []
    assert answers == [True]
    await waiting
    semaphore.release()
    assert answers == [True, False]


async def test_a_semaphore_that_grows(loop: Loop, names: Names) -> None:
    semaphore: Any = names.Semaphore(0)
    waiting = [asyncio.create_task(semaphore.acquire()) for _ in range(3)]
    await turns(1)
    semaphore._value += 2
    semaphore._wake_up_next()
    # The one that is woken sees that there is another permit.
    await turns(2)
    assert [task.done() for task in waiting] == [True, True, False]
    assert not semaphore._value
    semaphore._value += 1
    semaphore._wake_up_next()
    await waiting[2]
    assert not semaphore._wake_up_next()


async def test_what_is_put_on_a_semaphore_itself_counts(loop: Loop, names: Names) -> None:
    semaphore: Any = names.Semaphore(1)
    calls: list[str] = []
    semaphore._wake_up_next = lambda: calls.append("asked")
    async with semaphore:
        pass
    assert calls == ["asked"]


@pytest.mark.skipif(sys.version_info < (3, 13), reason="stdlib only from 3.13: Condition._notify")
async def test_a_condition_notifies_by_a_method_that_can_be_overridden(
    loop: Loop, names: Names
) -> None:
    counts: list[int] = []

    class Noisy(names.Condition):  # type: ignore[misc, name-defined]
        def _notify(self, n: int) -> None:
            counts.append(n)
            super()._notify(n)

    condition = Noisy()

    async def wait() -> None:
        async with condition:
            await condition.wait()

    waiting = [asyncio.create_task(wait()) for _ in range(4)]
    await turns(1)
    async with condition:
        condition.notify()
        condition.notify(2)
    await asyncio.wait(waiting[:3])
    assert counts == [1, 2]
    waiting[3].cancel()
    await asyncio.wait(waiting)
    # What a cancelled one may have been told it tells another.
    assert counts == [1, 2, 1]


async def fails() -> None:
    raise ValueError("failed")


async def test_a_group_is_ended_from_outside_by_its_abort(loop: Loop, names: Names) -> None:
    async with names.TaskGroup() as group:
        tasks = [group.create_task(asyncio.sleep(3600)) for _ in range(2)]
        await turns(1)
        group._abort()  # type: ignore[attr-defined]
    assert [task.cancelled() for task in tasks] == [True, True]


async def test_a_group_that_does_not_abort_lets_the_others_go_on(loop: Loop, names: Names) -> None:
    class Patient(names.TaskGroup):  # type: ignore[misc, name-defined]
        aborts = 0

        def _abort(self) -> None:
            self.aborts += 1

    group = Patient()
    with pytest.raises(BaseExceptionGroup) as raised:
        async with group:
            group.create_task(fails())
            kept = group.create_task(asyncio.sleep(0, "kept"))
            await turns(5)
    assert [type(error) for error in raised.value.exceptions] == [ValueError]
    assert group.aborts
    assert kept.result() == "kept"


async def test_a_group_tells_an_overridden_method_of_every_end(loop: Loop, names: Names) -> None:
    ended: list[Any] = []

    class Watching(names.TaskGroup):  # type: ignore[misc, name-defined]
        def _on_task_done(self, task: Any) -> None:
            ended.append(task)
            super()._on_task_done(task)

    with pytest.raises(BaseExceptionGroup) as raised:
        async with Watching() as group:
            good = group.create_task(asyncio.sleep(0))
            await turns(3)
            assert ended == [good]
            bad = group.create_task(fails())
            other = group.create_task(asyncio.sleep(3600))
            await turns(3)
    assert ended == [good, bad, other]
    assert [type(error) for error in raised.value.exceptions] == [ValueError]
    assert other.cancelled()


async def test_a_group_asks_whether_an_error_ends_the_program(loop: Loop, names: Names) -> None:
    class Strict(names.TaskGroup):  # type: ignore[misc, name-defined]
        def _is_base_error(self, exc: BaseException) -> bool:
            return isinstance(exc, ValueError)

    with pytest.raises(ValueError, match="^failed$"):
        async with Strict() as group:
            group.create_task(fails())
    group = names.TaskGroup()
    assert group._is_base_error(KeyboardInterrupt())  # type: ignore[attr-defined]
    assert not group._is_base_error(asyncio.CancelledError())  # type: ignore[attr-defined]
