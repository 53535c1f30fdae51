"""`run_in_executor`, the default executor, and its shutdown."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import threading
import time
import weakref
from typing import Any

import pytest

from .support import Loop, turns


def _double(x: int) -> int:
    return 2 * x


async def test_a_function_runs_in_another_thread_and_its_result_comes_back(loop: Loop) -> None:
    ident = await loop.run_in_executor(None, threading.get_ident)
    assert ident != threading.get_ident()
    assert await loop.run_in_executor(None, _double, 4) == 8


async def test_the_result_is_a_future_of_this_loop(loop: Loop) -> None:
    future = loop.run_in_executor(None, _double, 1)
    assert isinstance(future, asyncio.Future)
    assert future.get_loop() is loop
    await future


async def test_an_exception_comes_back(loop: Loop) -> None:
    def fails() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await loop.run_in_executor(None, fails)


@pytest.mark.asyncio_since(3, 13, "before, the future never got done")
async def test_stop_iteration_comes_back_as_a_runtime_error(loop: Loop) -> None:
    with pytest.raises(RuntimeError):
        await loop.run_in_executor(None, next, iter(()))


async def test_an_explicit_executor_is_used(loop: Loop) -> None:
    with concurrent.futures.ThreadPoolExecutor(1, "mine") as executor:
        name = await loop.run_in_executor(executor, lambda: threading.current_thread().name)
    assert name.startswith("mine")


async def test_anything_with_a_submit_is_an_executor(loop: Loop) -> None:
    class Inline:
        def submit(self, function: Any, *args: Any) -> concurrent.futures.Future[Any]:
            future: concurrent.futures.Future[Any] = concurrent.futures.Future()
            future.set_result(function(*args))
            return future

    assert await loop.run_in_executor(Inline(), _double, 5) == 10  # type: ignore[arg-type]


async def test_a_coroutine_function_is_called_and_its_coroutine_returned(loop: Loop) -> None:
    async def coroutine_function() -> int:
        return 3

    coro: Any = await loop.run_in_executor(None, coroutine_function)
    assert await coro == 3


async def test_the_context_is_not_copied_to_the_thread(loop: Loop) -> None:
    var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="unset")
    var.set("mine")
    assert await loop.run_in_executor(None, var.get) == "unset"
    assert await asyncio.to_thread(var.get) == "mine"


async def test_many_jobs_run_side_by_side(loop: Loop) -> None:
    barrier = threading.Barrier(4)
    await asyncio.gather(*(loop.run_in_executor(None, barrier.wait, 30) for _ in range(4)))


async def test_the_loop_turns_while_a_job_runs(loop: Loop) -> None:
    release = threading.Event()
    job = loop.run_in_executor(None, release.wait, 30)
    await asyncio.sleep(0)
    assert not job.done()
    release.set()
    assert await job is True


async def test_cancelling_the_future_does_not_wait_for_the_job(loop: Loop) -> None:
    release = threading.Event()
    job = loop.run_in_executor(None, release.wait, 30)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    release.set()


async def test_a_queued_job_that_is_cancelled_never_runs(loop: Loop) -> None:
    release, ran = threading.Event(), []
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        first = loop.run_in_executor(executor, release.wait, 30)
        second = loop.run_in_executor(executor, ran.append, 1)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        await turns(2)  # the executor hears of it through a callback
        release.set()
        await first
    assert ran == []


async def test_arguments_may_be_given_by_name(loop: Loop) -> None:
    assert await loop.run_in_executor(executor=None, func=int) == 0  # type: ignore[call-arg]


@pytest.mark.parametrize("arguments", [(), (None,)], ids=["none", "no function"])
def test_missing_arguments_are_a_type_error(loop: Loop, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match="missing .*required"):
        loop.run_in_executor(*arguments)


def test_a_name_that_nobody_knows_is_a_type_error(loop: Loop) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'timeout'"):
        loop.run_in_executor(None, int, timeout=1)  # type: ignore[call-arg]


async def test_jobs_run_in_threads_that_python_knows(loop: Loop) -> None:
    for _ in range(3):
        thread = await loop.run_in_executor(None, threading.current_thread)
        assert type(thread) is threading.Thread
        assert thread in threading.enumerate()
        assert thread.name.startswith("asyncio_")
        assert not thread.daemon


async def test_a_thread_keeps_its_own_variables_from_job_to_job(loop: Loop) -> None:
    own = threading.local()
    barrier = threading.Barrier(2)

    def remember() -> tuple[int, int]:
        barrier.wait(30)
        own.calls = getattr(own, "calls", 0) + 1
        return threading.get_ident(), own.calls

    calls: dict[int, int] = {}
    for _ in range(5):
        jobs = [loop.run_in_executor(None, remember) for _ in range(2)]
        for thread, number in await asyncio.gather(*jobs):
            assert number == calls.get(thread, 0) + 1
            calls[thread] = number


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, BaseException])
async def test_whatever_a_job_raises_comes_back_and_its_thread_goes_on(
    loop: Loop, error: type[BaseException]
) -> None:
    def fails() -> None:
        raise error("mine")

    job = loop.run_in_executor(None, fails)
    await asyncio.wait([job])
    assert type(job.exception()) is error
    assert await loop.run_in_executor(None, _double, 2) == 4


@pytest.mark.parametrize("name", ["CancelledError", "InvalidStateError"])
async def test_the_errors_of_concurrent_futures_come_back_as_those_of_asyncio(
    loop: Loop, name: str
) -> None:
    error = getattr(concurrent.futures, name)("mine")

    def fails() -> None:
        raise error

    job = loop.run_in_executor(None, fails)
    await asyncio.wait([job])
    with pytest.raises(getattr(asyncio, name), match="^mine$"):
        job.result()
    assert not job.cancelled()


def _fill(loop: Loop) -> tuple[list[asyncio.Future[bool]], threading.Event]:
    """Give every thread of the default executor something to wait for; returns when all of them wait."""
    release, begun = threading.Event(), threading.Semaphore(0)
    executor: Any = loop._default_executor  # type: ignore[attr-defined]

    def wait() -> bool:
        begun.release()
        return release.wait(30)

    busy = [loop.run_in_executor(None, wait) for _ in range(executor._max_workers)]
    for _ in busy:
        assert begun.acquire(timeout=30)
    return busy, release


async def test_a_job_that_is_cancelled_before_the_default_executor_comes_to_it_never_runs(
    loop: Loop,
) -> None:
    await loop.run_in_executor(None, int)
    ran: list[int] = []
    busy, release = _fill(loop)
    queued = loop.run_in_executor(None, ran.append, 1)
    last = loop.run_in_executor(None, ran.append, 2)
    assert queued.cancel()
    with pytest.raises(asyncio.CancelledError):
        await queued
    await turns(2)  # the executor hears of it through a callback
    release.set()
    await asyncio.gather(*busy, last)
    assert ran == [2]


async def test_the_default_executor_has_so_many_threads_and_no_more(loop: Loop) -> None:
    await loop.run_in_executor(None, int)
    busy, release = _fill(loop)
    executor: Any = loop._default_executor  # type: ignore[attr-defined]
    last = [loop.run_in_executor(None, int) for _ in range(5)]
    assert len(executor._threads) == executor._max_workers
    release.set()
    await asyncio.gather(*busy, *last)


async def test_the_default_executor_is_an_executor_for_everybody(loop: Loop) -> None:
    await loop.run_in_executor(None, int)
    executor: Any = loop._default_executor  # type: ignore[attr-defined]
    assert isinstance(executor, concurrent.futures.ThreadPoolExecutor)
    job = executor.submit(int, "11", base=2)
    assert type(job) is concurrent.futures.Future
    assert await asyncio.wrap_future(job) == 3
    assert await loop.run_in_executor(None, list, executor.map(_double, range(3))) == [0, 2, 4]
    failed = executor.submit(next, iter(()))
    await loop.run_in_executor(None, concurrent.futures.wait, [failed])
    assert type(failed.exception()) is StopIteration


async def test_a_job_for_a_thread_future_that_is_cancelled_in_time_never_runs(loop: Loop) -> None:
    await loop.run_in_executor(None, int)
    executor: Any = loop._default_executor  # type: ignore[attr-defined]
    ran: list[int] = []
    busy, release = _fill(loop)
    queued = executor.submit(ran.append, 1)
    assert queued.cancel()
    release.set()
    await asyncio.gather(*busy)
    await loop.run_in_executor(None, int)
    assert ran == []


async def test_an_executor_that_is_shut_down_does_what_is_queued(loop: Loop) -> None:
    await loop.run_in_executor(None, int)
    executor: Any = loop._default_executor  # type: ignore[attr-defined]
    busy, release = _fill(loop)
    queued = loop.run_in_executor(None, _double, 2)
    submitted = executor.submit(_double, 3)
    executor.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="^cannot schedule new futures after shutdown$"):
        loop.run_in_executor(None, int)
    with pytest.raises(RuntimeError, match="^cannot schedule new futures after shutdown$"):
        executor.submit(int)
    release.set()
    assert await queued == 4
    assert await asyncio.wrap_future(submitted) == 6
    await asyncio.gather(*busy)
    await loop.shutdown_default_executor()


async def test_a_shutdown_may_cancel_what_is_queued(loop: Loop) -> None:
    await loop.run_in_executor(None, int)
    executor: Any = loop._default_executor  # type: ignore[attr-defined]
    busy, release = _fill(loop)
    queued = loop.run_in_executor(None, _double, 2)
    submitted = executor.submit(_double, 3)
    executor.shutdown(wait=False, cancel_futures=True)
    assert submitted.cancelled()
    with pytest.raises(asyncio.CancelledError):
        await queued
    release.set()
    await asyncio.gather(*busy)


async def test_a_thread_keeps_nothing_of_a_job_that_is_done(loop: Loop) -> None:
    class Thing:
        def __call__(self, other: Thing) -> Thing:
            return other

    thing, other = Thing(), Thing()
    known = [weakref.ref(thing), weakref.ref(other)]
    assert await loop.run_in_executor(None, thing, other) is other
    del thing, other
    # Its thread may be between the outcome and its next look at the queue.
    await loop.run_in_executor(None, int)
    await turns(2)
    gc.collect()
    assert [ref() for ref in known] == [None, None]


async def test_a_job_may_schedule_jobs_of_its_own(loop: Loop) -> None:
    def outer() -> concurrent.futures.Future[int]:
        async def inner() -> int:
            return await loop.run_in_executor(None, _double, 21)

        return asyncio.run_coroutine_threadsafe(inner(), loop)

    job = await loop.run_in_executor(None, outer)
    assert await asyncio.wrap_future(job) == 42


def test_two_loops_may_share_a_default_executor(loop: Loop) -> None:
    async def main() -> int:
        return await asyncio.get_running_loop().run_in_executor(None, _double, 2)

    assert loop.run_until_complete(main()) == 4
    other = type(loop)()
    try:
        other.set_default_executor(loop._default_executor)  # type: ignore[attr-defined]
        assert other.run_until_complete(main()) == 4
        assert loop.run_until_complete(main()) == 4
    finally:
        other.close()


def test_what_a_job_leaves_while_the_loop_does_not_run_is_there_when_it_does(loop: Loop) -> None:
    ended = threading.Event()
    job = loop.run_in_executor(None, ended.set)
    assert ended.wait(30)
    assert not job.done()
    loop.run_until_complete(asyncio.wait_for(job, 30))
    assert job.done()


async def test_the_loop_thread_may_wait_for_what_a_job_does(loop: Loop) -> None:
    begun = threading.Event()
    await loop.run_in_executor(None, int)
    job = loop.run_in_executor(None, begun.set)
    assert begun.wait(30)
    await job


async def test_in_debug_mode_jobs_come_back_too(loop: Loop) -> None:
    loop.set_debug(True)
    assert await loop.run_in_executor(None, _double, 4) == 8
    with pytest.raises(TypeError, match="coroutines cannot be used with run_in_executor"):
        loop.run_in_executor(None, turns)
    loop.set_debug(False)
    assert await loop.run_in_executor(None, _double, 4) == 8


async def test_the_default_executor_can_be_set(loop: Loop) -> None:
    executor = concurrent.futures.ThreadPoolExecutor(1, "default")
    loop.set_default_executor(executor)
    name = await loop.run_in_executor(None, lambda: threading.current_thread().name)
    assert name.startswith("default")
    name = await asyncio.to_thread(lambda: threading.current_thread().name)
    assert name.startswith("default")


@pytest.mark.parametrize(
    "wrong",
    [None, 1, object(), concurrent.futures.Executor()],
    ids=["None", "int", "object", "Executor"],
)
def test_the_default_executor_must_be_a_thread_pool(loop: Loop, wrong: Any) -> None:
    with pytest.raises(TypeError, match="^executor must be ThreadPoolExecutor instance$"):
        loop.set_default_executor(wrong)


async def test_the_default_executor_is_shut_down_and_its_jobs_waited_for(loop: Loop) -> None:
    finished: list[int] = []
    started = threading.Event()

    def job() -> None:
        started.set()
        time.sleep(0.01)  # the job's own work, not a wait of the test
        finished.append(1)

    future = loop.run_in_executor(None, job)
    started.wait()
    await loop.shutdown_default_executor()
    assert finished == [1]
    await future


async def test_after_the_shutdown_the_default_executor_refuses_jobs(loop: Loop) -> None:
    await loop.shutdown_default_executor()
    with pytest.raises(RuntimeError, match="^Executor shutdown has been called$"):
        loop.run_in_executor(None, _double, 1)
    with pytest.raises(RuntimeError, match="^Executor shutdown has been called$"):
        await asyncio.to_thread(_double, 1)


async def test_after_the_shutdown_other_executors_still_work(loop: Loop) -> None:
    await loop.shutdown_default_executor()
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        assert await loop.run_in_executor(executor, _double, 2) == 4


async def test_shutdown_without_an_executor_is_nothing(loop: Loop) -> None:
    assert await loop.shutdown_default_executor() is None
    assert await loop.shutdown_default_executor() is None


@pytest.mark.asyncio_since(
    3, 13, "shutdown_default_executor(timeout) is new in 3.12, whose first releases wait on"
)
async def test_a_shutdown_with_a_timeout_gives_up_with_a_warning(loop: Loop) -> None:
    release = threading.Event()
    job = loop.run_in_executor(None, release.wait, 30)
    with pytest.warns(
        RuntimeWarning,
        match="The executor did not finishing joining its threads within 0.01 seconds",
    ):
        await loop.shutdown_default_executor(0.01)  # type: ignore[call-arg]
    release.set()
    await job


@pytest.mark.asyncio_since(3, 12, "shutdown_default_executor(timeout) is new in 3.12")
async def test_a_shutdown_in_time_is_silent(loop: Loop) -> None:
    await loop.run_in_executor(None, int)
    await loop.shutdown_default_executor(timeout=30)  # type: ignore[call-arg]


def test_closing_the_loop_does_not_wait_for_jobs(loop: Loop) -> None:
    release = threading.Event()
    loop.run_in_executor(None, release.wait, 30)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    release.set()


def test_a_job_that_ends_after_the_loop_was_closed_does_no_harm(loop: Loop) -> None:
    release, ended = threading.Event(), threading.Event()

    def job() -> None:
        release.wait(30)
        ended.set()

    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        loop.run_in_executor(executor, job)
        loop.close()
        release.set()
        assert ended.wait(30)


def test_jobs_of_a_pool_of_processes_come_back(loop: Loop) -> None:
    async def main() -> int:
        import multiprocessing

        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
            return await loop.run_in_executor(executor, pow, 2, 10)

    assert loop.run_until_complete(main()) == 1024
