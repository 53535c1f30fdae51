"""Locks and queues, contended and not."""

import asyncio
from contextlib import AbstractAsyncContextManager


async def _share(resource: AbstractAsyncContextManager[object], workers: int) -> None:
    """Have *workers* take *resource* in turns; some lose their patience."""

    async def use() -> None:
        for _ in range(20):
            async with resource:
                await asyncio.sleep(0)

    tasks = [asyncio.create_task(use()) for _ in range(workers)]
    await asyncio.sleep(0)
    tasks[-1].cancel()
    await asyncio.wait(tasks)


async def locks() -> None:
    """One holder at a time."""
    lock = asyncio.Lock()
    for _ in range(200):
        async with lock:
            pass
    for workers in (2, 20):
        await _share(lock, workers)


async def semaphores() -> None:
    """Some holders at a time."""
    for semaphore in (asyncio.Semaphore(3), asyncio.BoundedSemaphore(8)):
        for _ in range(100):
            async with semaphore:
                pass
        await _share(semaphore, 20)


async def conditions() -> None:
    """A buffer with one place, guarded by a condition."""
    condition = asyncio.Condition()
    items: list[int] = []

    async def give() -> None:
        for number in range(50):
            async with condition:
                await condition.wait_for(lambda: not items)
                items.append(number)
                condition.notify_all()

    async def take() -> None:
        for _ in range(50):
            async with condition:
                while not items:
                    await condition.wait()
                items.pop()
                condition.notify_all()

    await asyncio.gather(give(), take(), give(), take())


async def events_and_barriers() -> None:
    """Meeting at one point."""
    for _ in range(10):
        event = asyncio.Event()
        waiting = [asyncio.create_task(event.wait()) for _ in range(20)]
        await asyncio.sleep(0)
        event.set()
        await asyncio.gather(*waiting)
        barrier = asyncio.Barrier(5)
        await asyncio.gather(*(barrier.wait() for _ in range(20)))


async def producers_and_consumers() -> None:
    """Queues of every kind and size, worked off."""
    queues: tuple[asyncio.Queue[int], ...] = (
        asyncio.Queue(),
        asyncio.Queue(4),
        asyncio.LifoQueue(4),
        asyncio.PriorityQueue(9),
    )
    for queue in queues:

        async def consume(queue: asyncio.Queue[int] = queue) -> None:
            while True:
                item = await queue.get()
                if item % 3 == 0:
                    await asyncio.sleep(0)
                queue.task_done()

        async def produce(queue: asyncio.Queue[int] = queue) -> None:
            for item in range(150):
                await queue.put(item)

        consumers = [asyncio.create_task(consume()) for _ in range(3)]
        await asyncio.gather(produce(), produce())
        await queue.join()
        for consumer in consumers:
            consumer.cancel()
        await asyncio.gather(*consumers, return_exceptions=True)


async def questions_and_answers() -> None:
    """Two tasks that talk over two queues."""
    questions: asyncio.Queue[int] = asyncio.Queue()
    answers: asyncio.Queue[int] = asyncio.Queue()

    async def reply() -> None:
        for _ in range(300):
            answers.put_nowait(await questions.get())

    task = asyncio.create_task(reply())
    for number in range(300):
        await questions.put(number)
        await answers.get()
    await task


PROGRAMS = (
    locks,
    semaphores,
    conditions,
    events_and_barriers,
    producers_and_consumers,
    questions_and_answers,
)
