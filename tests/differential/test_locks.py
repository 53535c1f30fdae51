"""Random programs of locks and their kin leave the same trace with ours as with the standard library's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .lock_programs import FAMILIES, LockMachine
from .schedule import REFERENCE
from .strategies import check, heir, notice

NEWER = "a notification passes from a cancelled waiter to the next"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_random_program_leaves_the_same_trace(family: str) -> None:
    needed, programs = FAMILIES[family]
    newer = NEWER if "Condition" in needed else None
    check(LockMachine, programs, needed, newer)


class LosesWakeUps(asyncio.Semaphore):
    """Forgets to pass on the token that a cancelled waiter had been given."""

    async def acquire(self) -> Any:
        inner: Any = self
        if not self.locked():
            inner._value -= 1
            return True
        waiters = inner._waiters = inner._waiters if inner._waiters is not None else _deque()
        future = asyncio.get_running_loop().create_future()
        waiters.append(future)
        try:
            await future
        finally:
            waiters.remove(future)
        return True


def _deque() -> Any:
    import collections

    return collections.deque()


class IsUnfair(asyncio.Lock):
    """Lets a task in that comes while another has been woken."""

    async def acquire(self) -> Any:
        inner: Any = self
        if not self.locked():
            inner._locked = True
            return True
        return await super().acquire()


class StaysSet(asyncio.Event):
    """Wakes only those that it finds at the end of the list."""

    def set(self) -> None:
        inner: Any = self
        waiters = list(inner._waiters)
        inner._waiters.clear()
        inner._waiters.extend(waiters[-1:])
        super().set()
        inner._waiters.clear()
        inner._waiters.extend(waiters[:-1])


class NotifiesOneTooMany(asyncio.Condition):
    """Wakes one task more than it was asked to."""

    def notify(self, n: int = 1) -> None:
        super().notify(n + 1)


class ForgetsTheLock(asyncio.Condition):
    """Does not take the lock again for a waiter that is cancelled."""

    async def wait(self) -> Any:
        inner: Any = self
        try:
            return await super().wait()
        except asyncio.CancelledError:
            if self.locked():
                inner._lock.release()
                inner._lock._locked = False
            raise


class AcceptsTooMuch(asyncio.BoundedSemaphore):
    """Has no bound."""

    def release(self) -> None:
        asyncio.Semaphore.release(self)


class NeverBreaks(asyncio.Barrier):
    """Takes an abort for a reset."""

    async def abort(self) -> None:
        await self.reset()


MUTANTS = [
    ("semaphores", LosesWakeUps),
    ("locks", IsUnfair),
    ("events", StaysSet),
    ("conditions", NotifiesOneTooMany),
    ("conditions", ForgetsTheLock),
    ("bounded semaphores", AcceptsTooMuch),
    ("barriers", NeverBreaks),
]


@pytest.mark.parametrize(
    ("family", "mutant"), MUTANTS, ids=lambda value: getattr(value, "__name__", None)
)
def test_the_programs_notice_a_primitive_that_is_a_little_wrong(family: str, mutant: Any) -> None:
    name = mutant.__mro__[1].__name__
    _, strategy = FAMILIES[family]
    assert notice(LockMachine, strategy, REFERENCE.with_(**{name: heir(mutant, name)}))
    right = heir(getattr(asyncio, name), name)
    assert not notice(LockMachine, strategy, REFERENCE.with_(**{name: right}), tries=20)
