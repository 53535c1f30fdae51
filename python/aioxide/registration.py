"""How asyncio learns of native tasks: `asyncio.all_tasks()` lists them, the call graph has their edges.

Nothing here happens at import. The native half asks for it when the first native task is made.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any
from weakref import WeakSet, getweakrefs

from aioxide import _core

if TYPE_CHECKING:
    from collections.abc import Iterator

_stdlib_tasks: Any = asyncio.tasks
_stdlib_futures: Any = asyncio.futures


class TaskSet(WeakSet[Any]):
    """asyncio's set of the tasks that others have registered, with the native ones among them.

    asyncio keeps one such set and iterates over it when it is asked for all tasks. That very set
    is made an instance of this class, so that nobody who holds it misses anything. Native tasks
    are not put into it, because that would cost more than everything else that a task does.
    """

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        """Yield the tasks that were registered, then the native ones that are pending."""
        yield from super().__iter__()
        yield from _core.registered_tasks()


class _Probe:
    """Something that can be registered as a task, and found again."""


def _asyncio_task_set() -> WeakSet[Any]:
    """Return the set in which asyncio keeps the tasks that others register."""
    for name in ("_scheduled_tasks", "_all_tasks"):
        tasks = getattr(sys.modules["_asyncio"], name, None)
        if tasks is not None:
            return tasks  # type: ignore[no-any-return]
    # From Python 3.14 on only the C half knows it. A weak reference in the set has a callback that
    # removes it again, and whose default argument is a weak reference to the set.
    probe = _Probe()
    _stdlib_tasks._register_task(probe)
    try:
        for reference in getweakrefs(probe):
            for default in getattr(reference.__callback__, "__defaults__", None) or ():
                tasks = default()
                if isinstance(tasks, WeakSet):
                    return tasks
    finally:
        _stdlib_tasks._unregister_task(probe)
    raise RuntimeError("asyncio keeps its tasks in an unknown way")


def _see_edges() -> None:
    """Have asyncio tell native futures who awaits them by other means than `await` (Python 3.14 and later).

    `gather`, `wait` and the others call these functions, which do nothing for futures that are not asyncio's.
    """
    for name in ("future_add_to_awaited_by", "future_discard_from_awaited_by"):
        if hasattr(_stdlib_futures, name):
            setattr(_stdlib_futures, name, getattr(_core, name))
            setattr(asyncio, name, getattr(_core, name))


def show_native_tasks() -> None:
    """Let `asyncio.all_tasks()` and the call graph see native tasks. A second call does nothing."""
    tasks = _asyncio_task_set()
    if type(tasks) is WeakSet:
        tasks.__class__ = TaskSet
        _see_edges()
