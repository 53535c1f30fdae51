"""Task factories, called as the running Python's asyncio calls them. Without one, tasks are made natively."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from aioxide.foundation import Foundation

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

    TaskFactory = Callable[..., asyncio.Future[Any]]

_stdlib_tasks: Any = asyncio.tasks

# Factories are given the name with the other arguments of `create_task`.
_FACTORIES_NAME: bool = sys.version_info >= (3, 14)
# What a factory makes must have a `set_name`.
_TASKS_HAVE_NAMES: bool = sys.version_info >= (3, 13)


class TaskFactories(Foundation):
    """Task factories: set, ask for, call."""

    _task_factory: TaskFactory | None

    def __init__(self) -> None:
        super().__init__()
        self._task_factory = None

    def set_task_factory(self, factory: TaskFactory | None) -> None:
        """Set what makes tasks.

        Args:
            factory: called with the loop, the coroutine and the keyword arguments that asyncio passes on
                in the running Python; returns a task. None for the loop's own tasks.

        Raises:
            TypeError: `factory` is neither callable nor None.

        """
        if factory is not None and not callable(factory):
            raise TypeError("task factory must be a callable or None")
        self._task_factory = factory

    def get_task_factory(self) -> TaskFactory | None:
        """Return the task factory, or None while the loop makes its own tasks."""
        return self._task_factory

    def _create_task_with_factory(
        self,
        factory: TaskFactory,
        coro: Coroutine[Any, Any, Any],
        name: str | None,
        context: Context | None,
        kwargs: dict[str, Any],
    ) -> asyncio.Future[Any]:
        """Make a task by a factory. Called by the native `create_task`, which has checked the loop."""
        if context is not None:
            kwargs["context"] = context
        if _FACTORIES_NAME:
            if name is not None:
                kwargs["name"] = name
            return factory(self, coro, **kwargs)
        # Otherwise a factory knows nothing of names: the finished task is given its name.
        task = factory(self, coro, **kwargs)
        if name is not None:
            _name(task, name)
        return task


def _name(task: Any, name: str) -> None:
    if _TASKS_HAVE_NAMES:
        task.set_name(name)
    else:
        # Lets futures that have no name pass, with a DeprecationWarning.
        _stdlib_tasks._set_task_name(task, name)
