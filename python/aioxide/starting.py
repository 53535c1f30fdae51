"""`run` and `Runner`: asyncio's two ways to start a program, with our event loop as the default.

They add two things to asyncio's own and change nothing else: the loop factory, and that any awaitable may be
run on every supported Python (asyncio itself allows that from 3.14 on).
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aioxide.loops import new_event_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from contextvars import Context

T = TypeVar("T")


# asyncio marks its Runner final because its methods were not made to be extended one by one. The two that are
# extended here only adapt their arguments, and a Runner of ours has to pass for an `asyncio.Runner`.
class Runner(asyncio.Runner):  # type: ignore[misc]
    """Owner of one event loop that runs several awaitables, one after the other, in one context.

    Args:
        debug: debug mode of the loop; None leaves it to `-X dev` and `PYTHONASYNCIODEBUG`.
        loop_factory: makes the loop; None means `aioxide.new_event_loop`.

    """

    def __init__(
        self,
        *,
        debug: bool | None = None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        super().__init__(debug=debug, loop_factory=loop_factory or new_event_loop)

    def run(self, coro: Awaitable[T], *, context: Context | None = None) -> T:
        """Run an awaitable to its end and return its result.

        Args:
            coro: a coroutine, or any other awaitable.
            context: the context to run it in; None means the runner's own.

        Raises:
            RuntimeError: an event loop is running in this thread, or the runner is closed.
            TypeError: `coro` is no awaitable (Python 3.14 and later).
            ValueError: `coro` is no awaitable (before Python 3.14).

        """
        # Before the wrapping: a wrapper that never starts would warn about itself, which tells the caller nothing.
        if _is_loop_running():
            raise RuntimeError("Runner.run() cannot be called from a running event loop")
        if inspect.isawaitable(coro) and not asyncio.iscoroutine(coro):
            coro = _await(coro)
        # What is no awaitable goes through to asyncio as well: refusing it is asyncio's business.
        return super().run(cast("Coroutine[Any, Any, T]", coro), context=context)


def run(
    main: Awaitable[T],
    *,
    debug: bool | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> T:
    """Run an awaitable on a new event loop, close the loop, and return the result.

    Args:
        main: a coroutine, or any other awaitable.
        debug: debug mode of the loop; None leaves it to `-X dev` and `PYTHONASYNCIODEBUG`.
        loop_factory: makes the loop; None means `aioxide.new_event_loop`.

    Raises:
        RuntimeError: an event loop is running in this thread.
        TypeError: `main` is no awaitable (Python 3.14 and later).
        ValueError: `main` is no awaitable (before Python 3.14).

    """
    if _is_loop_running():
        raise RuntimeError("asyncio.run() cannot be called from a running event loop")
    runner = Runner(debug=debug, loop_factory=loop_factory)
    with runner:
        return runner.run(main)


def _is_loop_running() -> bool:
    return asyncio._get_running_loop() is not None


async def _await(awaitable: Awaitable[T]) -> T:
    return await awaitable
