"""Tasks and futures of every kind together on one loop, through everything in asyncio that knows tasks."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading
from typing import Any

import pytest

from .kinds import HAS_EAGER_START, Kind, one_turn, spin, value, waits
from .support import Loop


async def _fails(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


def test_a_task_waits_for_futures_and_tasks_of_another_kind(
    loop: Loop, kind: Kind, other: Kind
) -> None:
    future = other.Future(loop=loop)
    task = kind.Task(waits(future), loop=loop)
    above = other.Task(waits(task), loop=loop)
    spin(loop, 2)
    assert task._fut_waiter is future
    assert above._fut_waiter is task
    future.set_result("up")
    spin(loop, 3)
    assert above.result() == "up"


def test_cancellation_crosses_kinds_with_its_message(loop: Loop, kind: Kind, other: Kind) -> None:
    future = other.Future(loop=loop)
    task = kind.Task(waits(future), loop=loop)
    above = other.Task(waits(task), loop=loop)
    spin(loop, 2)
    above.cancel("down")
    assert future.cancelled()
    assert task.cancelling() == 1
    spin(loop, 4)
    with pytest.raises(asyncio.CancelledError, match="^down$"):
        above.result()


def test_errors_cross_kinds_as_they_are(loop: Loop, kind: Kind, other: Kind) -> None:
    error = LookupError("mine")
    inner = kind.Task(_fails(error), loop=loop)
    outer = other.Task(waits(inner), loop=loop)
    spin(loop, 4)
    assert outer.exception() is error
    assert inner._log_traceback is False


def test_gather_takes_every_kind(loop: Loop, kind: Kind, other: Kind) -> None:
    async def main() -> Any:
        future = other.Future(loop=loop)
        loop.call_soon(future.set_result, 3)
        error = LookupError("mine")
        return await asyncio.gather(
            kind.Task(one_turn(1), loop=loop),
            other.Task(one_turn(2), loop=loop),
            future,
            kind.Task(_fails(error), loop=loop),
            one_turn(5),
            return_exceptions=True,
        )

    *results, last = loop.run_until_complete(kind.Task(main(), loop=loop))
    assert isinstance(results.pop(3), LookupError)
    assert [*results, last] == [1, 2, 3, 5]


def test_cancelling_a_gathering_task_cancels_the_children(
    loop: Loop, kind: Kind, other: Kind
) -> None:
    children = [each.Task(waits(each.Future(loop=loop)), loop=loop) for each in (kind, other)]

    async def main() -> None:
        await asyncio.gather(*children)

    task = kind.Task(main(), loop=loop)
    spin(loop, 2)
    task.cancel()
    spin(loop, 5)
    assert task.cancelled()
    assert all(child.cancelled() for child in children)


def test_wait_takes_every_kind(loop: Loop, kind: Kind, other: Kind) -> None:
    async def main() -> None:
        never = other.Future(loop=loop)
        soon = kind.Task(one_turn(1), loop=loop)
        done, pending = await asyncio.wait([never, soon], return_when=asyncio.FIRST_COMPLETED)
        assert (done, pending) == ({soon}, {never})
        done, pending = await asyncio.wait([never, soon], timeout=0)
        assert (done, pending) == ({soon}, {never})
        never.cancel()

    loop.run_until_complete(kind.Task(main(), loop=loop))


def test_wait_for_takes_every_kind(loop: Loop, kind: Kind, other: Kind) -> None:
    if not kind.is_known_to_asyncio:
        pytest.skip("wait_for needs to know the current task")

    async def main() -> None:
        assert await asyncio.wait_for(other.Task(one_turn(1), loop=loop), 30) == 1
        late = other.Future(loop=loop)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(late, 0)
        assert late.cancelled()
        task = other.Task(waits(other.Future(loop=loop)), loop=loop)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(task, 0.001)
        assert task.cancelled()

    loop.run_until_complete(kind.Task(main(), loop=loop))


def test_shield_keeps_every_kind_from_harm(loop: Loop, kind: Kind, other: Kind) -> None:
    inner = other.Task(waits(other.Future(loop=loop)), loop=loop)

    async def main() -> None:
        await asyncio.shield(inner)

    task = kind.Task(main(), loop=loop)
    spin(loop, 2)
    task.cancel("outside only")
    spin(loop, 3)
    assert task.cancelled()
    assert not inner.done()
    inner._fut_waiter.set_result("unharmed")
    spin(loop, 2)
    assert inner.result() == "unharmed"


def test_as_completed_takes_every_kind(loop: Loop, kind: Kind, other: Kind) -> None:
    async def main() -> list[Any]:
        first, second = other.Future(loop=loop), kind.Future(loop=loop)
        loop.call_soon(first.set_result, "first")
        loop.call_later(0.001, second.set_result, "second")
        return [await each for each in asyncio.as_completed([second, first])]

    assert loop.run_until_complete(kind.Task(main(), loop=loop)) == ["first", "second"]


def test_a_timeout_interrupts_every_kind(loop: Loop, kind: Kind, other: Kind) -> None:
    if not kind.is_known_to_asyncio:
        pytest.skip("timeout needs to know the current task")

    async def main() -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await other.Future(loop=loop)
        task: Any = asyncio.current_task()
        return int(task.cancelling())

    assert loop.run_until_complete(kind.Task(main(), loop=loop)) == 0


def test_a_task_group_in_every_kind_of_task(loop: Loop, kind: Kind, other: Kind) -> None:
    if not kind.is_known_to_asyncio:
        pytest.skip("TaskGroup needs to know the current task")
    made: list[Any] = []

    def factory(loop: Loop, coro: Any, **kwargs: Any) -> Any:
        made.append(other.Task(coro, loop=loop, **kwargs))
        return made[-1]

    async def main() -> str:
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(waits(other.Future(loop=loop)))
                group.create_task(_fails(LookupError("mine")))
                await kind.Future(loop=loop)
        assert [type(error) for error in caught.value.exceptions] == [LookupError]
        task: Any = asyncio.current_task()
        assert task.cancelling() == 0
        async with asyncio.TaskGroup() as group:
            last = group.create_task(one_turn("fine"))
        return str(last.result())

    loop.set_task_factory(factory)
    assert loop.run_until_complete(kind.Task(main(), loop=loop)) == "fine"
    loop.set_task_factory(None)
    assert [task.done() for task in made] == [True] * 3
    assert made[0].cancelled()


def test_ensure_future_and_wrap_future_give_back_what_is_a_future(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    task = kind.Task(value(), loop=loop)
    assert asyncio.ensure_future(future) is future
    assert asyncio.ensure_future(task, loop=loop) is task
    assert asyncio.wrap_future(future) is future
    elsewhere = asyncio.SelectorEventLoop()
    with pytest.raises(ValueError, match="The future belongs to a different loop"):
        refused = asyncio.ensure_future(future, loop=elsewhere)
        refused.cancel()
    elsewhere.close()
    spin(loop)


def test_run_coroutine_threadsafe_waits_for_every_kind(loop: Loop, kind: Kind) -> None:
    def other_thread() -> object:
        coro = waits(kind.Future(loop=loop))
        future = asyncio.run_coroutine_threadsafe(coro, loop)
        inner = asyncio.run_coroutine_threadsafe(one_turn("crossed"), loop)
        result = inner.result(30)
        assert future.cancel()
        with pytest.raises(concurrent.futures.CancelledError):
            future.result(30)
        return result

    async def main() -> object:
        return await asyncio.to_thread(other_thread)

    assert loop.run_until_complete(kind.Task(main(), loop=loop)) == "crossed"


def test_a_future_may_be_finished_by_the_thread_safe_way(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    thread = threading.Thread(
        target=lambda: loop.call_soon_threadsafe(future.set_result, "from afar")
    )
    thread.start()
    assert loop.run_until_complete(kind.Task(waits(future), loop=loop)) == "from afar"
    thread.join()


def test_to_thread_takes_the_context_of_every_kind_along(loop: Loop, kind: Kind) -> None:
    var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="unset")

    async def main() -> str:
        var.set("mine")
        return await asyncio.to_thread(var.get)

    assert loop.run_until_complete(kind.Task(main(), loop=loop)) == "mine"
    assert var.get() == "unset"


def test_current_task_and_all_tasks_see_every_kind(loop: Loop, kind: Kind, other: Kind) -> None:
    if not kind.is_known_to_asyncio or not other.is_known_to_asyncio:
        pytest.skip("pure Python tasks are kept elsewhere since 3.14")
    seen: list[Any] = []

    async def main() -> None:
        future = other.Future(loop=loop)
        future.add_done_callback(lambda _: seen.append(asyncio.current_task()))
        future.set_result(None)
        assert asyncio.current_task() is task
        child = other.Task(one_turn(), loop=loop)
        assert asyncio.all_tasks() == {task, child}
        await child
        assert asyncio.current_task(loop) is task
        assert asyncio.all_tasks() == {task}

    loop.call_soon(lambda: seen.append(asyncio.current_task()))
    task = kind.Task(main(), loop=loop)
    assert asyncio.all_tasks(loop) == {task}
    loop.run_until_complete(task)
    assert seen == [None, None]
    assert asyncio.all_tasks(loop) == set()
    with pytest.raises(RuntimeError, match="^no running event loop$"):
        asyncio.current_task()


def test_all_tasks_can_be_asked_from_another_thread(loop: Loop, kind: Kind) -> None:
    if not kind.is_known_to_asyncio:
        pytest.skip("pure Python tasks are kept elsewhere since 3.14")

    async def main() -> tuple[set[Any], set[Any]]:
        expected = {kind.Task(one_turn(), loop=loop) for _ in range(20)}
        seen = await asyncio.to_thread(asyncio.all_tasks, loop)
        return seen, expected

    task = kind.Task(main(), loop=loop)
    seen, expected = loop.run_until_complete(task)
    # The children may have gone on in the meantime.
    assert task in seen
    assert seen <= expected | {task}


def test_all_tasks_of_one_loop_are_not_those_of_another(
    loop: Loop, loop_factory: Any, kind: Kind
) -> None:
    if not kind.is_known_to_asyncio:
        pytest.skip("pure Python tasks are kept elsewhere since 3.14")
    elsewhere = loop_factory()
    mine, foreign = kind.Task(one_turn(), loop=loop), kind.Task(one_turn(), loop=elsewhere)
    assert asyncio.all_tasks(loop) == {mine}
    assert asyncio.all_tasks(elsewhere) == {foreign}
    spin(loop)
    spin(elsewhere)
    assert not asyncio.all_tasks(loop) | asyncio.all_tasks(elsewhere)
    elsewhere.close()


def test_a_duck_that_registers_itself_is_among_all_tasks(loop: Loop, kind: Kind) -> None:
    class Duck:
        def get_loop(self) -> Loop:
            return loop

        def done(self) -> bool:
            return False

    duck: Any = Duck()
    task = kind.Task(value(), loop=loop)
    asyncio._register_task(duck)
    assert duck in asyncio.all_tasks(loop)
    asyncio._unregister_task(duck)
    assert duck not in asyncio.all_tasks(loop)
    spin(loop)
    assert task.done()


def test_an_eager_task_within_a_task_of_another_kind(loop: Loop, kind: Kind, other: Kind) -> None:
    if not HAS_EAGER_START:
        pytest.skip("asyncio.Task starts eagerly from 3.12 on")
    if not kind.is_known_to_asyncio or not other.is_known_to_asyncio:
        pytest.skip("pure Python tasks are kept elsewhere since 3.14")
    var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="unset")
    context = contextvars.copy_context()

    async def child() -> Any:
        var.set("child's")
        own = asyncio.current_task()
        loop.create_task(one_turn(), context=context)
        return own

    async def main() -> None:
        var.set("main's")
        for _ in range(3):
            eager = other.Task(child(), loop=loop, eager_start=True)
            assert eager.result() is eager
            assert asyncio.current_task() is task
            assert var.get() == "main's"
            await asyncio.sleep(0)

    for _ in range(2):
        task = kind.Task(main(), loop=loop, context=context)
        loop.run_until_complete(task)
        assert context[var] == "main's"
    assert var.get() == "unset"


@pytest.mark.python_since(3, 14, "futures tell who awaits them from 3.14 on")
def test_futures_tell_who_awaits_them(loop: Loop, kind: Kind) -> None:
    if kind.in_python:
        pytest.skip("the functions of asyncio know native futures only")
    future = kind.Future(loop=loop)
    assert future._asyncio_awaited_by is None
    tasks = {kind.Task(waits(future), loop=loop) for _ in range(2)}
    spin(loop, 1)
    assert future._asyncio_awaited_by == tasks
    future.set_result(1)
    spin(loop)
    assert not future._asyncio_awaited_by
