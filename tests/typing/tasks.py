"""What a type checker knows of tasks, and of waiting for several. Read by mypy in `make lint`, and never run."""

import concurrent.futures
import sys
from collections.abc import Coroutine, Iterator
from typing import Any, assert_type

import aioxide as asyncio


async def number() -> int:
    return 1


async def text() -> str:
    return "one"


async def sleeping() -> None:
    assert_type(await asyncio.sleep(1), None)
    assert_type(await asyncio.sleep(0, "done"), str)
    later: Coroutine[Any, Any, int] = asyncio.sleep(0, 1)
    assert_type(await later, int)
    await asyncio.sleep("1")  # type: ignore[call-overload]


async def gathering() -> None:
    assert_type(await asyncio.gather(number(), text()), tuple[int, str])
    assert_type(await asyncio.gather(number(), asyncio.create_task(text())), tuple[int, str])
    assert_type(
        await asyncio.gather(number(), text(), return_exceptions=True),
        tuple[int | BaseException, str | BaseException],
    )
    assert_type(await asyncio.gather(*[number(), number()]), list[int])
    assert_type(asyncio.gather(number(), text()), asyncio.Future[tuple[int, str]])


async def waiting() -> None:
    tasks = {asyncio.create_task(number()), asyncio.create_task(number())}
    done, pending = await asyncio.wait(tasks, timeout=1, return_when=asyncio.FIRST_COMPLETED)
    assert_type(done, set[asyncio.Task[int]])
    assert_type(pending, set[asyncio.Task[int]])
    assert_type(await asyncio.wait_for(number(), 1), int)
    assert_type(await asyncio.wait_for(asyncio.create_task(text()), timeout=None), str)
    assert_type(await asyncio.shield(number()), int)
    assert_type(asyncio.shield(text()), asyncio.Future[str])
    await asyncio.wait_for(number())  # type: ignore[call-arg]


async def in_the_order_they_are_done() -> None:
    for earliest in asyncio.as_completed([number(), number()]):
        assert_type(await earliest, int)
    if sys.version_info >= (3, 13):
        tasks = [asyncio.create_task(text())]
        async for done in asyncio.as_completed(tasks, timeout=1):
            assert_type(done, asyncio.Future[str])
            assert_type(await done, str)
        plain: Iterator[Coroutine[Any, Any, int]] = asyncio.as_completed([number()])
        assert_type(await next(plain), int)


async def making() -> None:
    task = asyncio.create_task(number(), name="one")
    assert_type(task, asyncio.Task[int])
    assert_type(await task, int)
    assert_type(task.result(), int)
    assert_type(task.cancel(), bool)
    assert_type(asyncio.ensure_future(text()), asyncio.Task[str])
    assert_type(asyncio.ensure_future(task), asyncio.Task[int])
    assert_type(asyncio.current_task(), asyncio.Task[Any] | None)
    assert_type(asyncio.all_tasks(), set[asyncio.Task[Any]])
    asyncio.create_task(number)  # type: ignore[arg-type]

    future = asyncio.get_running_loop().create_future()
    future.set_result("any")
    own: asyncio.Future[int] = asyncio.Future()
    own.set_result("one")  # type: ignore[arg-type]


async def grouping() -> None:
    async with asyncio.TaskGroup() as group:
        assert_type(group, asyncio.TaskGroup)
        assert_type(group.create_task(number()), asyncio.Task[int])
        group.create_task(3)  # type: ignore[arg-type]


async def threads() -> None:
    def add(one: int, other: int) -> int:
        return one + other

    assert_type(await asyncio.to_thread(add, 1, 2), int)
    await asyncio.to_thread(add, 1, "2")  # type: ignore[arg-type]
    loop = asyncio.get_running_loop()
    assert_type(asyncio.run_coroutine_threadsafe(number(), loop), concurrent.futures.Future[int])
    assert_type(asyncio.wrap_future(concurrent.futures.Future[int]()), asyncio.Future[int])
