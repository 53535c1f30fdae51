"""Tasks, futures, callbacks and timers, and what waits for several of them."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import suppress


class _RefusedError(Exception):
    """What the programs raise on purpose."""


async def giving_way() -> None:
    """Some workers that let each other run."""

    async def worker(steps: int) -> int:
        for _ in range(steps):
            await asyncio.sleep(0)
        return steps

    for workers in (1, 3, 50):
        await asyncio.gather(*(worker(600 // workers) for _ in range(workers)))


async def sums_of_a_tree() -> None:
    """Children that wait for their children, by gather."""

    async def visit(depth: int) -> int:
        if depth == 0:
            return 1
        return 1 + sum(await asyncio.gather(*(visit(depth - 1) for _ in range(4))))

    await visit(4)


async def groups_of_a_tree() -> None:
    """Children that wait for their children, in task groups; some of the leaves fail."""

    async def visit(depth: int, name: int) -> int:
        if depth == 0:
            if name == 7:
                raise _RefusedError
            await asyncio.sleep(0)
            return name
        try:
            async with asyncio.TaskGroup() as group:
                children = [group.create_task(visit(depth - 1, n)) for n in range(4 + depth)]
        except ExceptionGroup:
            return 0
        return sum(child.result() for child in children)

    await visit(3, 0)


async def children() -> None:
    """One task after the other, with results, failures and callbacks."""

    async def child(number: int) -> int:
        if number % 50 == 49:
            raise _RefusedError(number)
        return number

    done: list[int] = []
    for number in range(500):
        task = asyncio.create_task(child(number), name=None if number % 3 else "third")
        if number % 5 == 0:
            task.add_done_callback(lambda task: done.append(id(task)))
        try:
            await task
        except _RefusedError as error:
            done.append(error.args[0])


async def futures_handed_over() -> None:
    """Futures that another task or a callback completes."""
    loop = asyncio.get_running_loop()
    for number in range(300):
        future = loop.create_future()
        loop.call_soon(future.set_result, number)
        await future
    waiting: list[asyncio.Future[int]] = []

    async def complete() -> None:
        while True:
            while waiting:
                waiting.pop().set_result(1)
            await asyncio.sleep(0)

    completer = asyncio.create_task(complete())
    for _ in range(300):
        future = loop.create_future()
        waiting.append(future)
        await future
    completer.cancel()
    await asyncio.wait([completer])


async def callbacks() -> None:
    """Callbacks now, soon, later, and never."""
    loop = asyncio.get_running_loop()
    finished = asyncio.Event()
    left = 400

    def again(*arguments: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            finished.set()
        elif left % 2:
            loop.call_soon(again, *arguments)
        else:
            loop.call_later(0, again, left)

    again()
    for number in range(400):
        loop.call_soon(int, number)
        timer = loop.call_later(30 + number, finished.clear)
        loop.call_at(loop.time() + number * 1e-6, int)
        timer.cancel()
    await finished.wait()


async def cancellations() -> None:
    """Tasks that are cancelled before they begin, while they wait, and behind a shield."""

    async def patient() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)

    for steps in (0, 1, 2):
        sleeping = [asyncio.create_task(patient()) for _ in range(60)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in sleeping:
            task.cancel()
        await asyncio.gather(*sleeping, return_exceptions=True)
    inner = asyncio.create_task(patient())
    outer = asyncio.ensure_future(asyncio.shield(inner))
    await asyncio.sleep(0)
    outer.cancel()
    inner.cancel()
    await asyncio.wait([inner, outer])


async def limits() -> None:
    """Time limits that are kept, and some that are not."""

    async def answer(delay: float) -> float:
        await asyncio.sleep(delay)
        return delay

    for number in range(200):
        await asyncio.wait_for(answer(0), 10)
        async with asyncio.timeout(10), asyncio.timeout(None):
            await answer(0)
        if number % 20 == 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(answer(10), 0.0001)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.0001):
                    await answer(10)


async def first_of_many() -> None:
    """Whoever is done first."""

    async def racer(number: int) -> int:
        for _ in range(number % 7):
            await asyncio.sleep(0)
        return number

    for completed in asyncio.as_completed([racer(number) for number in range(100)]):
        await completed
    pending = {asyncio.create_task(racer(number)) for number in range(60)}
    while pending:
        _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED, timeout=10)


async def sleepers() -> None:
    """Many timers at once, due together and one after the other."""
    await asyncio.gather(*(asyncio.sleep(number % 40 * 0.0001) for number in range(2000)))


async def pipeline() -> None:
    """Asynchronous generators, one behind the other."""

    async def numbers() -> AsyncIterator[int]:
        for number in range(300):
            if number % 4 == 0:
                await asyncio.sleep(0)
            yield number

    async def even(source: AsyncIterator[int]) -> AsyncIterator[int]:
        async for number in source:
            if number % 2 == 0:
                yield number

    assert [number async for number in even(numbers())][-1] == 298


async def eager() -> None:
    """Tasks that start at once, where Python has them."""
    if sys.version_info < (3, 12):
        return
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    try:
        await sums_of_a_tree()
        await groups_of_a_tree()
    finally:
        loop.set_task_factory(None)


PROGRAMS = (
    giving_way,
    sums_of_a_tree,
    groups_of_a_tree,
    children,
    futures_handed_over,
    callbacks,
    cancellations,
    limits,
    first_of_many,
    sleepers,
    pipeline,
    eager,
)
