"""Futures made by the loop under test."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc

import pytest

from .support import Loop, Reports, turns


async def test_create_future_makes_a_real_future_of_this_loop(loop: Loop) -> None:
    future = loop.create_future()
    assert isinstance(future, asyncio.Future)
    assert asyncio.isfuture(future)
    assert future.get_loop() is loop
    assert not future.done()
    future.set_result(1)
    assert await future == 1


async def test_a_future_hands_its_exception_to_the_waiter(loop: Loop) -> None:
    future = loop.create_future()
    loop.call_soon(future.set_exception, LookupError("mine"))
    with pytest.raises(LookupError, match="mine"):
        await future


async def test_callbacks_of_a_future_run_in_order_each_once(loop: Loop) -> None:
    future = loop.create_future()
    order: list[int] = []
    for i in range(5):
        future.add_done_callback(lambda _, i=i: order.append(i))
    future.set_result(None)
    assert order == []
    await turns(2)
    assert order == [0, 1, 2, 3, 4]


async def test_a_callback_added_to_a_done_future_still_runs_in_a_later_turn(loop: Loop) -> None:
    future = loop.create_future()
    future.set_result(None)
    seen: list[asyncio.Future[None]] = []
    future.add_done_callback(seen.append)
    assert seen == []
    await turns(2)
    assert seen == [future]


async def test_a_removed_callback_never_runs(loop: Loop) -> None:
    future = loop.create_future()
    seen: list[object] = []
    callback = seen.append
    future.add_done_callback(callback)
    future.add_done_callback(callback)
    assert future.remove_done_callback(callback) == 2
    future.set_result(None)
    await turns(2)
    assert seen == []


async def test_a_callback_runs_in_its_context(loop: Loop) -> None:
    var: contextvars.ContextVar[int] = contextvars.ContextVar("var")
    context = contextvars.copy_context()
    future = loop.create_future()
    future.add_done_callback(lambda _: var.set(3), context=context)
    future.set_result(None)
    await turns(2)
    assert context[var] == 3
    assert var not in contextvars.copy_context()


async def test_a_callback_that_raises_is_reported_and_the_next_one_runs(
    loop: Loop, reports: Reports
) -> None:
    future = loop.create_future()
    seen: list[object] = []
    future.add_done_callback(lambda _: 1 / 0)
    future.add_done_callback(seen.append)
    future.set_result(None)
    await turns(2)
    assert seen == [future]
    [report] = reports
    assert isinstance(report["exception"], ZeroDivisionError)
    reports.clear()


async def test_an_exception_that_nobody_fetched_is_reported(loop: Loop, reports: Reports) -> None:
    future = loop.create_future()
    future.set_exception(LookupError("lost"))
    del future
    gc.collect()
    [report] = reports
    assert report["message"] == "Future exception was never retrieved"
    reports.clear()


async def test_a_second_result_is_an_invalid_state(loop: Loop) -> None:
    future = loop.create_future()
    future.set_result(1)
    with pytest.raises(asyncio.InvalidStateError):
        future.set_result(2)
    with pytest.raises(asyncio.InvalidStateError):
        future.set_exception(LookupError())
    assert future.result() == 1


async def test_awaiting_a_future_of_another_loop_is_a_runtime_error(
    loop: Loop, loop_factory
) -> None:  # type: ignore[no-untyped-def]
    other = loop_factory()
    foreign = other.create_future()

    async def child() -> None:
        await foreign

    with pytest.raises(RuntimeError, match="attached to a different loop"):
        await loop.create_task(child())
    other.close()


async def test_wrap_future_carries_results_over_from_threads(loop: Loop) -> None:
    outer: concurrent.futures.Future[int] = concurrent.futures.Future()
    inner = asyncio.wrap_future(outer)
    await loop.run_in_executor(None, outer.set_result, 9)
    assert await inner == 9


async def test_cancelling_a_wrapped_future_cancels_the_source(loop: Loop) -> None:
    outer: concurrent.futures.Future[int] = concurrent.futures.Future()
    inner = asyncio.wrap_future(outer)
    inner.cancel()
    await turns(2)
    assert outer.cancelled()


async def test_many_waiters_of_one_future_all_wake(loop: Loop) -> None:
    future = loop.create_future()

    async def wait() -> int:
        return int(await future)

    waiters = [loop.create_task(wait()) for _ in range(100)]
    await asyncio.sleep(0)
    future.set_result(1)
    assert await asyncio.gather(*waiters) == [1] * 100


async def test_a_waiter_that_is_cancelled_cancels_the_future_it_waits_for(loop: Loop) -> None:
    future = loop.create_future()

    async def wait() -> None:
        await future

    waiter = loop.create_task(wait())
    await asyncio.sleep(0)
    waiter.cancel()
    await turns(3)
    assert future.cancelled()
    assert waiter.cancelled()
