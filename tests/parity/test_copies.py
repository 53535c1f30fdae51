"""Copies of locks, queues and task groups: programs copy objects that have one among their attributes."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from tests.namespaces import Names

from .support import Loop, turns

WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "pickle 0": lambda thing: pickle.loads(pickle.dumps(thing, 0)),
    "pickle 1": lambda thing: pickle.loads(pickle.dumps(thing, 1)),
}
MADE_WITH: dict[str, tuple[Any, ...]] = {
    "Lock": (),
    "Event": (),
    "Condition": (),
    "Semaphore": (3,),
    "BoundedSemaphore": (3,),
    "Barrier": (2,),
    "Queue": (3,),
    "LifoQueue": (3,),
    "PriorityQueue": (3,),
    "TaskGroup": (),
}


def shown(thing: Any) -> str:
    """Return the repr without the address."""
    return repr(thing).replace(hex(id(thing)), "...")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MADE_WITH)
def test_what_was_never_used_can_be_copied(name: str, way: str, names: Names) -> None:
    original: Any = getattr(names, name)(*MADE_WITH[name])
    original.extra = ["kept"]
    made = WAYS[way](original)
    assert type(made) is type(original)
    assert made is not original
    assert shown(made) == shown(original)
    assert made.extra == ["kept"]
    assert (made.extra is original.extra) is (way == "copy")


async def test_a_copy_of_a_lock_is_a_lock_of_its_own(loop: Loop, names: Names) -> None:
    lock = names.Lock()
    await lock.acquire()
    made = copy.deepcopy(lock)
    assert made.locked()
    made.release()
    assert lock.locked()
    assert not made.locked()
    assert await made.acquire()


async def test_a_copy_of_a_semaphore_has_as_many_permits(loop: Loop, names: Names) -> None:
    semaphore = names.BoundedSemaphore(2)
    await semaphore.acquire()
    made = pickle.loads(pickle.dumps(semaphore))
    made.release()
    with pytest.raises(ValueError, match="released too many times"):
        made.release()
    await semaphore.acquire()
    assert semaphore.locked()
    assert not made.locked()


async def test_a_copy_of_a_condition_has_a_lock_of_its_own(loop: Loop, names: Names) -> None:
    condition = names.Condition()
    made = copy.deepcopy(condition)
    async with condition:
        assert condition.locked()
        assert not made.locked()
    async with made:
        made.notify_all()
        assert not condition.locked()


@pytest.mark.parametrize("way", WAYS)
async def test_conditions_that_share_a_lock_do_so_as_copies(
    loop: Loop, names: Names, way: str
) -> None:
    lock = names.Lock()
    pair = [names.Condition(lock), names.Condition(lock)]
    first, second = WAYS[way](pair)
    async with first:
        assert second.locked()
        assert lock.locked() is (way == "copy")


async def test_a_copy_of_a_condition_has_the_methods_of_a_lock_that_is_only_like_one(
    loop: Loop, names: Names
) -> None:
    made = copy.deepcopy(names.Condition(LikeALock()))  # type: ignore[arg-type]
    async with made:
        assert made._lock.calls == ["acquire"]  # type: ignore[attr-defined]
    assert made._lock.calls == ["acquire", "release"]  # type: ignore[attr-defined]


class LikeALock:
    """Has the methods of a lock, and remembers their calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def locked(self) -> bool:
        return True

    async def acquire(self) -> bool:
        self.calls.append("acquire")
        return True

    def release(self) -> None:
        self.calls.append("release")


@pytest.mark.parametrize(
    ("name", "order"),
    [("Queue", [3, 1, 2]), ("LifoQueue", [2, 1, 3]), ("PriorityQueue", [1, 2, 3])],
)
async def test_a_copy_of_a_queue_has_its_items_and_counts_them(
    loop: Loop, names: Names, name: str, order: list[int]
) -> None:
    queue = getattr(names, name)(3)
    for item in (3, 1, 2):
        queue.put_nowait(item)
    made = copy.deepcopy(queue)
    assert made.full()
    assert [made.get_nowait() for _ in order] == order
    assert queue.qsize() == 3
    joining = asyncio.create_task(made.join())
    for _ in order:
        await turns(1)
        assert not joining.done()
        made.task_done()
    await joining


async def test_a_copy_of_a_barrier_waits_for_as_many(loop: Loop, names: Names) -> None:
    barrier = names.Barrier(2)
    made = copy.deepcopy(barrier)
    assert sorted(await asyncio.gather(made.wait(), made.wait())) == [0, 1]
    assert barrier.n_waiting == 0
    await barrier.abort()
    assert copy.deepcopy(barrier).broken


@pytest.mark.parametrize("way", ["deepcopy", "pickle"])
async def test_what_tasks_wait_for_is_not_copied(loop: Loop, names: Names, way: str) -> None:
    event = names.Event()
    waiting = asyncio.create_task(event.wait())
    await turns(1)
    with pytest.raises(TypeError, match="cannot pickle|can't pickle|cannot be"):
        WAYS[way](event)
    event.set()
    await waiting


def test_a_subclass_is_copied_with_its_attributes_and_slots(names: Names) -> None:
    class Named(names.Lock):  # type: ignore[misc, name-defined]
        __slots__ = ("label", "unset")

        def __init__(self, label: str) -> None:
            super().__init__()
            self.label = label
            self.extra = {"of": label}

    original = Named("a")
    made = copy.deepcopy(original)
    assert type(made) is Named
    assert (made.label, made.extra) == ("a", {"of": "a"})
    assert made.extra is not original.extra
    assert not hasattr(made, "unset")
