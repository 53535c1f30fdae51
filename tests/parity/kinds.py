"""The kinds of Future and Task that tests run with, the stdlib's two and ours, and what this Python promises of them.

A stdlib class is skipped where it would crash or is known to be wrong; each such place names the reason.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import Any

from .support import Loop

KIND_NAMES = ("C", "Python", "aioxide")

STOP_ITERATION_IS_WRAPPED = sys.version_info >= (3, 13)
UNCANCEL_TO_ZERO_CLEARS_THE_REQUEST = sys.version_info >= (3, 13)
HAS_EAGER_START = sys.version_info >= (3, 12)
TASKS_TELL_THEIR_CONTEXT = sys.version_info >= (3, 12)
PLAIN_GENERATORS_ARE_COROUTINES = sys.version_info < (3, 12)
# Before, any thread that had the loop could be made to run its tasks' steps.
STEPS_NEED_THE_RUNNING_LOOP = sys.version_info >= (3, 14)
STEP = "__step" if sys.version_info >= (3, 14) else "_step"


@dataclass(frozen=True)
class Kind:
    """One implementation of Future and Task."""

    name: str
    Task: Any
    Future: Any

    @property
    def in_python(self) -> bool:
        """Whether these are the stdlib's pure Python classes, whose texts differ from the others' here and there."""
        return self.name == "Python"

    @property
    def in_c(self) -> bool:
        """Whether these are the stdlib's C classes."""
        return self.name == "C"

    @property
    def is_known_to_asyncio(self) -> bool:
        """Whether `asyncio.current_task` and `all_tasks` see these tasks."""
        return not self.in_python or sys.version_info < (3, 14)


def kind_named(name: str) -> Kind:
    """Return the kind of that name. Raises ImportError for ours where aioxide is not built."""
    if name == "C":
        return Kind(name, asyncio.Task, asyncio.Future)
    if name == "Python":
        tasks: Any = asyncio.tasks
        futures: Any = asyncio.futures
        return Kind(name, tasks._PyTask, futures._PyFuture)
    import aioxide

    return Kind(name, aioxide.Task, aioxide.Future)


def spin(loop: Loop, turns: int = 3) -> None:
    """Let a loop that is not running make some turns."""
    for _ in range(turns):
        loop.call_soon(loop.stop)
        loop.run_forever()


async def value(result: object = None) -> object:
    """A coroutine that never waits."""
    return result


async def one_turn(result: object = None) -> object:
    """A coroutine that waits for a turn of the loop."""
    await asyncio.sleep(0)
    return result


async def waits(awaitable: Any) -> Any:
    """A coroutine that waits for something."""
    return await awaitable


class Yields:
    """An awaitable that yields what it was made with, whatever a task may think of it."""

    def __init__(self, thing: object) -> None:
        self._thing = thing

    def __await__(self):  # type: ignore[no-untyped-def]
        return (yield self._thing)
