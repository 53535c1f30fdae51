"""What our locks promise beyond asyncio's: no permit is lost, and what Python does to their insides counts."""

from __future__ import annotations

import asyncio
import gc
import math
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any
from unittest import mock

import pytest

import aioxide
from aioxide.natives import locks

MAKERS: dict[str, Callable[[], Any]] = {
    "Lock": locks.Lock,
    "Semaphore": locks.Semaphore,
    "BoundedSemaphore": locks.BoundedSemaphore,
}


@pytest.fixture(params=[aioxide.new_event_loop, asyncio.SelectorEventLoop], ids=["ours", "stdlib"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Runs coroutines on a loop of ours, and on one of asyncio's."""
    event_loop = request.param()
    yield event_loop.run_until_complete
    event_loop.close()


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def suspended(coroutine: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
    """Drive a coroutine to its first wait."""
    assert coroutine.send(None) is not None
    return coroutine


@pytest.mark.parametrize("name", MAKERS)
def test_a_closed_coroutine_passes_its_token_on(name: str, run: Callable[..., Any]) -> None:
    async def main() -> None:
        lock = MAKERS[name]()
        await lock.acquire()
        closed = suspended(lock.acquire())
        heir = asyncio.ensure_future(lock.acquire())
        await turns(1)
        lock.release()  # Wakes the coroutine that is closed before it can go on.
        closed.close()
        assert await asyncio.wait_for(heir, 5) is True
        assert lock.locked()
        lock.release()

    run(main())


def test_a_closed_wait_for_a_condition_passes_its_notification_on(run: Callable[..., Any]) -> None:
    async def main() -> None:
        condition = locks.Condition()
        await condition.acquire()
        closed = suspended(condition.wait())

        async def wait() -> bool:
            async with condition:
                return await condition.wait()

        heir = asyncio.ensure_future(wait())
        await turns(2)
        async with condition:
            condition.notify()
        closed.close()
        condition.release()  # Whoever closes a wait has the lock again.
        assert await asyncio.wait_for(heir, 5) is True

    run(main())


def test_the_last_to_be_closed_opens_a_barrier_again(run: Callable[..., Any]) -> None:
    async def main() -> None:
        barrier = locks.Barrier(2)
        suspended(barrier.wait()).close()
        assert barrier.n_waiting == 0
        assert sorted(await asyncio.gather(barrier.wait(), barrier.wait())) == [0, 1]

    run(main())


def test_a_lock_at_rest_makes_no_future(run: Callable[..., Any]) -> None:
    async def main() -> None:
        with mock.patch.object(type(asyncio.get_running_loop()), "create_future", None):
            for make in MAKERS.values():
                async with make() as nothing:
                    assert nothing is None
            event = locks.Event()
            event.set()
            assert await event.wait() is True

    run(main())


@pytest.mark.parametrize("name", MAKERS)
def test_waiters_that_python_has_looked_at_are_the_waiters(
    name: str, run: Callable[..., Any]
) -> None:
    async def main() -> None:
        lock = MAKERS[name]()
        assert lock._waiters is None
        await lock.acquire()
        first, second = (asyncio.ensure_future(lock.acquire()) for _ in range(2))
        await turns(1)
        waiters = lock._waiters
        assert type(waiters) is deque
        assert len(waiters) == 2
        assert lock._waiters is waiters
        waiters.rotate()
        lock.release()
        await turns(1)
        assert (first.done(), second.done()) == (False, True)
        lock.release()
        await first
        assert not waiters

    run(main())


def test_methods_put_in_place_of_ours_are_called(run: Callable[..., Any]) -> None:
    async def main() -> None:
        lock = locks.Lock()
        with mock.patch.object(locks.Lock, "release", autospec=True) as release:
            async with lock:
                pass
            release.assert_called_once_with(lock)
        assert lock.locked()
        lock.release()
        calls = []

        async def acquire() -> bool:
            calls.append("acquire")
            return True

        lock.acquire = acquire  # type: ignore[method-assign, assignment]
        lock.release = lambda: calls.append("release")  # type: ignore[method-assign]
        async with lock:
            assert calls == ["acquire"]
        assert calls == ["acquire", "release"]
        del lock.acquire, lock.release
        async with lock:
            assert lock.locked()

    run(main())


def test_a_condition_has_the_methods_of_its_lock_or_what_is_put_there(
    run: Callable[..., Any],
) -> None:
    async def main() -> None:
        lock = locks.Lock()
        condition = locks.Condition(lock)
        assert condition.acquire == lock.acquire
        await condition.acquire()
        released = mock.Mock(side_effect=lock.release)
        condition.release = released  # type: ignore[attr-defined]
        waiting = asyncio.ensure_future(condition.wait())
        await turns(1)
        released.assert_called_once_with()
        async with lock:
            condition.notify_all()
        assert await waiting is True

    run(main())


def test_a_semaphore_counts_with_what_it_is_given(run: Callable[..., Any]) -> None:
    async def main() -> None:
        endless = locks.Semaphore(math.inf)  # type: ignore[arg-type]
        async with endless, endless:
            assert not endless.locked()
            assert endless._value == math.inf  # type: ignore[attr-defined]
        large = locks.Semaphore(2**63 - 1)
        large.release()
        assert large._value == 2**63  # type: ignore[attr-defined]
        grown = locks.Semaphore(0)
        waiting = asyncio.ensure_future(grown.acquire())
        await turns(1)
        grown._value += 1  # type: ignore[attr-defined]
        grown.release()
        assert await waiting is True
        assert grown._value == 1  # type: ignore[attr-defined]

    run(main())


def test_what_cannot_be_counted_is_refused_as_by_asyncio() -> None:
    with pytest.raises(
        TypeError, match=r"^'<' not supported between instances of 'str' and 'int'$"
    ):
        locks.Semaphore("1")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^'<' not supported between instances of 'NoneType'"):
        locks.Semaphore(None)  # type: ignore[arg-type]


def test_cancelling_at_any_point_never_loses_a_token(run: Callable[..., Any]) -> None:
    async def hold(lock: Any, pause: int) -> None:
        async with lock:
            await turns(pause)

    async def main(make: Callable[[], Any], victim: int, moment: int) -> None:
        lock = make()
        tasks = [asyncio.ensure_future(hold(lock, index % 2)) for index in range(4)]
        await turns(moment)
        tasks[victim].cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert not lock.locked()
        assert not lock._waiters
        assert await lock.acquire() is True

    for make in MAKERS.values():
        for victim in range(4):
            for moment in range(10):
                run(main(make, victim, moment))


def test_objects_in_cycles_are_collected(run: Callable[..., Any]) -> None:
    class Counter:
        """Compares as a number, and may be part of a cycle."""

        def __init__(self) -> None:
            self.lock: Any = None

        def __lt__(self, other: int) -> bool:
            return False

    counter = Counter()
    counter.lock = locks.Semaphore(counter)  # type: ignore[arg-type]
    made = [locks.Lock(), locks.Event(), locks.Condition(), locks.Barrier(2), counter.lock]
    for each in made:
        each.itself = each
    made[2].locked = made[2].notify
    gone = [weakref.ref(each) for each in made]
    del made, each, counter
    gc.collect()
    assert [found for reference in gone if (found := reference()) is not None] == []


def test_a_lock_that_waits_outside_of_a_loop_says_so() -> None:
    async def use(wait: Callable[[], Awaitable[Any]]) -> None:
        await wait()

    for wait in (locks.Event().wait, locks.Semaphore(0).acquire):
        coroutine = use(wait)
        with pytest.raises(AttributeError, match="^'NoneType' object has no attribute"):
            coroutine.send(None)
