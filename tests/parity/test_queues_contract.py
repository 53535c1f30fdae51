"""Queues, the stdlib's and ours: what misuse raises, what a repr shows, what a subclass may replace."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Any

import pytest
from tests.namespaces import Names

from .support import Loop, turns


def shown(thing: object) -> str:
    return re.sub(r"0x[0-9a-f]+", "0x", repr(thing))


def needs_shutdown(names: Names) -> None:
    if not names.native and sys.version_info < (3, 13):
        pytest.skip("stdlib only from 3.13: shutdown")


async def test_a_queue_shows_what_is_in_it_and_who_waits(loop: Loop, names: Names) -> None:
    queue = names.Queue(1)
    assert shown(queue) == "<Queue at 0x maxsize=1>"
    assert str(queue) == "<Queue maxsize=1>"
    getter = asyncio.create_task(queue.get())
    await turns(1)
    assert shown(queue) == "<Queue at 0x maxsize=1 _getters[1]>"
    queue.put_nowait("a")
    await getter
    queue.put_nowait("b")
    putter = asyncio.create_task(queue.put("c"))
    await turns(1)
    assert shown(queue) == "<Queue at 0x maxsize=1 _queue=['b'] _putters[1] tasks=2>"
    assert [queue.get_nowait(), await queue.get()] == ["b", "c"]
    await putter


async def test_what_cannot_be_done_at_once_is_refused(loop: Loop, names: Names) -> None:
    queue = names.Queue(1)
    with pytest.raises(asyncio.QueueEmpty) as empty:
        queue.get_nowait()
    assert empty.value.args == ()
    queue.put_nowait(1)
    with pytest.raises(asyncio.QueueFull) as full:
        queue.put_nowait(2)
    assert full.value.args == ()
    assert queue.full()
    queue.task_done()
    with pytest.raises(ValueError, match=r"^task_done\(\) called too many times$"):
        queue.task_done()
    await queue.join()


async def test_a_queue_without_a_bound_is_never_full(loop: Loop, names: Names) -> None:
    for size in (0, -1):
        queue = names.Queue(maxsize=size)
        assert queue.maxsize == size
        for item in range(10):
            await queue.put(item)
        assert not queue.full()
        assert queue.qsize() == 10
    with pytest.raises(AttributeError):
        queue.maxsize = 3


async def test_a_subclass_keeps_the_items_its_own_way(loop: Loop, names: Names) -> None:
    calls: list[str] = []

    class Reversed(names.Queue):  # type: ignore[misc, name-defined]
        def _init(self, maxsize: int) -> None:
            calls.append(f"init {maxsize}")
            self.own: list[Any] = []

        def qsize(self) -> int:
            return len(self.own)

        def empty(self) -> bool:
            return not self.own

        def _put(self, item: Any) -> None:
            calls.append(f"put {item}")
            self.own.append(item)

        def _get(self) -> Any:
            calls.append("get")
            return self.own.pop()

    queue = Reversed(2)
    await queue.put(1)
    queue.put_nowait(2)
    assert queue.full()
    putter = asyncio.create_task(queue.put(3))
    await turns(1)
    assert await queue.get() == 2
    await putter
    assert [queue.get_nowait(), await queue.get()] == [3, 1]
    assert calls == ["init 2", "put 1", "put 2", "get", "put 3", "get", "get"]


async def test_a_subclass_may_use_the_containers_of_its_parent(loop: Loop, names: Names) -> None:
    class Unique(names.Queue):  # type: ignore[misc, name-defined]
        """The recipe that is in many programs: a queue that takes nothing twice."""

        def _init(self, maxsize: int) -> None:
            super()._init(maxsize)
            self.seen: set[Any] = set()

        def _put(self, item: Any) -> None:
            if item not in self.seen:
                self.seen.add(item)
                super()._put(item)

    queue = Unique()
    for item in "abab":
        queue.put_nowait(item)
    assert queue.qsize() == 2
    assert list(queue._queue) == ["a", "b"]
    assert [await queue.get(), await queue.get()] == ["a", "b"]


async def test_the_error_of_a_subclass_reaches_the_caller_and_changes_nothing(
    loop: Loop, names: Names
) -> None:
    class Picky(names.Queue):  # type: ignore[misc, name-defined]
        def _put(self, item: Any) -> None:
            if item == "bad":
                raise LookupError(item)
            super()._put(item)

    queue = Picky()
    for put in (queue.put_nowait, lambda item: _run(queue.put(item))):
        with pytest.raises(LookupError, match="bad"):
            put("bad")
    assert queue.empty()
    await queue.join()


def _run(coroutine: Any) -> Any:
    """Run what never waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


async def test_items_that_cannot_be_compared_are_refused_by_priority(
    loop: Loop, names: Names
) -> None:
    queue = names.PriorityQueue()
    for item in (5, 1, 3):
        queue.put_nowait(item)
    assert [queue.get_nowait() for _ in range(3)] == [1, 3, 5]
    queue.put_nowait(1)
    with pytest.raises(TypeError, match="'<' not supported between instances of 'str' and 'int'"):
        queue.put_nowait("a")


async def test_a_priority_queue_asks_only_for_less_than(loop: Loop, names: Names) -> None:
    class Item:
        def __init__(self, rank: int) -> None:
            self.rank = rank

        def __lt__(self, other: Any) -> bool:
            return self.rank < other.rank

    queue = names.PriorityQueue()
    for rank in (4, 2, 9, 1, 7):
        queue.put_nowait(Item(rank))
    assert [(await queue.get()).rank for _ in range(5)] == [1, 2, 4, 7, 9]


async def test_a_queue_is_last_in_first_out(loop: Loop, names: Names) -> None:
    queue = names.LifoQueue()
    for item in range(3):
        await queue.put(item)
    assert [await queue.get() for _ in range(3)] == [2, 1, 0]


async def test_a_shut_queue_takes_nothing_and_gives_what_it_has(loop: Loop, names: Names) -> None:
    needs_shutdown(names)
    queue = names.Queue(1)
    queue.put_nowait("last")
    putter = asyncio.create_task(queue.put("late"))
    await turns(1)
    queue.shutdown()
    with pytest.raises(names.QueueShutDown) as shut:
        await putter
    assert shut.value.args == ()
    with pytest.raises(names.QueueShutDown):
        queue.put_nowait(1)
    assert await queue.get() == "last"
    with pytest.raises(names.QueueShutDown):
        await queue.get()
    assert shown(queue) == "<Queue at 0x maxsize=1 tasks=1 shutdown>"
    queue.task_done()
    await queue.join()


async def test_a_queue_that_is_shut_at_once_drops_everything(loop: Loop, names: Names) -> None:
    needs_shutdown(names)
    queue = names.Queue()
    queue.put_nowait("dropped")
    joiner = asyncio.create_task(queue.join())
    await turns(1)
    queue.shutdown(immediate=True)
    await joiner
    assert queue.empty()
    with pytest.raises(names.QueueShutDown):
        queue.get_nowait()


def test_a_queue_belongs_to_the_loop_it_first_waited_on(names: Names, loop_factory: Any) -> None:
    queue = names.Queue()

    async def wait() -> None:
        task = asyncio.create_task(queue.get())
        await turns(1)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    loops = [loop_factory(), loop_factory()]
    loops[0].run_until_complete(wait())
    with pytest.raises(
        RuntimeError, match=r"^<Queue at 0x\w+ maxsize=0> is bound to a different event loop$"
    ):
        loops[1].run_until_complete(wait())
    for loop in loops:
        loop.close()
