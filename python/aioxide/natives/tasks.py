"""`asyncio.tasks`, natively."""

from __future__ import annotations

from typing import TypeVar

from aioxide.natives.templates import native
from aioxide.natives.threads import run_coroutine_threadsafe

__all__ = ["run_coroutine_threadsafe", "sleep"]

T = TypeVar("T")


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
