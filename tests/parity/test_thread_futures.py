"""`wrap_future`, `run_coroutine_threadsafe` and `to_thread`: the stdlib's and ours, on both loops."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import inspect
import threading
from types import ModuleType
from typing import Any

import pytest

from aioxide.natives import futures as native_futures
from aioxide.natives import threads as native_threads

from .support import Loop, Reports, turns

ThreadFuture = concurrent.futures.Future
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


class Functions:
    """One implementation of the three."""

    def __init__(self, futures: ModuleType, threads: ModuleType, tasks: ModuleType) -> None:
        self.wrap_future: Any = futures.wrap_future
        self.to_thread: Any = threads.to_thread
        self.run_coroutine_threadsafe: Any = tasks.run_coroutine_threadsafe


@pytest.fixture(params=["stdlib", "native"])
def by(request: pytest.FixtureRequest) -> Functions:
    """The stdlib's functions, or ours."""
    if request.param == "native":
        return Functions(native_futures, native_threads, native_threads)
    return Functions(asyncio.futures, asyncio.threads, asyncio.tasks)


def test_the_functions_look_alike() -> None:
    for name in ("wrap_future", "to_thread", "run_coroutine_threadsafe"):
        own: Any = getattr(native_threads, name, None) or getattr(native_futures, name)
        theirs: Any = getattr(asyncio, name)
        parameters = [
            {(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()}
            for function in (own, theirs)
        ]
        assert parameters[0] == parameters[1]
        assert inspect.iscoroutinefunction(own) == inspect.iscoroutinefunction(theirs)
        assert own.__name__ == own.__qualname__ == name


# wrap_future


async def test_a_wrapped_future_has_the_result(loop: Loop, by: Functions) -> None:
    source: ThreadFuture[int] = ThreadFuture()
    wrapped = by.wrap_future(source)
    assert asyncio.isfuture(wrapped)
    assert wrapped.get_loop() is loop
    threading.Thread(target=source.set_result, args=(5,)).start()
    assert await wrapped == 5


async def test_a_wrapped_future_that_is_done_already_gets_done(loop: Loop, by: Functions) -> None:
    source: ThreadFuture[int] = ThreadFuture()
    source.set_result(5)
    assert await by.wrap_future(source, loop=loop) == 5


@pytest.mark.parametrize("error", [LookupError("mine"), SystemExit(3), KeyboardInterrupt()])
async def test_a_wrapped_future_has_the_exception(
    loop: Loop, by: Functions, error: BaseException
) -> None:
    source: ThreadFuture[int] = ThreadFuture()
    wrapped = by.wrap_future(source)
    source.set_exception(error)
    await asyncio.wait([wrapped])
    assert wrapped.exception() is error


@pytest.mark.parametrize("name", ["CancelledError", "InvalidStateError"])
async def test_a_wrapped_future_has_asyncios_exception(
    loop: Loop, by: Functions, name: str
) -> None:
    source: ThreadFuture[int] = ThreadFuture()
    wrapped = by.wrap_future(source)
    source.set_exception(getattr(concurrent.futures, name)("mine"))
    await asyncio.wait([wrapped])
    assert not wrapped.cancelled()
    with pytest.raises(getattr(asyncio, name), match="^mine$"):
        wrapped.result()


async def test_a_wrapped_future_is_cancelled_with_its_source(loop: Loop, by: Functions) -> None:
    source: ThreadFuture[int] = ThreadFuture()
    wrapped = by.wrap_future(source)
    source.cancel()
    await turns(2)
    assert wrapped.cancelled()


async def test_a_wrapped_future_that_is_cancelled_cancels_its_source(
    loop: Loop, by: Functions
) -> None:
    source: ThreadFuture[int] = ThreadFuture()
    wrapped = by.wrap_future(source)
    wrapped.cancel()
    assert not source.cancelled()
    await turns(2)
    assert source.cancelled()
    await turns(2)


async def test_a_source_that_runs_is_not_cancelled_and_its_result_is_dropped(
    loop: Loop, by: Functions
) -> None:
    source: ThreadFuture[int] = ThreadFuture()
    source.set_running_or_notify_cancel()
    wrapped = by.wrap_future(source)
    wrapped.cancel()
    await turns(2)
    assert not source.cancelled()
    source.set_result(1)
    await turns(2)
    assert wrapped.cancelled()


async def test_a_result_set_by_hand_is_an_error_when_the_source_is_done(
    loop: Loop, by: Functions, reports: Reports
) -> None:
    source: ThreadFuture[int] = ThreadFuture()
    wrapped = by.wrap_future(source)
    wrapped.set_result(1)

    def complete() -> None:
        source.set_result(2)

    thread = threading.Thread(target=complete)
    thread.start()
    thread.join()
    await turns(3)
    assert wrapped.result() == 1
    (report,) = reports
    assert isinstance(report["exception"], AssertionError)
    reports.clear()


async def test_a_future_of_asyncio_is_returned_as_it_is(loop: Loop, by: Functions) -> None:
    future = loop.create_future()
    assert by.wrap_future(future) is future
    task = asyncio.ensure_future(turns(1))
    assert by.wrap_future(task) is task
    await task


def test_nothing_else_can_be_wrapped(loop: Loop, by: Functions) -> None:
    with pytest.raises(AssertionError, match="^concurrent.futures.Future is expected, got 5$"):
        by.wrap_future(5, loop=loop)


@pytest.mark.parametrize("arguments", [(), (1, 2)])
def test_wrap_future_refuses_other_arguments(by: Functions, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match=r"^wrap_future\(\) "):
        by.wrap_future(*arguments)


def test_a_source_that_ends_after_its_loop_was_closed_does_no_harm(
    loop: Loop, by: Functions, caplog: pytest.LogCaptureFixture
) -> None:
    source: ThreadFuture[int] = ThreadFuture()
    wrapped = by.wrap_future(source, loop=loop)
    loop.close()
    source.set_result(1)
    assert not wrapped.done()
    assert caplog.records == []


# run_coroutine_threadsafe


async def _value(value: object = 42) -> object:
    return value


def _in_thread(function: Any, *args: Any) -> Any:
    """Await a call in a thread that is no loop's."""
    done: ThreadFuture[Any] = ThreadFuture()

    def call() -> None:
        try:
            done.set_result(function(*args))
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            done.set_exception(error)

    threading.Thread(target=call).start()
    return asyncio.wrap_future(done)


async def test_a_coroutine_from_another_thread_has_its_result_there(
    loop: Loop, by: Functions
) -> None:
    def call() -> object:
        future = by.run_coroutine_threadsafe(_value(), loop)
        assert type(future) is ThreadFuture
        return future.result(30)

    assert await _in_thread(call) == 42


async def test_a_coroutine_from_another_thread_has_its_exception_there(
    loop: Loop, by: Functions
) -> None:
    async def fails() -> None:
        raise LookupError("mine")

    def call() -> object:
        return by.run_coroutine_threadsafe(fails(), loop).exception(30)

    assert repr(await _in_thread(call)) == "LookupError('mine')"


async def test_a_coroutine_from_another_thread_has_the_context_of_that_thread(
    loop: Loop, by: Functions
) -> None:
    async def look() -> str:
        return VARIABLE.get()

    def call() -> object:
        VARIABLE.set("the thread's")
        return by.run_coroutine_threadsafe(look(), loop).result(30)

    assert await _in_thread(call) == "the thread's"


async def test_cancelling_the_future_of_another_thread_cancels_the_task(
    loop: Loop, by: Functions
) -> None:
    begun, cancelled = threading.Event(), asyncio.Event()

    async def waits() -> None:
        begun.set()
        try:
            await loop.create_future()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def call() -> bool:
        future = by.run_coroutine_threadsafe(waits(), loop)
        assert begun.wait(30)
        was_cancelled: bool = future.cancel()
        return was_cancelled

    assert await _in_thread(call)
    await asyncio.wait_for(cancelled.wait(), 30)


async def test_a_task_that_is_cancelled_cancels_the_future_of_the_thread(
    loop: Loop, by: Functions
) -> None:
    async def cancels_itself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    def call() -> bool:
        future = by.run_coroutine_threadsafe(cancels_itself(), loop)
        with pytest.raises(concurrent.futures.CancelledError):
            future.result(30)
        was_cancelled: bool = future.cancelled()
        return was_cancelled

    assert await _in_thread(call)


async def test_a_future_that_is_cancelled_in_time_lets_the_coroutine_not_begin(
    loop: Loop, by: Functions
) -> None:
    coroutine = _value()
    future = by.run_coroutine_threadsafe(coroutine, loop)
    assert future.cancel()
    await turns(4)
    assert future.cancelled()
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED  # type: ignore[arg-type]


async def test_a_task_factory_that_fails_is_told_to_both(
    loop: Loop, by: Functions, reports: Reports
) -> None:
    def refuses(*_args: Any, **_kwargs: Any) -> Any:
        raise RuntimeError("no tasks today")

    coroutine = _value()

    def call() -> object:
        return by.run_coroutine_threadsafe(coroutine, loop).exception(30)

    waiting = _in_thread(call)
    loop.set_task_factory(refuses)
    try:
        error = await waiting
    finally:
        loop.set_task_factory(None)
    (report,) = reports
    assert report["exception"] is error
    reports.clear()
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [None, 1, _value], ids=["None", "int", "function"])
def test_only_a_coroutine_can_be_sent(loop: Loop, by: Functions, wrong: Any) -> None:
    with pytest.raises(TypeError, match="^A coroutine object is required$"):
        by.run_coroutine_threadsafe(wrong, loop)


def test_a_closed_loop_refuses_coroutines(loop: Loop, by: Functions) -> None:
    loop.close()
    coroutine = _value()
    with pytest.raises(RuntimeError, match="^Event loop is closed$"):
        by.run_coroutine_threadsafe(coroutine, loop)
    coroutine.close()


# to_thread


async def test_a_function_runs_in_a_thread_with_its_arguments(loop: Loop, by: Functions) -> None:
    assert await by.to_thread(threading.get_ident) != threading.get_ident()
    assert await by.to_thread(int, "11", base=2) == 3


async def test_the_context_goes_along_but_does_not_come_back(loop: Loop, by: Functions) -> None:
    def change() -> str:
        before = VARIABLE.get()
        VARIABLE.set("the thread's")
        return before

    VARIABLE.set("mine")
    coroutine = by.to_thread(change)
    VARIABLE.set("mine when awaited")
    assert await coroutine == "mine when awaited"
    assert VARIABLE.get() == "mine when awaited"


async def test_what_the_function_raises_comes_back(loop: Loop, by: Functions) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await by.to_thread(int, "x")


async def test_a_function_in_a_thread_can_be_given_up(loop: Loop, by: Functions) -> None:
    release = threading.Event()
    task = asyncio.ensure_future(by.to_thread(release.wait, 30))
    await turns(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()


async def test_to_thread_asks_the_running_loop(loop: Loop, by: Functions) -> None:
    asked: list[object] = []

    class Asked(type(loop)):  # type: ignore[misc]
        def run_in_executor(self, executor: object, func: Any, *args: Any) -> Any:
            asked.append(executor)
            return super().run_in_executor(executor, func, *args)

    other = Asked()

    def run() -> object:
        return other.run_until_complete(by.to_thread(int, "5"))

    try:
        assert await _in_thread(run) == 5
    finally:
        other.close()
    assert asked == [None]


def test_to_thread_needs_a_function(by: Functions) -> None:
    with pytest.raises(TypeError, match=r"^to_thread\(\) missing 1 required positional argument"):
        by.to_thread()


def test_to_thread_needs_a_running_loop(by: Functions) -> None:
    coroutine = by.to_thread(int)
    with pytest.raises(RuntimeError, match="^no running event loop$"):
        coroutine.send(None)
