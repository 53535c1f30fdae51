"""What is native leaves no reference cycle where the standard library's leaves none, whether used well or cut short."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.namespaces import OURS, STDLIB, Names

from .support import Loop, turns

Scenario = Callable[[Any], Awaitable[None]]


async def fails() -> None:
    await asyncio.sleep(0)
    raise LookupError("garbage")


async def never() -> None:
    await asyncio.get_running_loop().create_future()


async def cancelled(*coroutines: Any) -> None:
    """Let coroutines wait, cancel them, and see them end."""
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    await turns(2)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()


async def held_lock(names: Any) -> None:
    lock = names.Lock()
    async with lock:
        await cancelled(lock.acquire(), lock.acquire())
    try:
        async with lock:
            await fails()
    except LookupError:
        pass
    with contextlib.suppress(RuntimeError):
        lock.release()


async def event(names: Any) -> None:
    event = names.Event()
    await cancelled(event.wait())
    waiting = asyncio.create_task(event.wait())
    await turns(1)
    event.set()
    await waiting


async def condition(names: Any) -> None:
    condition = names.Condition()

    async def wait() -> None:
        async with condition:
            await condition.wait()

    await cancelled(wait(), wait())
    waiting = asyncio.create_task(wait())
    await turns(2)
    async with condition:
        condition.notify_all()
    await waiting
    with contextlib.suppress(RuntimeError):
        await condition.wait()


async def semaphore(names: Any) -> None:
    semaphore = names.Semaphore(1)
    async with semaphore:
        await cancelled(semaphore.acquire())
    bounded = names.BoundedSemaphore(1)
    with contextlib.suppress(ValueError):
        bounded.release()


async def barrier(names: Any) -> None:
    barrier = names.Barrier(2)
    waiting = asyncio.create_task(barrier.wait())
    await barrier.wait()
    await waiting
    waiting = asyncio.create_task(barrier.wait())
    await turns(1)
    await barrier.abort()
    await asyncio.wait([waiting])
    waiting.exception()


async def queue(names: Any) -> None:
    queue = names.Queue(1)
    await cancelled(queue.get(), queue.get())
    queue.put_nowait([])
    await cancelled(queue.put(1), queue.join())
    for refused in (lambda: queue.put_nowait(2), lambda: [queue.get_nowait(), queue.get_nowait()]):
        with contextlib.suppress(asyncio.QueueEmpty, asyncio.QueueFull):
            refused()


async def sleep(names: Any) -> None:
    await names.sleep(0)
    await names.sleep(0.001)
    await cancelled(names.sleep(60))


async def gather(names: Any) -> None:
    await names.gather(turns(1), turns(2))
    await names.gather(fails(), turns(1), return_exceptions=True)
    with contextlib.suppress(LookupError):
        await names.gather(fails(), turns(3))
    await turns(4)
    await cancelled(names.gather(never(), never()))


async def shield(names: Any) -> None:
    inner = asyncio.create_task(never())
    await cancelled(names.shield(inner))
    await cancelled(inner)
    with contextlib.suppress(LookupError):
        await names.shield(fails())


async def wait(names: Any) -> None:
    task = asyncio.create_task(never())
    await names.wait([task], timeout=0)
    await cancelled(names.wait([task]))
    await cancelled(task)


async def wait_for(names: Any) -> None:
    await names.wait_for(turns(1), 10)
    for awaitable, delay in ((never(), 0), (never(), 0.001), (fails(), 10)):
        with contextlib.suppress(TimeoutError, LookupError):
            await names.wait_for(awaitable, delay)
    await cancelled(names.wait_for(never(), 10))


async def as_completed(names: Any) -> None:
    for coming in names.as_completed([turns(1), turns(2)]):
        await coming
    for coming in names.as_completed([fails()]):
        with contextlib.suppress(LookupError):
            await coming


async def as_completed_too_late(names: Any) -> None:
    task = asyncio.create_task(never())
    for coming in names.as_completed([task], timeout=0.001):
        with contextlib.suppress(TimeoutError):
            await coming
    await cancelled(task)


async def timeouts(names: Any) -> None:
    async with names.timeout(10):
        await asyncio.sleep(0)
    try:
        async with names.timeout(0):
            await never()
    except TimeoutError:
        pass
    try:
        async with names.timeout_at(None) as timeout:
            timeout.reschedule(asyncio.get_running_loop().time() + 60)
            await fails()
    except LookupError:
        pass


async def group(names: Any) -> None:
    async with names.TaskGroup() as group:
        group.create_task(turns(2))

    async def wait() -> None:
        async with names.TaskGroup() as group:
            group.create_task(never())

    await cancelled(wait())


async def failing_group(names: Any) -> None:
    async def fail_together() -> None:
        async with names.TaskGroup() as group:
            group.create_task(fails())
            await never()

    try:
        await fail_together()
    except* LookupError:
        pass


async def reader(names: Any) -> None:
    reader = names.StreamReader(limit=4)
    await cancelled(reader.read(1))
    reader.feed_data(b"abcdefgh\nij")
    for read in (reader.readline, lambda: reader.readexactly(-1)):
        with contextlib.suppress(ValueError):
            await read()
    reader.feed_eof()
    with contextlib.suppress(asyncio.IncompleteReadError):
        await reader.readexactly(50)


async def connection(names: Any) -> None:
    async def echo(reader: Any, writer: Any) -> None:
        writer.write(await reader.read(10))
        writer.close()
        await writer.wait_closed()

    server = await names.start_server(echo, "127.0.0.1", 0)
    reader, writer = await names.open_connection(*server.sockets[0].getsockname())
    writer.write(b"x")
    await reader.read()
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
    await turns(3)


SCENARIOS: list[tuple[Scenario, tuple[str, ...]]] = [
    (held_lock, ("Lock",)),
    (event, ("Event",)),
    (condition, ("Condition",)),
    (semaphore, ("Semaphore", "BoundedSemaphore")),
    (barrier, ("Barrier",)),
    (queue, ("Queue",)),
    (sleep, ("sleep",)),
    (gather, ("gather",)),
    (shield, ("shield",)),
    (wait, ("wait",)),
    (wait_for, ("wait_for",)),
    (as_completed, ("as_completed",)),
    (as_completed_too_late, ("as_completed",)),
    (timeouts, ("timeout", "timeout_at")),
    (group, ("TaskGroup",)),
    (failing_group, ("TaskGroup",)),
    (reader, ("StreamReader",)),
    (connection, ("start_server", "open_connection", "StreamReader", "StreamWriter")),
]


def garbage(loop: Loop, scenario: Scenario, names: Names) -> list[Any]:
    """Return what only the collector can free once the scenario is over."""

    async def run() -> None:
        await scenario(names)

    # The first time leaves caches behind, and memory that is used again.
    loop.run_until_complete(run())
    gc.collect()
    gc.disable()
    try:
        loop.run_until_complete(run())
        loop.run_until_complete(turns(3))
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        return [thing for thing in gc.garbage if not isinstance(thing, type(gc))]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        gc.collect()


@pytest.mark.parametrize(
    ("scenario", "needed"), SCENARIOS, ids=lambda value: getattr(value, "__name__", None)
)
def test_nothing_is_left_to_the_collector_that_the_stdlib_does_not_leave(
    scenario: Scenario, needed: tuple[str, ...], loop_factory: Any
) -> None:
    OURS.require(*needed)
    loop = loop_factory()
    try:
        theirs = [type(thing).__name__ for thing in garbage(loop, scenario, STDLIB)]
        ours = [type(thing).__name__ for thing in garbage(loop, scenario, OURS)]
    finally:
        loop.close()
    assert not ours or len(ours) <= len(theirs), (ours, theirs)


def test_the_scenarios_find_a_cycle(loop_factory: Any) -> None:
    async def leaves_a_cycle(_names: Any) -> None:
        cycle: list[Any] = []
        cycle.append(cycle)

    loop = loop_factory()
    try:
        assert [type(thing) for thing in garbage(loop, leaves_a_cycle, STDLIB)] == [list]
    finally:
        loop.close()
