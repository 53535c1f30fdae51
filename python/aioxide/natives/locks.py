"""`asyncio.locks`, natively."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

from aioxide import _core
from aioxide.natives.copying import state_of, state_of_condition
from aioxide.natives.templates import native_methods

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Barrier", "BoundedSemaphore", "Condition", "Event", "Lock", "Semaphore"]

T = TypeVar("T")


@native_methods(_core.Lock, state_of("_locked", "_waiters"))
class Lock:
    """A lock for tasks, not for threads."""

    async def acquire(self) -> Literal[True]:
        """Wait until the lock is free and everybody who came earlier has had it, and take it."""
        raise NotImplementedError

    def release(self) -> None:
        """Let the lock go, to the first of those that wait. Any task may.

        Raises:
            RuntimeError: nobody has the lock.

        """
        raise NotImplementedError

    def locked(self) -> bool:
        """Return whether somebody has the lock."""
        raise NotImplementedError

    def _wake_up_first(self) -> None:
        """Make sure that the first of those that wait comes."""
        raise NotImplementedError

    async def __aenter__(self) -> None:
        """Take the lock."""
        raise NotImplementedError

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Let the lock go."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """Return the class, the address and the state."""
        raise NotImplementedError


@native_methods(_core.Event, state_of("_value", "_waiters"))
class Event:
    """A flag for which tasks can wait."""

    def is_set(self) -> bool:
        """Return whether the flag is set."""
        raise NotImplementedError

    def set(self) -> None:
        """Set the flag, and wake those that wait for it."""
        raise NotImplementedError

    def clear(self) -> None:
        """Take the flag back: whoever waits from here on waits for the next time."""
        raise NotImplementedError

    async def wait(self) -> Literal[True]:
        """Wait until the flag is set; no time at all if it is."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """Return the class, the address and the state."""
        raise NotImplementedError


@native_methods(_core.Condition, state_of_condition)
class Condition:
    """What tasks wait for until another says so, with a lock."""

    if TYPE_CHECKING:

        def __init__(self, lock: Lock | None = None) -> None: ...

    async def wait(self) -> Literal[True]:
        """Let the lock go, wait to be notified, and take the lock again.

        The lock is taken again, too, when the wait is cancelled. It may happen that nobody has notified: look
        whether it is as it should be.

        Raises:
            RuntimeError: nobody has the lock.

        """
        raise NotImplementedError

    async def wait_for(self, predicate: Callable[[], T]) -> T:
        """Wait until `predicate()` is true, and return that: it is asked now, and whenever somebody notifies.

        Raises:
            RuntimeError: nobody has the lock, though there is need to wait.

        """
        raise NotImplementedError

    def notify(self, n: int = 1) -> None:
        """Wake so many of those that wait. They come when the lock is free.

        Raises:
            RuntimeError: nobody has the lock.

        """
        raise NotImplementedError

    def _notify(self, n: int) -> None:
        """Wake so many of those that wait, whoever has the lock."""
        raise NotImplementedError

    def notify_all(self) -> None:
        """Wake all that wait.

        Raises:
            RuntimeError: nobody has the lock.

        """
        raise NotImplementedError

    async def __aenter__(self) -> None:
        """Take the lock."""
        raise NotImplementedError

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Let the lock go."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """Return the class, the address and the state."""
        raise NotImplementedError


@native_methods(_core.Semaphore, state_of("_value", "_waiters"))
class Semaphore:
    """A number of permits, which tasks take and give back."""

    if TYPE_CHECKING:

        def __init__(self, value: int = 1) -> None: ...

    async def acquire(self) -> Literal[True]:
        """Wait until there is a permit and everybody who came earlier has one, and take it."""
        raise NotImplementedError

    def release(self) -> None:
        """Give a permit back, to the first of those that wait."""
        raise NotImplementedError

    def locked(self) -> bool:
        """Return whether `acquire` would have to wait."""
        raise NotImplementedError

    def _wake_up_next(self) -> bool:
        """Give a permit to the first of those that wait for one; return whether somebody did."""
        raise NotImplementedError

    async def __aenter__(self) -> None:
        """Take a permit."""
        raise NotImplementedError

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Give the permit back."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """Return the class, the address and the state."""
        raise NotImplementedError


@native_methods(_core.BoundedSemaphore, state_of("_value", "_waiters", "_bound_value"))
class BoundedSemaphore(Semaphore):
    """A semaphore that can't have more permits than at the beginning."""

    def release(self) -> None:
        """Give a permit back, to the first of those that wait.

        Raises:
            ValueError: there would be more permits than at the beginning.

        """
        raise NotImplementedError


@native_methods(_core.Barrier, state_of("_cond", "_parties", "_state", "_count"))
class Barrier:
    """A place where so many tasks wait until all have come."""

    if TYPE_CHECKING:

        def __init__(self, parties: int) -> None: ...

    async def wait(self) -> int:
        """Wait for the other tasks. Return a number from 0 on, which is another one for each of them.

        Raises:
            asyncio.BrokenBarrierError: the barrier is broken, or was broken or reset meanwhile.

        """
        raise NotImplementedError

    async def reset(self) -> None:
        """Send those away that wait, by an `asyncio.BrokenBarrierError`; mend a barrier that is broken."""
        raise NotImplementedError

    async def abort(self) -> None:
        """Break the barrier: all that wait or come get an `asyncio.BrokenBarrierError`."""
        raise NotImplementedError

    async def __aenter__(self) -> int:
        """Wait for the other tasks, as `wait` does."""
        raise NotImplementedError

    async def __aexit__(self, *args: Any) -> None:
        """Do nothing."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """Return the class, the address and the state."""
        raise NotImplementedError
