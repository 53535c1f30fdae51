"""KeyboardInterrupt and SystemExit out of tasks leave the loop, and everything is in order afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .kinds import HAS_EAGER_START, Kind, one_turn, spin
from .support import Loop

INTERRUPTS = [KeyboardInterrupt, SystemExit]


async def _raises(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("interrupt", INTERRUPTS)
def test_an_interrupt_leaves_the_loop_and_stays_in_the_task(
    loop: Loop, kind: Kind, interrupt: Any
) -> None:
    error = interrupt("out")
    task = kind.Task(_raises(error), loop=loop)
    waiter = kind.Task(one_turn("others go on"), loop=loop)
    with pytest.raises(interrupt) as caught:
        spin(loop, 1)
    assert caught.value is error
    assert task.exception() is error
    assert asyncio.tasks.current_task(loop) is None
    spin(loop, 3)
    assert waiter.result() == "others go on"
    assert not loop.is_running()


@pytest.mark.parametrize("interrupt", INTERRUPTS)
def test_an_interrupt_after_a_wait_leaves_the_loop_too(
    loop: Loop, kind: Kind, interrupt: Any
) -> None:
    future = kind.Future(loop=loop)

    async def main() -> None:
        await future
        raise interrupt("later")

    task = kind.Task(main(), loop=loop)
    spin(loop, 1)
    future.set_result(None)
    with pytest.raises(interrupt, match="later"):
        spin(loop, 1)
    assert isinstance(task.exception(), interrupt)
    assert asyncio.tasks.current_task(loop) is None


@pytest.mark.parametrize("interrupt", INTERRUPTS)
def test_an_interrupt_out_of_an_eager_start_leaves_the_constructor(
    loop: Loop, kind: Kind, interrupt: Any
) -> None:
    if not HAS_EAGER_START:
        pytest.skip("asyncio.Task starts eagerly from 3.12 on")
    made: list[Any] = []

    class Heir(kind.Task):  # type: ignore[misc, name-defined]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            made.append(self)
            super().__init__(*args, **kwargs)

    async def main() -> str:
        with pytest.raises(interrupt, match="early"):
            Heir(_raises(interrupt("early")), loop=loop, eager_start=True)
        await asyncio.sleep(0)
        return "went on"

    assert loop.run_until_complete(kind.Task(main(), loop=loop)) == "went on"
    assert isinstance(made[0].exception(), interrupt)


@pytest.mark.parametrize("error", [GeneratorExit("g"), BaseException("b")], ids=repr)
def test_other_base_exceptions_stay_in_the_task(
    loop: Loop, kind: Kind, error: BaseException
) -> None:
    task = kind.Task(_raises(error), loop=loop)
    spin(loop)
    assert task.exception() is error


@pytest.mark.parametrize("interrupt", INTERRUPTS)
def test_an_interrupt_that_a_future_carries_leaves_by_the_task_that_awaits_it(
    loop: Loop, kind: Kind, interrupt: Any
) -> None:
    future = kind.Future(loop=loop)

    async def main() -> None:
        await future

    task = kind.Task(main(), loop=loop)
    spin(loop, 1)
    future.set_exception(interrupt("carried"))
    with pytest.raises(interrupt, match="carried"):
        spin(loop, 1)
    assert isinstance(task.exception(), interrupt)


@pytest.mark.parametrize("interrupt", INTERRUPTS)
def test_an_interrupt_out_of_run_until_complete_is_not_reported_again(
    loop: Loop, kind: Kind, interrupt: Any
) -> None:
    task = kind.Task(_raises(interrupt("once")), loop=loop)
    with pytest.raises(interrupt, match="once"):
        loop.run_until_complete(task)
    task.exception()
    assert loop.run_until_complete(kind.Task(one_turn(2), loop=loop)) == 2
