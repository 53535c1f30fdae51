"""A race of connection attempts with staggered starts: RFC 8305, "happy eyeballs".

An attempt starts when the one before it has failed, or has had `delay` seconds without success. The first success
wins and the others are cancelled. Nothing is left over: whoever leaves `race`, in whatever way, leaves after every
attempt has ended, and what a late attempt still brought home has been disposed of.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

_T = TypeVar("_T")


async def race(
    loop: asyncio.AbstractEventLoop,
    attempts: Sequence[Callable[[], Coroutine[Any, Any, _T]]],
    delay: float,
    dispose: Callable[[_T], object],
) -> _T | None:
    """Return the result of the first attempt that succeeds, or None if each ends with an OSError.

    Args:
        loop: the running loop, which makes the tasks.
        attempts: coroutine functions, the preferred one first.
        delay: how long an attempt runs alone, in seconds.
        dispose: what to do with the result of an attempt that came too late.

    Raises:
        BaseException: nobody won, and this came out of an attempt and is no OSError.

    """
    tasks: list[asyncio.Task[_T]] = []
    winner: asyncio.Task[_T] | None = None
    try:
        for attempt in attempts:
            tasks.append(loop.create_task(attempt()))
            winner = await _first_success(tasks, loop.time() + delay, loop)
            if winner is not None:
                return winner.result()
        winner = await _first_success(tasks, None, loop)
        if winner is not None:
            return winner.result()
        _raise_unexpected(tasks)
        return None
    finally:
        await _end_all(tasks, winner, dispose)
        # A traceback that passes through here must not keep the tasks, whose exceptions refer to it, alive.
        del tasks, winner


async def _first_success(
    tasks: list[asyncio.Task[_T]], deadline: float | None, loop: asyncio.AbstractEventLoop
) -> asyncio.Task[_T] | None:
    """Wait for a success. Before a deadline, the failure of the newest attempt ends the wait as well.

    Without a deadline there is nothing left to start, and only the last failure ends it.
    """
    while True:
        for task in tasks:
            if _succeeded(task):
                return task
        running = [task for task in tasks if not task.done()]
        if not running:
            return None
        timeout = None
        if deadline is not None:
            timeout = deadline - loop.time()
            if tasks[-1].done() or timeout <= 0:
                return None
        await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)


def _succeeded(task: asyncio.Task[Any]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _raise_unexpected(tasks: list[asyncio.Task[Any]]) -> None:
    """Raise what an attempt died of, unless that is an OSError, which the attempt has reported itself."""
    for task in tasks:
        if task.cancelled():
            continue
        exception = task.exception()
        if exception is not None and not isinstance(exception, OSError):
            try:
                raise exception
            finally:
                del exception


async def _end_all(
    tasks: list[asyncio.Task[_T]],
    winner: asyncio.Task[_T] | None,
    dispose: Callable[[_T], object],
) -> None:
    """Cancel what still runs and wait for its end, even through further cancellations of our own."""
    cancelled: asyncio.CancelledError | None = None
    for task in tasks:
        task.cancel()
    while running := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(running)
        except asyncio.CancelledError as again:
            cancelled = again
            for task in running:
                task.cancel()
    for task in _successes(tasks):
        if task is not winner or cancelled is not None:
            dispose(task.result())
    if cancelled is not None:
        try:
            raise cancelled
        finally:
            del cancelled


def _successes(tasks: Iterable[asyncio.Task[_T]]) -> list[asyncio.Task[_T]]:
    """Return the attempts that succeeded; asking the others marks their exceptions as seen."""
    return [task for task in tasks if _succeeded(task)]
