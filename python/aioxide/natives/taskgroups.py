"""`asyncio.taskgroups`, natively."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from aioxide import _core
from aioxide.natives.copying import state_of
from aioxide.natives.templates import native_methods

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextvars import Context
    from types import TracebackType
    from typing import Self

__all__ = ["TaskGroup"]

T = TypeVar("T")


# What a copy takes along.
_STATE = (
    "_entered",
    "_exiting",
    "_aborting",
    "_parent_task",
    "_parent_cancel_requested",
    "_tasks",
    "_errors",
    "_base_error",
    "_on_completed_fut",
    "_cancel_on_enter",
)


@native_methods(_core.TaskGroup, state_of(*_STATE))
class TaskGroup:
    """An asynchronous context manager for tasks that end together."""

    if "kwargs" in inspect.signature(asyncio.TaskGroup.create_task).parameters:

        def create_task(self, coro: Coroutine[Any, Any, T], **kwargs: Any) -> asyncio.Task[T]:
            """Make a task in this group, and return it.

            Args:
                coro: the coroutine; since Python 3.13 it is closed if the group takes no more tasks.
                kwargs: what the `create_task` of the loop takes besides.

            Raises:
                RuntimeError: the group was not entered, is finished or is shutting down.

            """
            raise NotImplementedError

    else:

        def create_task(  # type: ignore[misc]
            self,
            coro: Coroutine[Any, Any, T],
            *,
            name: str | None = None,
            context: Context | None = None,
        ) -> asyncio.Task[T]:
            """Make a task in this group, and return it.

            Args:
                coro: the coroutine; since Python 3.13 it is closed if the group takes no more tasks.
                name: the task's name.
                context: what the coroutine runs in; a copy of the current context if None.

            Raises:
                RuntimeError: the group was not entered, is finished or is shutting down.

            """
            raise NotImplementedError

    def cancel(self) -> None:
        """Cancel all tasks and the body; the group then ends without an exception of its own.

        asyncio's groups have it since Python 3.15. Before the group is entered, the body is cancelled at its first
        wait; once it is over, or has been cancelled, there is nothing to do.
        """
        raise NotImplementedError

    def _abort(self) -> None:
        """Cancel all tasks, and take no more."""
        raise NotImplementedError

    def _is_base_error(self, exc: BaseException) -> bool:
        """Return whether an exception ends the program rather than the group."""
        raise NotImplementedError

    def _on_task_done(self, task: asyncio.Task[Any]) -> None:
        """Do what the end of a task leads to."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        """Enter the group with the current task as the parent.

        Raises:
            RuntimeError: the group was entered before, or there is no current task.

        """
        raise NotImplementedError

    async def __aexit__(
        self,
        et: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> bool | None:
        """Wait for all tasks; an exception, of the body or of a task, cancels the others.

        Returns:
            True if `cancel` has ended the group, and since Python 3.15 always; else None.

        Raises:
            BaseExceptionGroup: of the exceptions of the tasks and the body.
            GeneratorExit: since Python 3.15, if that has ended the body, and nothing else has failed.

        """
        raise NotImplementedError
