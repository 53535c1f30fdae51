"""`asyncio.futures`, natively."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from aioxide.natives.templates import native

if TYPE_CHECKING:
    import asyncio
    import concurrent.futures

__all__ = ["wrap_future"]

T = TypeVar("T")


@native
def wrap_future(
    future: concurrent.futures.Future[T] | asyncio.Future[T],
    *,
    loop: asyncio.AbstractEventLoop | None = None,
) -> asyncio.Future[T]:
    """Return a future of a loop that is done when a future of a thread is, and cancels it when it is cancelled.

    Args:
        future: the future of the thread; one of asyncio is returned as it is.
        loop: the loop; None for the current one.

    Raises:
        AssertionError: `future` is neither of these.
        RuntimeError: no loop is given, and there is no current one.

    """
    raise NotImplementedError
