"""Functions with the arguments that the package's have, for which a loop's own file operations do the work."""

from __future__ import annotations

from asyncio import get_running_loop
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from aioxide.compat.aiofiles.base import wrap

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Awaitable, Callable, Coroutine
    from concurrent.futures import Executor

T = TypeVar("T")


def is_ours(loop: AbstractEventLoop | None, executor: Executor | None) -> bool:
    """Tell whether a call is left to the running loop, since nobody named another, or threads for it.

    Args:
        loop: the `loop` of the call.
        executor: its `executor`.

    """
    return executor is None and (loop is None or loop is get_running_loop())


def served(
    function: Callable[..., T], own: Callable[..., Awaitable[Any]]
) -> Callable[..., Coroutine[Any, Any, T]]:
    """Return what `wrap` makes of a function, except that the work is done by one of ours.

    Args:
        function: the function that blocks. It is called in a thread where `executor` or another loop is given.
        own: the same, awaited.

    """
    hopping = wrap(function)

    @wraps(function)
    async def run(
        *args: Any,
        loop: AbstractEventLoop | None = None,
        executor: Executor | None = None,
        **kwargs: Any,
    ) -> T:
        if is_ours(loop, executor):
            result: T = await own(*args, **kwargs)
            return result
        return await hopping(*args, loop=loop, executor=executor, **kwargs)

    return run
