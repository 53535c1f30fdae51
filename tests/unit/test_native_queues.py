"""What our queues promise beyond asyncio's: no turn is lost, and what Python does to their insides counts."""

from __future__ import annotations

import asyncio
import gc
import math
import subprocess
import sys
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from unittest import mock

import pytest

import aioxide
from aioxide.natives import queues

CLASSES: list[Any] = [queues.Queue, queues.LifoQueue, queues.PriorityQueue]


@pytest.fixture(params=[aioxide.new_event_loop, asyncio.SelectorEventLoop], ids=["ours", "stdlib"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Runs coroutines on a loop of ours, and on one of asyncio's."""
    event_loop = request.param()
    yield event_loop.run_until_complete
    event_loop.close()


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def suspended(coroutine: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
    """Drive a coroutine to its first wait."""
    assert coroutine.send(None) is not None
    return coroutine


@pytest.mark.parametrize("cls", CLASSES)
def test_a_closed_get_passes_its_turn_on(cls: Any, run: Callable[..., Any]) -> None:
    async def main() -> None:
        queue = cls()
        closed = suspended(queue.get())
        heir = asyncio.ensure_future(queue.get())
        await turns(1)
        queue.put_nowait("item")  # Wakes the coroutine that is closed before it can go on.
        closed.close()
        assert await asyncio.wait_for(heir, 5) == "item"

    run(main())


@pytest.mark.parametrize("cls", CLASSES)
def test_a_closed_put_passes_its_turn_on(cls: Any, run: Callable[..., Any]) -> None:
    async def main() -> None:
        queue = cls(1)
        queue.put_nowait(1)
        closed = suspended(queue.put(2))
        heir = asyncio.ensure_future(queue.put(3))
        await turns(1)
        assert queue.get_nowait() == 1
        closed.close()
        await asyncio.wait_for(heir, 5)
        assert queue.get_nowait() == 3

    run(main())


@pytest.mark.parametrize("cls", CLASSES)
def test_a_queue_with_items_and_room_makes_no_future(cls: Any, run: Callable[..., Any]) -> None:
    async def main() -> None:
        queue = cls(1)
        with mock.patch.object(type(asyncio.get_running_loop()), "create_future", None):
            await queue.put(1)
            assert await queue.get() == 1
            queue.task_done()
            await queue.join()

    run(main())


@pytest.mark.parametrize("cls", CLASSES)
def test_items_that_python_has_looked_at_are_the_items(cls: Any, run: Callable[..., Any]) -> None:
    async def main() -> None:
        queue = cls()
        queue.put_nowait(2)
        items = queue._queue
        assert type(items) is (deque if cls is queues.Queue else list)
        items.append(3)
        assert queue.qsize() == 2
        queue.put_nowait(1)
        assert queue._queue is items
        assert await queue.get() == (2 if cls is queues.Queue else 1)
        items.clear()
        assert queue.empty()
        with pytest.raises(asyncio.QueueEmpty):
            queue.get_nowait()

    run(main())


def test_the_size_can_be_changed(run: Callable[..., Any]) -> None:
    async def main() -> None:
        queue: Any = queues.Queue(1)
        queue.put_nowait(1)
        queue._maxsize = 2
        queue.put_nowait(2)
        assert queue.full()
        assert queue.maxsize == 2
        endless: Any = queues.Queue(math.inf)  # type: ignore[arg-type]
        endless.put_nowait(1)
        assert not endless.full()

    run(main())


def test_methods_put_in_place_of_ours_are_called(run: Callable[..., Any]) -> None:
    async def main() -> None:
        queue: Any = queues.Queue()
        with mock.patch.object(queues.Queue, "put_nowait", autospec=True) as put_nowait:
            await queue.put(1)
            put_nowait.assert_called_once_with(queue, 1)
        queue.get_nowait = lambda: "mine"
        await queue.put(2)
        assert await queue.get() == "mine"

    run(main())


def test_a_heap_survives_comparisons_that_fail_or_change_it(run: Callable[..., Any]) -> None:
    class Item:
        def __init__(self, rank: int, act: Callable[[], object] = lambda: None) -> None:
            self.rank, self.act = rank, act

        def __lt__(self, other: Item) -> bool:
            self.act()
            return self.rank < other.rank

    def fail() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        queue: Any = queues.PriorityQueue()
        for rank in (5, 3, 4):
            queue.put_nowait(Item(rank))
        with pytest.raises(ZeroDivisionError):
            queue.put_nowait(Item(1, fail))
        # As `heapq` leaves it: the item is in, where it was when the comparison failed.
        assert queue.qsize() == 4
        assert queue._unfinished_tasks == 3
        queue._queue.pop()
        with pytest.raises(RuntimeError, match="^list changed size during iteration$"):
            queue.put_nowait(Item(2, queue._queue.clear))
        assert queue.empty()

    run(main())


def test_the_event_of_finished_items_is_true_whoever_looks(run: Callable[..., Any]) -> None:
    async def main() -> None:
        queue: Any = queues.Queue()
        queue.put_nowait(1)
        assert not queue._finished.is_set()
        joining = asyncio.ensure_future(queue.join())
        await turns(1)
        queue.task_done()
        assert queue._finished.is_set()
        await joining
        queue.put_nowait(2)
        assert not queue._finished.is_set()
        queue._unfinished_tasks = 0
        await queue.join()

    run(main())


def test_queues_in_cycles_are_collected() -> None:
    made: list[Any] = [cls() for cls in CLASSES]
    for queue in made:
        queue.put_nowait(queue)
    gone = [weakref.ref(queue) for queue in made]
    del made, queue
    gc.collect()
    assert [found for reference in gone if (found := reference()) is not None] == []


def test_a_queue_is_whole_where_no_lock_was_asked_for() -> None:
    # In a process of its own, which has imported nothing yet.
    program = (
        "import asyncio, copy; from aioxide.natives.queues import Queue;"
        "queue = copy.deepcopy(Queue()); asyncio.run(queue._finished.wait())"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
