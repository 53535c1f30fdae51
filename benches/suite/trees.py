"""Rows about trees of tasks, of the shape of pyperformance's ``async_tree_none``: whose leaves do nothing.

Each node is a coroutine that starts a task for each of its branches and waits for all of them, with
``gather`` or with a ``TaskGroup``. In the eager forms the loop has ``asyncio.eager_task_factory``.
"""

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable
from typing import Any

from suite.stopwatch import Stopwatch

LEVELS = 6
BRANCHES = 6
#: Tasks of one tree; its root is no task of its own.
TREE = sum(BRANCHES**level for level in range(1, LEVELS + 1))


async def _gather_level(levels: int) -> None:
    if levels:
        await asyncio.gather(*[_gather_level(levels - 1) for _ in range(BRANCHES)])


async def _group_level(levels: int) -> None:
    if levels:
        async with asyncio.TaskGroup() as group:
            for _ in range(BRANCHES):
                group.create_task(_group_level(levels - 1))


async def gather_tree(count: int, clock: Stopwatch) -> None:
    """Grow trees with ``gather``."""
    await _grow(_gather_level, count, clock)


async def group_tree(count: int, clock: Stopwatch) -> None:
    """Grow trees with a ``TaskGroup`` in each node."""
    await _grow(_group_level, count, clock)


async def eager_gather_tree(count: int, clock: Stopwatch) -> None:
    """Grow trees of eager tasks with ``gather``."""
    await _grow_eagerly(_gather_level, count, clock)


async def eager_group_tree(count: int, clock: Stopwatch) -> None:
    """Grow trees of eager tasks with a ``TaskGroup`` in each node."""
    await _grow_eagerly(_group_level, count, clock)


def not_eager(loop: AbstractEventLoop) -> str | None:
    """Say so if a loop with the eager factory does not start tasks at once: those rows are then of other work."""
    started: list[bool] = []

    async def start() -> None:
        started.append(True)

    async def create() -> bool:
        loop.set_task_factory(_eager_factory())
        try:
            task = loop.create_task(start())
            was_eager = bool(started)
            await task
        finally:
            loop.set_task_factory(None)
        return was_eager

    if loop.run_until_complete(create()):
        return None
    return "out of competition: with the eager factory, its tasks do not start eagerly"


def _eager_factory() -> Any:
    # Python 3.11 has no such factory, and no such rows.
    return getattr(asyncio, "eager_task_factory")  # noqa: B009


async def _grow(root: Callable[[int], Awaitable[None]], count: int, clock: Stopwatch) -> None:
    with clock:
        for _ in range(count // TREE):
            await root(LEVELS)


async def _grow_eagerly(
    root: Callable[[int], Awaitable[None]], count: int, clock: Stopwatch
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(_eager_factory())
    try:
        await _grow(root, count, clock)
    finally:
        loop.set_task_factory(None)
