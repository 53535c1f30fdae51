"""`asyncio.queues`, natively."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Generic, TypeVar

from aioxide import _core
from aioxide.natives import locks  # noqa: F401 - the event of a queue has its methods from there
from aioxide.natives.copying import state_of
from aioxide.natives.templates import native_methods

if TYPE_CHECKING:
    import asyncio

__all__ = ["LifoQueue", "PriorityQueue", "Queue"]

if sys.version_info < (3, 13):
    # Later it is asyncio's own.
    __all__ += ["QueueShutDown"]

    class QueueShutDown(Exception):  # noqa: N818 - asyncio's name
        """A queue that was shut down takes no more items, or has no more."""


T = TypeVar("T")


# The count before the event, which says of itself whether it is set.
_COPIED = state_of(
    "_maxsize", "_queue", "_getters", "_putters", "_unfinished_tasks", "_finished", "_is_shutdown"
)


@native_methods(_core.Queue, _COPIED)
class Queue(Generic[T]):
    """A queue between tasks."""

    if TYPE_CHECKING:

        def __init__(self, maxsize: int = 0) -> None: ...

        maxsize: int

    def _init(self, maxsize: int) -> None:
        """Make the place where the items are. Derived classes may have another."""
        raise NotImplementedError

    def _put(self, item: T) -> None:
        """Put an item there."""
        raise NotImplementedError

    def _get(self) -> T:
        """Take the next item from there."""
        raise NotImplementedError

    def _wakeup_next(self, waiters: list[asyncio.Future[None]]) -> None:
        """Wake the first of some waiters that has not been woken, and forget those before."""
        raise NotImplementedError

    def _format(self) -> str:
        """Return what is said of the queue between its name and the closing bracket."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """Return the class, the address and what is in the queue."""
        raise NotImplementedError

    def __str__(self) -> str:
        """Return the class and what is in the queue."""
        raise NotImplementedError

    def qsize(self) -> int:
        """Return how many items there are."""
        raise NotImplementedError

    def empty(self) -> bool:
        """Return whether there is no item."""
        raise NotImplementedError

    def full(self) -> bool:
        """Return whether there is no room for another item."""
        raise NotImplementedError

    async def put(self, item: T) -> None:
        """Wait until there is room, and put an item in.

        Raises:
            asyncio.QueueShutDown: the queue was shut down.

        """
        raise NotImplementedError

    def put_nowait(self, item: T) -> None:
        """Put an item in.

        Raises:
            asyncio.QueueFull: there is no room.
            asyncio.QueueShutDown: the queue was shut down.

        """
        raise NotImplementedError

    async def get(self) -> T:
        """Wait until there is an item, and take it out.

        Raises:
            asyncio.QueueShutDown: there is none, and the queue was shut down.

        """
        raise NotImplementedError

    def get_nowait(self) -> T:
        """Take an item out.

        Raises:
            asyncio.QueueEmpty: there is none.
            asyncio.QueueShutDown: there is none, and the queue was shut down.

        """
        raise NotImplementedError

    def task_done(self) -> None:
        """Say that all work on an item that was taken out is done.

        Raises:
            ValueError: this has been said of all items before.

        """
        raise NotImplementedError

    async def join(self) -> None:
        """Wait until `task_done` has been called for every item that was put in."""
        raise NotImplementedError

    def shutdown(self, immediate: bool = False) -> None:
        """Take no more items, and send those away that wait for room, or for an item that will not come.

        Args:
            immediate: throw away what is there, as if `task_done` had been called for it.

        """
        raise NotImplementedError


@native_methods(_core.PriorityQueue)
class PriorityQueue(Queue[T]):
    """A queue whose smallest item comes out first."""

    def _init(self, maxsize: int) -> None:
        """Make the heap."""
        raise NotImplementedError

    def _put(self, item: T) -> None:
        """Push an item onto the heap."""
        raise NotImplementedError

    def _get(self) -> T:
        """Pop the smallest item from the heap."""
        raise NotImplementedError


@native_methods(_core.LifoQueue)
class LifoQueue(Queue[T]):
    """A queue whose latest item comes out first."""

    def _init(self, maxsize: int) -> None:
        """Make the stack."""
        raise NotImplementedError

    def _put(self, item: T) -> None:
        """Push an item onto the stack."""
        raise NotImplementedError

    def _get(self) -> T:
        """Pop the latest item from the stack."""
        raise NotImplementedError
