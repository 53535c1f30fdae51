"""anyio's worker threads and portals, which look for the loop's first task among all its tasks."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

Loop = asyncio.AbstractEventLoop
LoopFactory = Callable[[], Loop]

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def test_a_worker_thread_gives_back_what_its_function_returns(loop: Loop) -> None:
    assert await anyio.to_thread.run_sync(threading.get_ident) != threading.get_ident()


async def test_a_worker_thread_gives_back_what_its_function_raises(loop: Loop) -> None:
    def fails() -> None:
        raise LookupError("worker")

    with pytest.raises(LookupError, match="worker"):
        await anyio.to_thread.run_sync(fails)


async def test_a_worker_thread_has_the_callers_context(loop: Loop) -> None:
    variable.set("the caller's")
    assert await anyio.to_thread.run_sync(variable.get) == "the caller's"


async def test_a_worker_thread_knows_no_running_loop_and_no_task(loop: Loop) -> None:
    def asks() -> None:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        with pytest.raises(RuntimeError):
            asyncio.current_task()

    await anyio.to_thread.run_sync(asks)


async def test_idle_worker_threads_outlive_the_task_that_first_used_them(
    loop: Loop, task_kind: str
) -> None:
    """They end with the task that `run_until_complete` was given, if anyio finds that one."""
    workers: list[threading.Thread] = []

    async def works() -> None:
        workers.append(await anyio.to_thread.run_sync(threading.current_thread))

    for _ in range(3):
        await loop.create_task(works())
        await asyncio.sleep(0)
    assert workers[0] is workers[1] is workers[2]
    assert workers[0].is_alive()


async def test_a_limiter_bounds_how_many_threads_work(loop: Loop) -> None:
    limiter = anyio.CapacityLimiter(2)
    inside: list[int] = []
    most: list[int] = []
    lock = threading.Lock()
    both = threading.Barrier(2, timeout=10)

    def works() -> None:
        with lock:
            inside.append(1)
            most.append(len(inside))
        both.wait()
        with lock:
            inside.pop()

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(lambda: anyio.to_thread.run_sync(works, limiter=limiter))
    assert max(most) == 2
    assert limiter.borrowed_tokens == 0


async def test_a_cancelled_wait_for_a_thread_goes_on_until_the_thread_is_done(loop: Loop) -> None:
    release = threading.Event()
    done: list[str] = []

    def cancel() -> None:
        scope.cancel()
        loop.call_later(0.01, release.set)

    def works() -> None:
        loop.call_soon_threadsafe(cancel)
        assert release.wait(10)
        done.append("done")

    with anyio.CancelScope() as scope:
        await anyio.to_thread.run_sync(works)
        await asyncio.sleep(0)
        pytest.fail("the next wait must be cancelled")
    assert done == ["done"]


async def test_a_wait_for_a_thread_may_be_abandoned(loop: Loop) -> None:
    release = threading.Event()
    ended = asyncio.Event()

    def works() -> None:
        # Not before: a call that has not begun would never do so.
        loop.call_soon_threadsafe(scope.cancel)
        assert release.wait(10)
        loop.call_soon_threadsafe(ended.set)

    with anyio.CancelScope() as scope:
        await anyio.to_thread.run_sync(works, abandon_on_cancel=True)
    assert scope.cancelled_caught
    release.set()
    await ended.wait()


async def test_a_thread_runs_a_coroutine_on_the_loop(loop: Loop, task_kind: str) -> None:
    async def on_loop(value: str) -> tuple[str, bool]:
        await asyncio.sleep(0)
        return value, asyncio.get_running_loop() is loop

    assert await anyio.to_thread.run_sync(anyio.from_thread.run, on_loop, "x") == ("x", True)


async def test_a_thread_calls_a_function_on_the_loop(loop: Loop) -> None:
    found = await anyio.to_thread.run_sync(anyio.from_thread.run_sync, threading.get_ident)
    assert found == threading.get_ident()


async def test_what_a_coroutine_raises_reaches_its_thread_and_comes_back(loop: Loop) -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("there and back")

    with pytest.raises(LookupError, match="there and back"):
        await anyio.to_thread.run_sync(anyio.from_thread.run, fails)


async def test_a_thread_hears_that_its_scope_was_cancelled(loop: Loop, task_kind: str) -> None:
    started = threading.Event()
    heard: list[str] = []

    def works() -> None:
        started.set()
        try:
            anyio.from_thread.run(anyio.sleep_forever)
        except asyncio.CancelledError:
            heard.append("run")
        try:
            anyio.from_thread.check_cancelled()
        except asyncio.CancelledError:
            heard.append("check")

    with anyio.CancelScope() as scope:

        async def cancels() -> None:
            await asyncio.get_running_loop().run_in_executor(None, started.wait)
            scope.cancel()

        task = loop.create_task(cancels())
        await anyio.to_thread.run_sync(works)
    await task
    assert heard == ["run", "check"]


async def test_many_threads_and_many_calls_at_once(loop: Loop, task_kind: str) -> None:
    async def adds_one(number: int) -> int:
        await asyncio.sleep(0)
        return number + 1

    def works(number: int) -> int:
        for _ in range(20):
            number = anyio.from_thread.run(adds_one, number)
        return number

    results: list[int] = []

    async def one(number: int) -> None:
        results.append(await anyio.to_thread.run_sync(works, number))

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(one, number)
    assert sorted(results) == [number + 20 for number in range(20)]


async def test_a_portal_serves_a_thread_that_anyio_did_not_start(
    loop: Loop, task_kind: str
) -> None:
    async def on_loop(value: int) -> int:
        await asyncio.sleep(0)
        return value * 2

    def calls(portal: anyio.from_thread.BlockingPortal) -> list[int]:
        futures = [portal.start_task_soon(on_loop, number) for number in range(10)]
        return [portal.call(on_loop, 21), *(future.result(10) for future in futures)]

    async with anyio.from_thread.BlockingPortal() as portal:
        results = await loop.run_in_executor(None, calls, portal)
    assert results == [42, *range(0, 20, 2)]


def test_a_portal_runs_a_loop_of_its_own(loop_factory: LoopFactory) -> None:
    async def which() -> type[Loop]:
        await asyncio.sleep(0)
        return type(asyncio.get_running_loop())

    probe = loop_factory()
    probe.close()
    options = {"loop_factory": loop_factory}
    with anyio.from_thread.start_blocking_portal(backend_options=options) as portal:
        assert portal.call(which) is type(probe)
        futures = [portal.start_task_soon(which) for _ in range(10)]
        assert {future.result(10) for future in futures} == {type(probe)}


def test_what_a_task_of_a_portal_raises_is_in_its_future(loop_factory: LoopFactory) -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("portal")

    options = {"loop_factory": loop_factory}
    with anyio.from_thread.start_blocking_portal(backend_options=options) as portal:
        with pytest.raises(LookupError, match="portal"):
            portal.call(fails)
        assert isinstance(portal.start_task_soon(fails).exception(10), LookupError)


def test_cancelling_the_future_of_a_portal_cancels_its_task(loop_factory: LoopFactory) -> None:
    started, ended = threading.Event(), threading.Event()

    async def waits() -> None:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    options = {"loop_factory": loop_factory}
    with anyio.from_thread.start_blocking_portal(backend_options=options) as portal:
        future = portal.start_task_soon(waits)
        assert started.wait(10)
        assert future.cancel()
        assert ended.wait(10)


def test_a_portal_enters_and_leaves_an_async_context_in_one_task(
    loop_factory: LoopFactory,
) -> None:
    tasks: list[object] = []

    @asynccontextmanager
    async def context() -> AsyncIterator[str]:
        tasks.append(asyncio.current_task())
        with anyio.CancelScope():
            yield "inside"
        tasks.append(asyncio.current_task())

    options = {"loop_factory": loop_factory}
    with anyio.from_thread.start_blocking_portal(backend_options=options) as portal:
        with portal.wrap_async_context_manager(context()) as value:
            assert value == "inside"
        assert len(tasks) == 2
        assert tasks[0] is tasks[1]
