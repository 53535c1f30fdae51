"""Rows about trees of tasks, of the shape of pyperformance's ``async_tree_none``: whose leaves do nothing.

Each node is a coroutine that starts a task for each of its branches and waits for all of them, with
``gather`` or with a ``TaskGroup``. In the eager forms the loop has ``asyncio.eager_task_factory``.
"""

import asyncio
from collections.abc import Awaitable, Callable

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


async def _grow(root: Callable[[int], Awaitable[None]], count: int, clock: Stopwatch) -> None:
    with clock:
        for _ in range(count // TREE):
            await root(LEVELS)


async def _grow_eagerly(
    root: Callable[[int], Awaitable[None]], count: int, clock: Stopwatch
) -> None:
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    # Python 3.11 has no such factory, and no such rows.
    loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009
    try:
        await _grow(root, count, clock)
    finally:
        loop.set_task_factory(before)
