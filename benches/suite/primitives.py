"""Rows about what asyncio builds of tasks and futures: locks, queues, timeouts, groups, and waiting for many things.

Each is what a program would write, with asyncio's names, found when it runs: a loop that brings its own is measured
with its own.
"""

import asyncio

from suite.stopwatch import Stopwatch

#: Tasks that want the same lock, and those that share a semaphore of fewer.
CONTENDERS = 50
PERMITS = 5
#: Tasks of one group, and of one `as_completed`.
GROUP = 100
COMPLETED = 1_000
#: Items that a bounded queue has room for.
ROOM = 10
SLEEPERS = 10_000
#: Seconds; the sleepers end spread over as much again.
NAP_S = 0.02
#: A deadline that never comes.
FAR_S = 60.0


async def _give_way() -> None:
    await asyncio.sleep(0)


async def contended_lock(count: int, clock: Stopwatch) -> None:
    """Take turns with a lock, each holding it for a turn of the loop."""
    lock = asyncio.Lock()

    async def contend() -> None:
        for _ in range(count // CONTENDERS):
            async with lock:
                await asyncio.sleep(0)

    with clock:
        await asyncio.wait([asyncio.create_task(contend()) for _ in range(CONTENDERS)])


async def contended_semaphore(count: int, clock: Stopwatch) -> None:
    """Do the same with a semaphore that lets a few in."""
    semaphore = asyncio.Semaphore(PERMITS)

    async def contend() -> None:
        for _ in range(count // CONTENDERS):
            async with semaphore:
                await asyncio.sleep(0)

    with clock:
        await asyncio.wait([asyncio.create_task(contend()) for _ in range(CONTENDERS)])


async def bounded_queue(count: int, clock: Stopwatch) -> None:
    """Let one task put, and another get and count off, through a queue with little room."""
    queue: asyncio.Queue[int] = asyncio.Queue(ROOM)

    async def consume() -> None:
        for _ in range(count):
            await queue.get()
            queue.task_done()

    consuming = asyncio.create_task(consume())
    with clock:
        for i in range(count):
            await queue.put(i)
        await queue.join()
    await consuming


async def wait_for(count: int, clock: Stopwatch) -> None:
    """Wait for a coroutine that takes a turn, under a deadline."""
    with clock:
        for _ in range(count):
            await asyncio.wait_for(_give_way(), FAR_S)


async def timeout(count: int, clock: Stopwatch) -> None:
    """Do the same in a block with a deadline."""
    with clock:
        for _ in range(count):
            async with asyncio.timeout(FAR_S):
                await asyncio.sleep(0)


async def task_groups(count: int, clock: Stopwatch) -> None:
    """Start tasks in groups, and wait for each group."""
    with clock:
        for _ in range(count // GROUP):
            async with asyncio.TaskGroup() as group:
                for _ in range(GROUP):
                    group.create_task(_give_way())


async def as_completed(count: int, clock: Stopwatch) -> None:
    """Take the results of many tasks as they come."""
    with clock:
        for _ in range(count // COMPLETED):
            for coming in asyncio.as_completed([_give_way() for _ in range(COMPLETED)]):
                await coming


async def sleepers(count: int, clock: Stopwatch) -> None:
    """Let many tasks sleep at once, and wake one after the other."""
    with clock:
        for _ in range(count // SLEEPERS):
            await asyncio.gather(
                *[asyncio.sleep(NAP_S * (1 + i / SLEEPERS)) for i in range(SLEEPERS)]
            )
