"""Rows about memory: what a task holds while it waits, and what of it is left once it has ended."""

import asyncio
import gc
import os
from pathlib import Path

#: Tasks started in one turn of the loop. What the queue of a turn holds is used again in the next one,
#: and is therefore no part of what the waiting tasks hold.
BATCH = 1_000

_PAGE = os.sysconf("SC_PAGE_SIZE")


async def _wait(future: asyncio.Future[None]) -> None:
    await future


async def waiting_tasks(count: int) -> dict[str, float]:
    """Let *count* tasks wait, each for a future of its own, then end them all, and do it once more.

    Returns the resident memory of a task, its coroutine and its future, in bytes, of the round that
    held more, and that of the process above what it was at first, after each round.
    """
    # What the program keeps its tasks in is not counted: it is there, and touched, beforehand.
    futures: list[asyncio.Future[None] | None] = [None] * count
    tasks: list[asyncio.Task[None] | None] = [None] * count
    # Once, so that what a loop and the allocator set up with the first tasks is there as well.
    await _one_round(futures[:BATCH], tasks[:BATCH])
    before = _resident()
    first = await _one_round(futures, tasks)
    left = _resident()
    second = await _one_round(futures, tasks)
    left_again = _resident()
    return {
        "waiting_bytes": (max(first, second) - before) / count,
        "left_bytes": left - before,
        "left_again_bytes": left_again - before,
    }


async def _one_round(
    futures: list[asyncio.Future[None] | None], tasks: list[asyncio.Task[None] | None]
) -> int:
    """Start, wait, end; return the resident memory while all tasks waited, in bytes."""
    loop = asyncio.get_running_loop()
    for i in range(len(tasks)):
        future: asyncio.Future[None] = loop.create_future()
        futures[i] = future
        tasks[i] = loop.create_task(_wait(future))
        if i % BATCH == BATCH - 1:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    resident = _resident()
    for i, waited_for in enumerate(futures):
        if waited_for is not None:
            waited_for.set_result(None)
        if i % BATCH == BATCH - 1:
            await asyncio.sleep(0)
    for i, task in enumerate(tasks):
        if task is not None:
            await task
        futures[i] = tasks[i] = None
    return resident


def _resident() -> int:
    """Return the resident memory of this process in bytes, after a collection."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
