"""Futures made by the loop under test, and the class itself in every implementation."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import traceback
from typing import Any

import pytest

from .kinds import STOP_ITERATION_IS_WRAPPED, Kind, spin
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


# From here on: the class itself, in every implementation that there is.


def test_a_pending_future_has_neither_result_nor_exception(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    with pytest.raises(asyncio.InvalidStateError, match="^Result is not (set|ready).$"):
        future.result()
    with pytest.raises(asyncio.InvalidStateError, match="^Exception is not set.$"):
        future.exception()


def test_what_is_set_on_a_done_future_is_an_invalid_state(loop: Loop, kind: Kind) -> None:
    finished, failed, cancelled = (kind.Future(loop=loop) for _ in range(3))
    finished.set_result(1)
    failed.set_exception(LookupError("mine"))
    cancelled.cancel("why")
    for future in (finished, failed, cancelled):
        with pytest.raises(asyncio.InvalidStateError) as caught:
            future.set_result(2)
        with pytest.raises(asyncio.InvalidStateError):
            future.set_exception(ValueError())
        assert future.cancel("too late") is False
        if not kind.in_python:
            assert caught.value.args == ("invalid state",)
    assert finished.result() == 1
    assert isinstance(failed.exception(), LookupError)
    with pytest.raises(asyncio.CancelledError) as reason:
        cancelled.result()
    assert reason.value.args == ("why",)


@pytest.mark.parametrize("message", [None, "", "why", 3, (), ("a", "b")], ids=repr)
def test_a_cancelled_future_gives_its_message_each_time(
    loop: Loop, kind: Kind, message: object
) -> None:
    future = kind.Future(loop=loop)
    assert future.cancel(msg=message) is True
    assert future._cancel_message == message
    errors = []
    for question in (future.result, future.exception, future.result):
        with pytest.raises(asyncio.CancelledError) as caught:
            question()
        errors.append(caught.value)
    expected = () if message is None else (message,)
    assert [error.args for error in errors] == [expected] * 3
    assert len(set(map(id, errors))) == 3
    made = future._make_cancelled_error()
    assert (type(made), made.args) == (asyncio.CancelledError, expected)


@pytest.mark.parametrize("error", [StopIteration, StopIteration(3)], ids=repr)
def test_a_future_takes_no_stop_iteration_as_it_is(loop: Loop, kind: Kind, error: Any) -> None:
    future = kind.Future(loop=loop)
    text = "StopIteration interacts badly with generators and cannot be raised into a Future"
    if not STOP_ITERATION_IS_WRAPPED:
        with pytest.raises(TypeError, match=text):
            future.set_exception(error)
        assert not future.done()
        return
    future.set_exception(error)
    exception = future.exception()
    assert type(exception) is RuntimeError
    assert exception.args == (text,)
    assert type(exception.__cause__) is StopIteration
    assert exception.__cause__ is exception.__context__


@pytest.mark.parametrize("wrong", [1, int, None, "text"], ids=repr)
def test_only_exceptions_can_be_set_as_exceptions(loop: Loop, kind: Kind, wrong: object) -> None:
    future = kind.Future(loop=loop)
    if kind.in_python:
        pytest.skip("pure Python trips over what the thing lacks")
    with pytest.raises(TypeError, match="^invalid exception object$"):
        future.set_exception(wrong)
    assert not future.done()


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt("k"),
        GeneratorExit(),
        BaseException("b"),
        asyncio.CancelledError("c"),
        StopAsyncIteration(),
    ],
    ids=repr,
)
def test_every_other_exception_is_kept_as_it_is(
    loop: Loop, kind: Kind, error: BaseException
) -> None:
    future = kind.Future(loop=loop)
    future.set_exception(error)
    assert not future.cancelled()
    assert future.exception() is error
    with pytest.raises(type(error)) as caught:
        future.result()
    assert caught.value is error


def test_an_exception_class_is_called(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    future.set_exception(LookupError)
    assert type(future.exception()) is LookupError


def test_a_traceback_does_not_grow_when_it_is_raised_again(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    future.set_exception(LookupError())
    lengths = set()
    for _ in range(5):
        with pytest.raises(LookupError) as caught:
            future.result()
        lengths.add(len(list(traceback.walk_tb(caught.value.__traceback__))))
    assert len(lengths) == 1


def test_the_error_of_a_future_remembers_what_was_being_handled(loop: Loop, kind: Kind) -> None:
    failed, cancelled = kind.Future(loop=loop), kind.Future(loop=loop)
    failed.set_exception(LookupError("mine"))
    cancelled.cancel()

    async def child(future: Any) -> None:
        try:
            raise ValueError("being handled")
        except ValueError:
            await future

    for future in (failed, cancelled):
        with pytest.raises((LookupError, asyncio.CancelledError)) as caught:
            loop.run_until_complete(child(future))
        assert isinstance(caught.value.__context__, ValueError)
        try:
            raise KeyError("being handled")
        except KeyError:
            with pytest.raises((LookupError, asyncio.CancelledError)) as caught:
                future.result()
        assert isinstance(caught.value.__context__, KeyError)


def test_callbacks_are_shown_as_pairs_with_their_contexts(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    context = contextvars.copy_context()
    assert not future._callbacks
    future.add_done_callback(print, context=context)
    future.add_done_callback(len)
    (first, first_context), (second, second_context) = future._callbacks
    assert (first, second) == (print, len)
    assert first_context is context
    assert isinstance(second_context, contextvars.Context)
    future.cancel()
    assert not future._callbacks
    if not kind.in_python:
        assert future._callbacks is None
    spin(loop, 0)
    future.remove_done_callback(print)
    loop.set_exception_handler(lambda loop, context: None)
    spin(loop)


def test_a_callback_is_not_looked_at_before_it_is_called(
    loop: Loop, kind: Kind, reports: Reports
) -> None:
    future = kind.Future(loop=loop)
    future.add_done_callback(None)
    assert future.remove_done_callback(None) == 1
    future.add_done_callback(5)
    future.set_result(None)
    spin(loop)
    [report] = reports
    assert isinstance(report["exception"], TypeError)
    reports.clear()


def test_add_done_callback_takes_one_function_and_a_context_by_name(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    for arguments in ((), (print, None)):
        with pytest.raises(TypeError):
            future.add_done_callback(*arguments)
    called: list[object] = []
    future.add_done_callback(called.append, context=None)
    future.set_result(None)
    spin(loop)
    assert called == [future]


def test_callbacks_that_are_added_and_removed_by_callbacks(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    order: list[object] = []

    def first(done: Any) -> None:
        order.append(("first", done.remove_done_callback(second)))
        done.add_done_callback(third)

    def second(done: Any) -> None:
        order.append("second")

    def third(done: Any) -> None:
        order.append(("third", done.cancel()))

    future.add_done_callback(first)
    future.add_done_callback(second)
    future.set_result(None)
    spin(loop, 1)
    assert order == [("first", 0), "second"]
    spin(loop)
    assert order == [("first", 0), "second", ("third", False)]
