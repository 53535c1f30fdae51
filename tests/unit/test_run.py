"""What `aioxide.run` and `aioxide.Runner` promise: what asyncio's promise, for any awaitable and on our loop."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest

import aioxide

Run = Callable[..., Any]
RUNS = [pytest.param(asyncio.run, id="asyncio"), pytest.param(aioxide.run, id="aioxide")]

# asyncio refuses these before 3.14; aioxide never does.
RUNS_OF_AWAITABLES = RUNS if sys.version_info >= (3, 14) else RUNS[1:]


class Answer:
    """An awaitable that is no coroutine."""

    def __await__(self) -> Generator[Any, None, int]:
        return asyncio.sleep(0, 42).__await__()


async def current_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_run_and_runner_use_our_loop_and_close_it() -> None:
    loop = aioxide.run(current_loop())
    assert isinstance(loop, aioxide.EventLoop)
    assert loop.is_closed()
    with aioxide.Runner() as runner:
        assert isinstance(runner.get_loop(), aioxide.EventLoop)
        assert runner.run(current_loop()) is runner.get_loop()


def test_new_event_loop_returns_a_loop_of_ours_that_is_not_set_as_the_current_one() -> None:
    loop = aioxide.new_event_loop()
    assert isinstance(loop, aioxide.EventLoop)
    assert not loop.is_running()
    loop.close()


def test_new_event_loop_is_a_loop_factory_for_asyncio() -> None:
    with asyncio.Runner(loop_factory=aioxide.new_event_loop) as runner:
        assert isinstance(runner.run(current_loop()), aioxide.EventLoop)


def test_a_loop_factory_of_the_caller_is_used() -> None:
    loop = aioxide.run(current_loop(), loop_factory=asyncio.SelectorEventLoop)
    assert type(loop) is asyncio.SelectorEventLoop


@pytest.mark.parametrize("run", RUNS)
def test_the_result_is_returned(run: Run) -> None:
    assert run(asyncio.sleep(0, "done")) == "done"


@pytest.mark.parametrize("run", RUNS)
def test_an_exception_comes_out_unchanged(run: Run) -> None:
    error = LookupError("lost")

    async def fail() -> None:
        raise error

    with pytest.raises(LookupError) as caught:
        run(fail())
    assert caught.value is error


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("debug", [True, False])
def test_debug_reaches_the_loop(run: Run, debug: bool) -> None:
    async def mode() -> bool:
        return asyncio.get_running_loop().get_debug()

    assert run(mode(), debug=debug) is debug


@pytest.mark.parametrize("run", RUNS_OF_AWAITABLES)
def test_any_awaitable_can_be_run(run: Run) -> None:
    assert run(Answer()) == 42


@pytest.mark.parametrize("run", RUNS_OF_AWAITABLES)
def test_what_was_gathered_before_any_loop_ran_binds_to_the_loop_of_the_run(run: Run) -> None:
    async def loop_and(number: int) -> int:
        seen.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return number

    seen: list[asyncio.AbstractEventLoop] = []
    assert run(aioxide.gather(loop_and(1), loop_and(2))) == [1, 2]
    assert seen[0] is seen[1]
    assert isinstance(seen[0], aioxide.EventLoop) == (run is aioxide.run)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("wrong", [3, None, current_loop], ids=["int", "none", "function"])
def test_what_is_no_awaitable_is_refused_as_asyncio_refuses_it(run: Run, wrong: object) -> None:
    expected = TypeError if sys.version_info >= (3, 14) else ValueError
    with pytest.raises(expected):
        run(wrong)


@pytest.mark.parametrize("run", RUNS)
def test_run_inside_a_running_loop_raises_asyncios_error(run: Run) -> None:
    async def outer() -> str:
        inner = current_loop()
        with pytest.raises(RuntimeError) as caught:
            run(inner)
        inner.close()
        return str(caught.value)

    assert run(outer()) == "asyncio.run() cannot be called from a running event loop"


@pytest.mark.parametrize("make", [Answer, current_loop])
def test_runner_inside_a_running_loop_raises_and_leaves_nothing_unawaited(
    make: Callable[[], Awaitable[Any]],
) -> None:
    async def outer() -> str:
        inner = make()
        with pytest.raises(RuntimeError) as caught:
            aioxide.Runner().run(inner)
        if asyncio.iscoroutine(inner):
            inner.close()
        return str(caught.value)

    assert aioxide.run(outer()) == "Runner.run() cannot be called from a running event loop"


def test_a_runner_runs_several_awaitables_in_one_context() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

    async def add() -> int:
        variable.set(variable.get() + 1)
        return variable.get()

    with aioxide.Runner() as runner:
        assert [runner.run(add()) for _ in range(3)] == [1, 2, 3]
        own = contextvars.copy_context()
        assert runner.run(add(), context=own) == 1
        assert own[variable] == 1
    assert variable.get() == 0


def test_a_closed_runner_refuses_to_run() -> None:
    with aioxide.Runner() as runner:
        pass
    late = current_loop()
    with pytest.raises(RuntimeError, match="Runner is closed"):
        runner.run(late)
    late.close()


def test_our_runner_passes_for_asyncios() -> None:
    assert isinstance(aioxide.Runner(), asyncio.Runner)


@pytest.mark.parametrize("run", RUNS)
def test_tasks_left_over_are_cancelled_and_generators_closed(run: Run) -> None:
    closed: list[str] = []

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            closed.append("task")

    async def numbers() -> Any:
        try:
            yield 1
        finally:
            closed.append("generator")

    async def main() -> None:
        left_over.append(asyncio.create_task(linger()))
        generators.append(numbers())
        await anext(generators[0])
        await asyncio.sleep(0)

    left_over: list[asyncio.Task[None]] = []
    generators: list[Any] = []
    run(main())
    assert left_over[0].cancelled()
    assert closed == ["task", "generator"]
