"""What a type checker knows of locks, queues and timeouts. Read by mypy in `make lint`, and never run."""

import sys
from typing import Literal, assert_type

import aioxide as asyncio


async def locks() -> None:
    lock = asyncio.Lock()
    assert_type(await lock.acquire(), Literal[True])
    assert_type(lock.locked(), bool)
    async with lock as nothing:
        assert_type(nothing, None)
    await lock.acquire(timeout=1)  # type: ignore[call-arg]

    event = asyncio.Event()
    assert_type(await event.wait(), Literal[True])
    assert_type(event.is_set(), bool)

    condition = asyncio.Condition(lock)
    assert_type(await condition.wait(), Literal[True])
    assert_type(await condition.wait_for(lambda: [1]), list[int])
    condition.notify("one")  # type: ignore[arg-type]

    semaphore = asyncio.Semaphore(2)
    assert_type(await semaphore.acquire(), Literal[True])
    bounded: asyncio.Semaphore = asyncio.BoundedSemaphore()
    bounded.release()
    asyncio.Semaphore("two")  # type: ignore[arg-type]

    barrier = asyncio.Barrier(3)
    assert_type(await barrier.wait(), int)
    assert_type(barrier.broken, bool)


async def queues() -> None:
    numbers: asyncio.Queue[int] = asyncio.Queue(maxsize=3)
    assert_type(await numbers.get(), int)
    assert_type(numbers.get_nowait(), int)
    await numbers.put("one")  # type: ignore[arg-type]
    numbers.put_nowait(1.5)  # type: ignore[arg-type]
    assert_type(numbers.qsize(), int)
    assert_type(numbers.maxsize, int)
    await numbers.join()
    numbers.task_done()
    if sys.version_info >= (3, 13):
        numbers.shutdown(immediate=True)
        assert issubclass(asyncio.QueueShutDown, Exception)

    first: asyncio.Queue[tuple[int, str]] = asyncio.PriorityQueue()
    assert_type(await first.get(), tuple[int, str])
    last = asyncio.LifoQueue[bytes]()
    assert_type(await last.get(), bytes)


class Unique(asyncio.Queue[str]):
    """A queue with a store of its own."""

    def _init(self, maxsize: int) -> None:
        self._items: set[str] = set()

    def _get(self) -> str:
        return self._items.pop()


async def timeouts() -> None:
    async with asyncio.timeout(1) as scope:
        assert_type(scope, asyncio.Timeout)
        assert_type(scope.when(), float | None)
        assert_type(scope.expired(), bool)
        scope.reschedule(None)
    async with asyncio.timeout_at(None) as scope:
        pass
    asyncio.timeout("soon")  # type: ignore[arg-type]
