"""Private attributes of task groups, which programs read, and which classes of their own set."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.namespaces import Names

from .support import Loop, turns


async def fails(text: str = "failed") -> None:
    raise ValueError(text)


def texts(raised: pytest.ExceptionInfo[BaseExceptionGroup[Any]]) -> list[str]:
    """Return the texts of the errors in a group."""
    return [str(error) for error in raised.value.exceptions]


async def test_a_group_shows_how_far_it_is(loop: Loop, names: Names) -> None:
    def stage(group: Any) -> list[bool]:
        return [group._entered, group._exiting, group._aborting, group._parent_cancel_requested]

    group: Any = names.TaskGroup()
    assert stage(group) == [False, False, False, False]
    assert (group._loop, group._parent_task, group._on_completed_fut) == (None, None, None)
    assert (group._tasks, group._errors, group._base_error) == (set(), [], None)
    release = asyncio.Event()

    async def look() -> list[bool]:
        await release.wait()
        assert not group._on_completed_fut.done()
        return stage(group)

    async with group:
        assert stage(group) == [True, False, False, False]
        assert group._loop is loop
        assert group._parent_task is asyncio.current_task()
        looking = group.create_task(look())
        assert group._tasks == {looking}
        loop.call_soon(release.set)
    assert looking.result() == [True, True, False, False]
    assert group._tasks == set()
    assert group._on_completed_fut is None


async def test_a_group_that_has_cancelled_its_parent_says_so(loop: Loop, names: Names) -> None:
    group: Any = names.TaskGroup()
    with pytest.raises(BaseExceptionGroup):
        async with group:
            group.create_task(fails())
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(3600)
            assert group._parent_cancel_requested
            assert group._aborting
            assert [str(error) for error in group._errors] == ["failed"]


async def test_a_group_is_made_patient_by_an_attribute(loop: Loop, names: Names) -> None:
    class Patient(names.TaskGroup):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self._parent_cancel_requested = True

    with pytest.raises(BaseExceptionGroup) as raised:
        async with Patient() as group:
            group.create_task(fails("one"))
            kept = group.create_task(asyncio.sleep(0, "kept"))
            await turns(5)
            group.create_task(fails("two"))
    assert texts(raised) == ["one", "two"]
    assert kept.result() == "kept"


async def test_an_error_that_is_taken_from_the_list_is_not_raised(loop: Loop, names: Names) -> None:
    group: Any = names.TaskGroup()
    with pytest.raises(BaseExceptionGroup) as raised:
        async with group:
            for text in ("one", "two"):
                group.create_task(fails(text))
            with pytest.raises(asyncio.CancelledError):
                await turns(5)
            group._errors.pop(0)
            group._errors.append(KeyError("three"))
    assert texts(raised) == ["two", "'three'"]


async def test_a_class_of_its_own_may_do_what_follows_the_end_of_a_task(
    loop: Loop, names: Names
) -> None:
    class Collecting(names.TaskGroup):  # type: ignore[misc, name-defined]
        def _on_task_done(self, task: asyncio.Task[Any]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                self._errors.append(error)
            completed = self._on_completed_fut
            if completed is not None and not self._tasks and not completed.done():
                completed.set_result(True)

    with pytest.raises(BaseExceptionGroup) as raised:
        async with asyncio.timeout(10), Collecting() as group:
            group.create_task(fails("one"))
            kept = group.create_task(asyncio.sleep(0, "kept"))
            group.create_task(fails("two"))
    assert sorted(texts(raised)) == ["one", "two"]
    assert kept.result() == "kept"


async def test_a_task_that_is_taken_from_the_set_is_not_waited_for(
    loop: Loop, names: Names
) -> None:
    async with asyncio.timeout(10), names.TaskGroup() as group:
        kept = group.create_task(asyncio.sleep(3600))
        group.create_task(asyncio.sleep(0))
        group._tasks.discard(kept)  # type: ignore[attr-defined]
        assert repr(group) == "<TaskGroup tasks=1 entered>"
    assert not kept.done()
    kept.cancel()
    with pytest.raises(asyncio.CancelledError):
        await kept
