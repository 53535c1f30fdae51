"""`sleep(0)` is a coroutine like any other, whatever is done to it, and however often.

Natively it takes short cuts, which end where somebody does more with it than to await it. So each test is made of the
steps by hand that a task would make, and looks at several coroutines in a row: memory of one may be that of the next.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import warnings
import weakref
from collections.abc import Coroutine
from typing import Any

import pytest
from tests.namespaces import Names

from .support import Loop

#: More than one, to meet the memory of the one before.
TIMES = 5

Sleep = Coroutine[None, None, None]


def begun(names: Names) -> Sleep:
    sleeping: Sleep = names.sleep(0)
    assert sleeping.send(None) is None
    return sleeping


def ended(names: Names) -> Sleep:
    sleeping = begun(names)
    # Not by pytest, which would keep the frame that `sleeping` is in.
    try:
        sleeping.send(None)
    except StopIteration as end:
        assert end.value is None
        return sleeping
    raise AssertionError("it gives way twice")


@pytest.mark.parametrize("delay", [0, 0.0, -0.0, -1, -1.5, False, -(10**30), float("-inf")])
def test_a_delay_of_nothing_gives_way_once(delay: float, names: Names) -> None:
    for _ in range(TIMES):
        sleeping = names.sleep(delay)
        assert sleeping.send(None) is None
        with pytest.raises(StopIteration):
            sleeping.send(None)


def test_one_that_has_ended_does_so_once(names: Names) -> None:
    for _ in range(TIMES):
        sleeping = ended(names)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="^cannot reuse already awaited coroutine$"):
                sleeping.send(None)
        with pytest.raises(RuntimeError, match="^cannot reuse already awaited coroutine$"):
            sleeping.throw(KeyError())
        sleeping.close()


def test_what_is_thrown_in_comes_out(names: Names) -> None:
    for _ in range(TIMES):
        for sleeping in (names.sleep(0), begun(names)):
            with pytest.raises(KeyError, match="thrown"):
                sleeping.throw(KeyError("thrown"))
            with pytest.raises(RuntimeError, match="^cannot reuse already awaited coroutine$"):
                sleeping.send(None)


def test_a_value_is_refused_by_one_that_has_not_begun(names: Names) -> None:
    for _ in range(TIMES):
        sleeping = names.sleep(0)
        with pytest.raises(
            TypeError, match="^can't send non-None value to a just-started coroutine$"
        ):
            sleeping.send("a value")
        assert sleeping.send(None) is None
        with pytest.raises(StopIteration):
            sleeping.send("another")


def test_a_closed_one_is_over(names: Names) -> None:
    for _ in range(TIMES):
        for sleeping in (names.sleep(0), begun(names), ended(names)):
            sleeping.close()
            assert inspect.getcoroutinestate(sleeping) == inspect.CORO_CLOSED


def test_the_iterator_of_one_goes_on_with_it(names: Names) -> None:
    for _ in range(TIMES):
        sleeping = names.sleep(0)
        steps = sleeping.__await__()
        assert next(steps) is None
        assert inspect.getcoroutinestate(sleeping) == inspect.CORO_SUSPENDED
        with pytest.raises(StopIteration):
            next(steps)
        assert inspect.getcoroutinestate(sleeping) == inspect.CORO_CLOSED


def test_looking_at_one_changes_nothing(names: Names) -> None:
    for _ in range(TIMES):
        sleeping = names.sleep(0)
        assert inspect.getcoroutinestate(sleeping) == inspect.CORO_CREATED
        assert sleeping.cr_frame is not None
        assert sleeping.send(None) is None
        assert inspect.getcoroutinestate(sleeping) == inspect.CORO_SUSPENDED
        assert not sleeping.cr_running
        with pytest.raises(StopIteration):
            sleeping.send(None)
        assert sleeping.cr_frame is None


def test_one_that_goes_early_is_warned_of_only_if_it_has_not_begun(names: Names) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(TIMES):
            sleeping = begun(names)
            sleeping = ended(names)
            sleeping = names.sleep(0)
            del sleeping
            gc.collect()
    assert [str(warning.message) for warning in caught] == [
        "coroutine 'sleep' was never awaited"
    ] * TIMES


def test_a_weak_reference_hears_of_the_end(names: Names) -> None:
    for make in (begun, ended):
        for _ in range(TIMES):
            heard: list[object] = []
            sleeping = make(names)
            reference = weakref.ref(sleeping, heard.append)
            assert reference() is sleeping
            del sleeping
            assert reference() is None
            assert heard == [reference]
            # What comes next, perhaps in the same memory, has nothing to do with it.
            assert begun(names) is not None
            assert reference() is None


def test_a_cycle_through_its_awaiter_is_collected(names: Names) -> None:
    class Awaiter:
        coroutine: Coroutine[Any, Any, None]

        async def run(self) -> None:
            await names.sleep(0)

    for _ in range(TIMES):
        awaiter = Awaiter()
        awaiter.coroutine = awaiter.run()
        awaiter.coroutine.send(None)
        reference = weakref.ref(awaiter)
        del awaiter
        gc.collect()
        assert reference() is None


async def test_many_at_once_take_one_turn(loop: Loop, names: Names) -> None:
    order: list[int] = []

    async def give_way(number: int) -> None:
        order.append(number)
        await names.sleep(0)
        order.append(-number)

    await asyncio.gather(*(give_way(number) for number in range(1, 1500)))
    assert order == [*range(1, 1500), *(-number for number in range(1, 1500))]


async def test_as_a_task_it_takes_a_turn_of_its_own(loop: Loop, names: Names) -> None:
    for _ in range(TIMES):
        task = loop.create_task(names.sleep(0))
        await asyncio.sleep(0)
        assert not task.done()
        await asyncio.sleep(0)
        assert task.done()
        assert task.result() is None


async def test_a_task_in_one_is_cancelled(loop: Loop, names: Names) -> None:
    for _ in range(TIMES):
        task = loop.create_task(names.sleep(0))
        await asyncio.sleep(0)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
