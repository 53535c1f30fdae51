"""`run_in_executor`, the default executor, and its shutdown."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading
import time
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
