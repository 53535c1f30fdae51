"""`asyncio.tasks`, natively."""

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from aioxide.natives.templates import native
from aioxide.natives.threads import run_coroutine_threadsafe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Iterable
    from contextvars import Context

__all__ = [
    "as_completed",
    "create_task",
    "ensure_future",
    "gather",
    "run_coroutine_threadsafe",
    "shield",
    "sleep",
    "wait",
]

T = TypeVar("T")


@native
def as_completed(fs: Iterable[Awaitable[T]], *, timeout: float | None = None) -> Any:
    """Iterate over awaitables in the order in which they are done.

    An asynchronous iteration gives the futures themselves, or the tasks that were made of coroutines; a plain
    one gives coroutines that return or raise what the next future comes to. Tasks are made with the call; below
    Python 3.13, as in asyncio, with the first step of the iteration.

    Args:
        fs: the awaitables; coroutines become tasks.
        timeout: seconds for all of them together; None for as long as it takes.

    Raises:
        TypeError: `fs` is one awaitable, not many.
        TimeoutError: from the iteration, for each that was not done in time.

    """
    raise NotImplementedError


if "kwargs" in inspect.signature(asyncio.create_task).parameters:

    @native
    def create_task(coro: Coroutine[Any, Any, T], **kwargs: Any) -> asyncio.Task[T]:
        """Make a task of a coroutine on the loop that runs, and return it.

        Args:
            coro: the coroutine.
            kwargs: what the `create_task` of the loop takes besides.

        Raises:
            RuntimeError: no loop runs.
            TypeError: `coro` is no coroutine.

        """
        raise NotImplementedError

else:

    @native
    def create_task(  # type: ignore[misc]
        coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        """Make a task of a coroutine on the loop that runs, and return it.

        Args:
            coro: the coroutine.
            name: the task's name.
            context: what the coroutine runs in; a copy of the current context if None.

        Raises:
            RuntimeError: no loop runs.
            TypeError: `coro` is no coroutine.

        """
        raise NotImplementedError


@native
def ensure_future(
    coro_or_future: Awaitable[T], *, loop: asyncio.AbstractEventLoop | None = None
) -> asyncio.Future[T]:
    """Return a future as it is, or a task of what can be awaited.

    Args:
        coro_or_future: what is to be a future.
        loop: where to make the task; the current loop if None.

    Raises:
        TypeError: the object cannot be awaited.
        ValueError: it is a future of another loop.

    """
    raise NotImplementedError


@native
def gather(
    *coros_or_futures: Awaitable[Any], return_exceptions: bool = False
) -> asyncio.Future[list[Any]]:
    """Run awaitables at the same time and return a future of the list of their results, in the order given.

    To cancel it is to cancel all of them. Without a loop that runs or was set it is bound to the loop
    that awaits it.

    Args:
        coros_or_futures: the awaitables; coroutines become tasks.
        return_exceptions: whether exceptions stand among the results. Otherwise the first one is raised, and
            the other awaitables go on.

    Raises:
        TypeError: one of them cannot be awaited.
        ValueError: they are futures of different loops.

    """
    raise NotImplementedError


@native
def shield(arg: Awaitable[T]) -> asyncio.Future[T]:
    """Return a future that can be cancelled without the awaitable that it stands for.

    Args:
        arg: the awaitable; a coroutine becomes a task, to which the caller should keep a reference.

    Raises:
        TypeError: the object cannot be awaited.

    """
    raise NotImplementedError


@native
async def sleep(delay: float, result: T = None) -> T:  # type: ignore[assignment]
    """Wait for some time; with a delay of zero or less, for one turn of the loop.

    Args:
        delay: seconds.
        result: what is returned.

    Raises:
        ValueError: `delay` is not a number (NaN), from Python 3.13 on.

    """
    raise NotImplementedError


@native
async def wait(
    fs: Iterable[asyncio.Future[T]],
    *,
    timeout: float | None = None,  # noqa: ASYNC109
    return_when: str = asyncio.ALL_COMPLETED,
) -> tuple[set[asyncio.Future[T]], set[asyncio.Future[T]]]:
    """Wait for futures, and return those that are done and those that are not.

    Args:
        fs: the futures or tasks.
        timeout: seconds after which the wait ends, whatever is done; None for as long as it takes.
        return_when: `FIRST_COMPLETED`, `FIRST_EXCEPTION` or `ALL_COMPLETED`.

    Raises:
        TypeError: `fs` is a future or a coroutine, or holds a coroutine.
        ValueError: there is no future, or `return_when` is none of the three.

    """
    raise NotImplementedError


# Up to Python 3.11 the awaitable runs in a task of its own, and programs may count on that: there asyncio's stays.
if sys.version_info >= (3, 12):
    __all__ += ["wait_for"]

    @native
    async def wait_for(fut: Awaitable[T], timeout: float | None) -> T:  # noqa: ASYNC109
        """Await something, but not for longer than some time.

        Args:
            fut: the awaitable, which is cancelled when the time is up.
            timeout: seconds; None for as long as it takes. With zero or less only what is done already counts.

        Raises:
            TimeoutError: the time was up.
            RuntimeError: there is no current task.

        """
        raise NotImplementedError
