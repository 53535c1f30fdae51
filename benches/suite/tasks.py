"""Rows about coroutines: tasks, futures, ``sleep(0)``, ``gather`` and queues."""

import asyncio

from suite.stopwatch import Stopwatch

TASKS = 100
GATHER_BATCH = 5_000
GATHER_ALL = 50_000


async def _nothing() -> None:
    """Be the cheapest coroutine there is."""


async def sleep_zero(count: int, clock: Stopwatch) -> None:
    """Give way again and again in one task."""
    with clock:
        for _ in range(count):
            await asyncio.sleep(0)


async def sleep_zero_100_tasks(count: int, clock: Stopwatch) -> None:
    """Give way in a hundred tasks that take turns."""

    async def give_way() -> None:
        for _ in range(count // TASKS):
            await asyncio.sleep(0)

    with clock:
        await asyncio.wait([asyncio.create_task(give_way()) for _ in range(TASKS)])


async def task_create_await(count: int, clock: Stopwatch) -> None:
    """Create a task and await it, one after the other."""
    with clock:
        for _ in range(count):
            await asyncio.create_task(_nothing())


async def gather_batches(count: int, clock: Stopwatch) -> None:
    """Gather coroutines, some thousands at a time."""
    await _gather(count, GATHER_BATCH, clock)


async def gather_all(count: int, clock: Stopwatch) -> None:
    """Gather coroutines, so many at a time that their tasks fit in no cache."""
    await _gather(count, GATHER_ALL, clock)


async def _gather(count: int, at_a_time: int, clock: Stopwatch) -> None:
    with clock:
        for begin in range(0, count, at_a_time):
            batch = min(at_a_time, count - begin)
            await asyncio.gather(*[_nothing() for _ in range(batch)])


async def future_wake_up(count: int, clock: Stopwatch) -> None:
    """Await a future that a callback gives its result: how a task waits for anything outside of it."""
    loop = asyncio.get_running_loop()
    with clock:
        for _ in range(count):
            future: asyncio.Future[None] = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future


async def future_ping_pong(count: int, clock: Stopwatch) -> None:
    """Let two tasks wake each other through futures; one operation is there and back."""
    loop = asyncio.get_running_loop()
    ping: asyncio.Future[None] = loop.create_future()
    pong: asyncio.Future[None] = loop.create_future()

    async def answer() -> None:
        nonlocal ping
        for _ in range(count):
            await ping
            ping = loop.create_future()
            pong.set_result(None)

    answering = asyncio.create_task(answer())
    await asyncio.sleep(0)
    with clock:
        for _ in range(count):
            ping.set_result(None)
            await pong
            pong = loop.create_future()
    await answering


async def queue_ping_pong(count: int, clock: Stopwatch) -> None:
    """Let two tasks hand an item to and fro through two queues."""
    there: asyncio.Queue[int] = asyncio.Queue()
    back: asyncio.Queue[int] = asyncio.Queue()

    async def answer() -> None:
        for _ in range(count):
            await back.put(await there.get())

    answering = asyncio.create_task(answer())
    with clock:
        for i in range(count):
            await there.put(i)
            await back.get()
    await answering
