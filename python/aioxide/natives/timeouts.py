"""`asyncio.timeouts`, natively."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioxide import _core
from aioxide.natives.templates import native, native_methods

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["Timeout", "timeout", "timeout_at"]


@native_methods(_core.Timeout)
class Timeout:
    """An asynchronous context manager that cancels what runs too long."""

    async def __aenter__(self) -> Self:
        """Begin to count for the current task.

        Raises:
            RuntimeError: the timeout was entered before, or there is no current task.

        """
        raise NotImplementedError

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        """End the counting.

        Raises:
            TimeoutError: the time was up, and the cancellation that it has caused has ended the body.

        """
        raise NotImplementedError


@native
def timeout(delay: float | None) -> Timeout:
    """Return a timeout that many seconds from now; None for never.

    Raises:
        RuntimeError: no loop runs.

    """
    raise NotImplementedError


@native
def timeout_at(when: float | None) -> Timeout:
    """Return a timeout at a time in seconds on the loop's clock; None for never."""
    raise NotImplementedError
