"""Calls that block, made in a thread of the running loop's default executor: one hop each.

A hop whose awaiter is cancelled goes on if it has begun. `hop` drops what it brings then; `hop_and_take` is for calls
that bring something which somebody has to let go of, a descriptor or a file on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


def hop(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
    """Call a function in a thread.

    Args:
        function: the function. It does not run in the caller's context.
        args: its positional arguments.
        kwargs: its keyword arguments.

    Returns:
        A future of its outcome.

    Raises:
        RuntimeError: no loop is running, or its default executor was shut down.

    """
    call = partial(function, *args, **kwargs) if args or kwargs else function
    return asyncio.get_running_loop().run_in_executor(None, call)


async def hop_and_take(function: Callable[[], T], undo: Callable[[T], object]) -> T:
    """Call a function in a thread, and undo what it did if nobody can be given the result.

    Args:
        function: the function.
        undo: called with the result, in a thread, if the awaiter was cancelled. What it raises as an `OSError` is
            nobody's to hear of.

    Returns:
        The result.

    """
    call = _Taken(function, undo)
    try:
        await hop(call.run)
    except asyncio.CancelledError:
        call.abandon()
        raise
    return call.result()


class _Taken(Generic[T]):
    """A call, and whether it ended before its awaiter was cancelled: the second of the two undoes it."""

    def __init__(self, function: Callable[[], T], undo: Callable[[T], object]) -> None:
        self._function = function
        self._undo = undo
        self._lock = threading.Lock()
        self._is_abandoned = False
        # The result, until somebody takes it. No future holds it, which might live on for a while.
        self._results: list[T] = []

    def run(self) -> None:
        """Make the call. Runs in a thread."""
        result = self._function()
        with self._lock:
            is_abandoned = self._is_abandoned
            self._results.append(result)
        if is_abandoned:
            self._let_go()

    def result(self) -> T:
        """Return what the call has brought, and forget it. Runs on the loop."""
        return self._results.pop()

    def abandon(self) -> None:
        """Say that nobody waits any more. Runs on the loop."""
        with self._lock:
            self._is_abandoned = True
            has_ended = bool(self._results)
        if has_ended:
            hop(self._let_go)

    def _let_go(self) -> None:
        with contextlib.suppress(OSError):
            self._undo(self._results.pop())


def keywords(**given: Any) -> dict[str, Any]:
    """Return the keyword arguments that are not None, for functions whose defaults are their own."""
    return {name: value for name, value in given.items() if value is not None}
