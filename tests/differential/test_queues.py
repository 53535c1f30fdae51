"""Random programs of queues leave the same trace with ours as with the standard library's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .queue_programs import CLASSES, HAS_SHUTDOWN, QueueMachine, queue_programs
from .schedule import REFERENCE
from .strategies import check, heir, notice


@pytest.mark.parametrize("name", CLASSES)
def test_a_random_program_leaves_the_same_trace(name: str) -> None:
    check(QueueMachine, queue_programs(name), [name])


class LosesWakeUps(asyncio.Queue[Any]):
    """Does not wake another getter when the one that was woken is cancelled."""

    async def get(self) -> Any:
        inner: Any = self
        while self.empty():
            getter = asyncio.get_running_loop().create_future()
            inner._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter in inner._getters:
                    inner._getters.remove(getter)
                raise
        return self.get_nowait()


class WakesNobodyOnRoom(asyncio.Queue[Any]):
    """Lets putters wait when an item is taken at once."""

    def get_nowait(self) -> Any:
        inner: Any = self
        putters, inner._putters = inner._putters, type(inner._putters)()
        try:
            return super().get_nowait()
        finally:
            inner._putters = putters


class JoinsTooSoon(asyncio.Queue[Any]):
    """Takes an item that was taken for one that was counted off."""

    def get_nowait(self) -> Any:
        item = super().get_nowait()
        inner: Any = self
        if inner._unfinished_tasks == 1:
            inner._finished.set()
        return item


class TakesTheNewest(asyncio.PriorityQueue[Any]):
    """Has no priorities."""

    def _get(self) -> Any:
        inner: Any = self
        return inner._queue.pop()


class ShutsOnlyOneDoor(asyncio.Queue[Any]):
    """Leaves those waiting who wait to put."""

    def shutdown(self, immediate: bool = False) -> None:
        inner: Any = self
        putters, inner._putters = inner._putters, type(inner._putters)()
        super().shutdown(immediate)  # type: ignore[misc]
        inner._putters = putters


MUTANTS = [LosesWakeUps, WakesNobodyOnRoom, JoinsTooSoon, TakesTheNewest]
if HAS_SHUTDOWN:
    MUTANTS.append(ShutsOnlyOneDoor)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda cls: cls.__name__)
def test_the_programs_notice_a_queue_that_is_a_little_wrong(mutant: Any) -> None:
    name = mutant.__mro__[1].__name__
    strategy = queue_programs(name)
    assert notice(QueueMachine, strategy, REFERENCE.with_(**{name: heir(mutant, name)}))
    right = heir(getattr(asyncio, name), name)
    assert not notice(QueueMachine, strategy, REFERENCE.with_(**{name: right}), tries=20)
