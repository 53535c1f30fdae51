"""`asyncio.threads`, natively."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

from aioxide.natives.templates import native

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future
    from typing import Any

__all__ = ["to_thread"]

P = ParamSpec("P")
T = TypeVar("T")


@native
async def to_thread(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread of the loop's default executor, in a copy of the current context.

    Args:
        func: the function.
        args: its positional arguments.
        kwargs: its keyword arguments.

    Raises:
        RuntimeError: no loop is running, or its default executor was shut down.

    """
    raise NotImplementedError


# Belongs to `asyncio.tasks`, which imports it from here.
@native
def run_coroutine_threadsafe(
    coro: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop
) -> Future[T]:
    """Have a coroutine run as a task of a loop that runs in another thread.

    Args:
        coro: the coroutine.
        loop: the loop.

    Returns:
        A future of its result, to be waited for in this thread; cancelling it cancels the task.

    Raises:
        TypeError: `coro` is no coroutine.
        RuntimeError: the loop is closed.

    """
    raise NotImplementedError
