"""Locks and their kin, the stdlib's and ours: what misuse raises, what a repr shows, what a subclass may replace."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Any

import pytest
from tests.namespaces import Names

from .support import Loop, turns


def shown(thing: object) -> str:
    return re.sub(r"0x[0-9a-f]+", "0x", repr(thing)).replace(
        "aioxide.natives.locks", "asyncio.locks"
    )


async def waiting(coroutine: Any) -> asyncio.Task[Any]:
    """A task that has begun to wait."""
    task = asyncio.create_task(coroutine)
    await turns(2)
    return task


async def test_a_lock_shows_whether_it_is_held_and_by_how_many_it_is_wanted(
    loop: Loop, names: Names
) -> None:
    lock = names.Lock()
    assert shown(lock) == "<asyncio.locks.Lock object at 0x [unlocked]>"
    assert await lock.acquire() is True
    assert shown(lock) == "<asyncio.locks.Lock object at 0x [locked]>"
    task = await waiting(lock.acquire())
    assert shown(lock) == "<asyncio.locks.Lock object at 0x [locked, waiters:1]>"
    lock.release()
    await task
    assert lock.locked()


async def test_a_lock_that_is_free_is_not_released(loop: Loop, names: Names) -> None:
    lock = names.Lock()
    with pytest.raises(RuntimeError, match=r"^Lock is not acquired\.$"):
        lock.release()
    with pytest.raises(TypeError), lock:
        pass
    async with lock as entered:
        assert entered is None
        assert lock.locked()
    assert not lock.locked()


async def test_a_lock_is_fair_even_to_one_that_has_been_woken(loop: Loop, names: Names) -> None:
    lock = names.Lock()
    order: list[str] = []

    async def take(name: str) -> None:
        async with lock:
            order.append(name)

    await lock.acquire()
    tasks = [await waiting(take("first"))]
    lock.release()
    tasks.append(asyncio.create_task(take("second")))
    await take("own")
    await asyncio.gather(*tasks)
    assert order == ["first", "own", "second"]


@pytest.mark.parametrize("name", ["Lock", "Event", "Condition", "Semaphore", "Barrier"])
def test_a_primitive_belongs_to_the_loop_it_first_waited_on(
    name: str, names: Names, loop_factory: Any
) -> None:
    thing: Any = getattr(names, name)(2) if name == "Barrier" else getattr(names, name)()

    async def contend() -> None:
        if name in ("Lock", "Semaphore"):
            await thing.acquire()
            task = await waiting(thing.acquire())
        elif name == "Condition":
            async with thing:
                async with asyncio.timeout(0):
                    await thing.wait()
        else:
            task = await waiting(thing.wait())
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    def run() -> None:
        loop = loop_factory()
        try:
            loop.run_until_complete(contend())
        finally:
            loop.close()

    if name == "Condition":
        with pytest.raises(TimeoutError):
            run()
    else:
        run()
    if name in ("Lock", "Semaphore"):
        thing.release()
    with pytest.raises(RuntimeError, match="is bound to a different event loop$") as refused:
        run()
    assert shown(refused.value.args[0]).startswith("'<asyncio.locks.")


async def test_an_event_shows_its_state_and_wakes_all(loop: Loop, names: Names) -> None:
    event = names.Event()
    assert shown(event) == "<asyncio.locks.Event object at 0x [unset]>"
    tasks = [await waiting(event.wait()) for _ in range(2)]
    assert shown(event) == "<asyncio.locks.Event object at 0x [unset, waiters:2]>"
    event.set()
    event.clear()
    assert await asyncio.gather(*tasks) == [True, True]
    event.set()
    assert shown(event) == "<asyncio.locks.Event object at 0x [set]>"
    assert await event.wait() is True


async def test_a_condition_is_used_only_by_who_holds_it(loop: Loop, names: Names) -> None:
    condition = names.Condition()
    with pytest.raises(RuntimeError, match="^cannot wait on un-acquired lock$"):
        await condition.wait()
    for notify in (condition.notify, condition.notify_all):
        with pytest.raises(RuntimeError, match="^cannot notify on un-acquired lock$"):
            notify()
    assert shown(condition) == "<asyncio.locks.Condition object at 0x [unlocked]>"
    with pytest.raises(RuntimeError, match=r"^Lock is not acquired\.$"):
        condition.release()


async def test_a_condition_takes_the_lock_it_is_given(loop: Loop, names: Names) -> None:
    names.require("Condition")
    lock = names.Lock()
    condition = names.Condition(lock)
    async with condition as entered:
        assert entered is None
        assert lock.locked()
        assert condition.locked()
    foreign = names.Condition(asyncio.Lock())
    async with foreign:
        assert foreign.locked()
        assert await foreign.wait_for(lambda: "true") == "true"


async def test_a_condition_takes_a_lock_that_is_only_like_one(loop: Loop, names: Names) -> None:
    class Like:
        def __init__(self) -> None:
            self.calls: list[str] = []
            self.held = False

        async def acquire(self) -> bool:
            self.calls.append("acquire")
            self.held = True
            return True

        def release(self) -> None:
            self.calls.append("release")
            self.held = False

        def locked(self) -> bool:
            return self.held

    lock = Like()
    condition = names.Condition(lock)

    async def wait() -> Any:
        async with condition:
            return await condition.wait()

    task = await waiting(wait())
    async with condition:
        condition.notify()
    assert await task is True
    assert lock.calls == ["acquire", "release"] * 3


@pytest.mark.parametrize("name", ["Semaphore", "BoundedSemaphore"])
async def test_a_semaphore_shows_what_it_has(loop: Loop, names: Names, name: str) -> None:
    cls = getattr(names, name)
    with pytest.raises(ValueError, match="^Semaphore initial value must be >= 0$"):
        cls(-1)
    semaphore = cls(value=1)
    assert shown(semaphore) == f"<asyncio.locks.{name} object at 0x [unlocked, value:1]>"
    assert await semaphore.acquire() is True
    assert shown(semaphore) == f"<asyncio.locks.{name} object at 0x [locked]>"
    task = await waiting(semaphore.acquire())
    assert shown(semaphore) == f"<asyncio.locks.{name} object at 0x [locked, waiters:1]>"
    semaphore.release()
    await task
    semaphore.release()


async def test_a_bounded_semaphore_has_a_bound(loop: Loop, names: Names) -> None:
    semaphore = names.BoundedSemaphore(2)
    with pytest.raises(ValueError, match="^BoundedSemaphore released too many times$"):
        semaphore.release()
    assert not semaphore.locked()


async def test_a_barrier_shows_where_it_stands(loop: Loop, names: Names) -> None:
    bound = ">= 1" if sys.version_info >= (3, 14) else "> 0"
    with pytest.raises(ValueError, match=f"^parties must be {bound}$"):
        names.Barrier(0)
    barrier = names.Barrier(2)
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (2, 0, False)
    assert shown(barrier) == "<asyncio.locks.Barrier object at 0x [filling, waiters:0/2]>"
    task = await waiting(barrier.wait())
    assert shown(barrier) == "<asyncio.locks.Barrier object at 0x [filling, waiters:1/2]>"
    assert sorted([await barrier.wait(), await task]) == [0, 1]
    task = await waiting(barrier.wait())
    await barrier.abort()
    with pytest.raises(asyncio.BrokenBarrierError, match="^Abort or reset of barrier$"):
        await task
    with pytest.raises(asyncio.BrokenBarrierError, match="^Barrier aborted$"):
        await barrier.wait()
    assert barrier.broken
    await barrier.reset()
    async with names.Barrier(1) as position:
        assert position == 0


async def test_a_subclass_of_a_lock_is_what_async_with_asks(loop: Loop, names: Names) -> None:
    calls: list[str] = []

    class Counting(names.Lock):  # type: ignore[misc, name-defined]
        async def acquire(self) -> Any:
            calls.append("acquire")
            return await super().acquire()

        def release(self) -> None:
            calls.append("release")
            super().release()

    lock = Counting()
    async with lock:
        assert calls == ["acquire"]
    assert calls == ["acquire", "release"]
    async with names.Condition(lock):
        pass
    assert calls == ["acquire", "release"] * 2


async def test_a_semaphore_that_is_subclassed_decides_when_it_is_locked(
    loop: Loop, names: Names
) -> None:
    class Gated(names.Semaphore):  # type: ignore[misc, name-defined]
        gate = True

        def locked(self) -> bool:
            return self.gate or bool(super().locked())

    semaphore = Gated(3)
    task = await waiting(semaphore.acquire())
    assert not task.done()
    semaphore.gate = False
    semaphore.release()
    assert await task is True
