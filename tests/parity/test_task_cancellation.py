"""Cancellation of tasks: when it arrives, how often, with which message, and what counts it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from .kinds import UNCANCEL_TO_ZERO_CLEARS_THE_REQUEST, Kind, one_turn, spin, value, waits
from .support import Loop


class Log(list[Any]):
    """What a coroutine met on its way."""

    async def wait(self, *awaitables: Any) -> str:
        """Await one thing after the other, whatever comes out of it."""
        for awaitable in awaitables:
            try:
                self.append(await awaitable)
            except asyncio.CancelledError as exc:
                self.append(exc.args)
        return "the end"


def test_before_its_first_step_the_last_message_counts(loop: Loop, kind: Kind) -> None:
    task = kind.Task(value(1), loop=loop)
    assert task.cancel("a") is True
    assert task.cancel("b") is True
    assert task.cancelling() == 2
    assert task._must_cancel is True
    assert task._cancel_message == "b"
    spin(loop)
    with pytest.raises(asyncio.CancelledError) as caught:
        task.result()
    assert caught.value.args == ("b",)
    assert task.cancelling() == 2
    assert task.cancel() is False
    assert task.cancelling() == 2


def test_uncancel_counts_down_to_zero_and_no_further(loop: Loop, kind: Kind) -> None:
    task = kind.Task(value(1), loop=loop)
    task.cancel("a")
    task.cancel("b")
    assert [task.uncancel() for _ in range(3)] == [1, 0, 0]
    assert task.cancelling() == 0
    cleared = UNCANCEL_TO_ZERO_CLEARS_THE_REQUEST
    assert task._must_cancel is not cleared
    spin(loop)
    assert task.cancelled() is not cleared


def test_a_task_that_takes_its_own_cancellation_back(loop: Loop, kind: Kind) -> None:
    async def main() -> str:
        tasks[0].cancel("mine")
        tasks[0].uncancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError as exc:
            return f"cancelled {exc}"
        return "went on"

    tasks = [kind.Task(main(), loop=loop)]
    expected = "went on" if UNCANCEL_TO_ZERO_CLEARS_THE_REQUEST else "cancelled mine"
    assert loop.run_until_complete(tasks[0]) == expected


def test_a_waiting_task_cancels_what_it_waits_for_with_the_message(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    task = kind.Task(waits(future), loop=loop)
    spin(loop, 1)
    assert task._fut_waiter is future
    assert task.cancel("first") is True
    assert task._must_cancel is False
    assert future.cancelled()
    assert future._cancel_message == "first"
    assert task.cancel("second") is True
    assert (task._must_cancel, task._cancel_message) == (True, "second")
    spin(loop)
    with pytest.raises(asyncio.CancelledError) as caught:
        task.result()
    assert caught.value.args == ("first",)
    assert task._must_cancel is False


def test_a_result_that_is_on_its_way_is_lost_to_a_cancellation(loop: Loop, kind: Kind) -> None:
    log = Log()
    future = kind.Future(loop=loop)
    task = kind.Task(log.wait(future), loop=loop)
    spin(loop, 1)
    future.set_result("lost")
    assert task._fut_waiter is future
    assert task.cancel("late") is True
    assert task._must_cancel is True
    assert not future.cancelled()
    spin(loop)
    assert log == [("late",)]
    assert task.result() == "the end"


def test_an_error_that_is_on_its_way_is_taken_as_seen(loop: Loop, kind: Kind) -> None:
    log = Log()
    future = kind.Future(loop=loop)
    task = kind.Task(log.wait(future), loop=loop)
    spin(loop, 1)
    future.set_exception(LookupError("on its way"))
    task.cancel("late")
    spin(loop)
    assert log == [("late",)]
    assert future._log_traceback is False


def test_a_cancellation_on_its_way_wins_over_a_later_one(loop: Loop, kind: Kind) -> None:
    log = Log()
    future, second = kind.Future(loop=loop), kind.Future(loop=loop)
    task = kind.Task(log.wait(future, second), loop=loop)
    spin(loop, 1)
    future.cancel("first")
    task.cancel("second")
    spin(loop, 2)
    assert log == [("first",)]
    assert task._must_cancel is False
    second.set_result("and on")
    spin(loop)
    assert log == [("first",), "and on"]


def test_the_first_to_ask_gets_the_very_error_and_later_ones_a_bare_one(
    loop: Loop, kind: Kind
) -> None:
    class Mine(asyncio.CancelledError):
        """A cancellation of the user's own."""

    errors = []

    async def main() -> None:
        errors.append(Mine("own", 1))
        raise errors[0]

    task = kind.Task(main(), loop=loop)
    spin(loop)
    assert task.cancelled()
    assert task.cancelling() == 0
    assert task._cancel_message is None
    caught = []
    for question in (task.result, task.result, task.exception):
        with pytest.raises(asyncio.CancelledError) as each:
            question()
        caught.append(each.value)
    assert caught[0] is errors[0]
    assert [error.args for error in caught] == [("own", 1), (), ()]
    assert type(caught[1]) is asyncio.CancelledError
    assert caught[1] is not caught[2]


def test_the_message_reaches_the_waiter_through_a_chain_of_tasks(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    task = kind.Task(waits(future), loop=loop)
    for _ in range(5):
        task = kind.Task(waits(task), loop=loop)
    spin(loop, 2)
    task.cancel("through")
    spin(loop, 8)
    with pytest.raises(asyncio.CancelledError) as caught:
        task.result()
    assert caught.value.args == ("through",)
    assert future.cancelled()


def test_a_task_that_cancels_itself_is_cancelled_at_its_next_wait(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    log = Log()

    async def main() -> None:
        tasks[0].cancel("mine")
        log.append("still running")
        await log.wait(future, asyncio.sleep(0))

    tasks = [kind.Task(main(), loop=loop)]
    spin(loop, 1)
    assert future.cancelled()
    assert future._cancel_message == "mine"
    assert tasks[0]._must_cancel is False
    spin(loop)
    assert log == ["still running", ("mine",), None]
    assert tasks[0].cancelling() == 1


def test_a_task_that_ends_while_it_is_to_be_cancelled_is_cancelled(loop: Loop, kind: Kind) -> None:
    async def main() -> str:
        tasks[0].cancel("at the end")
        return "thrown away"

    tasks = [kind.Task(main(), loop=loop)]
    spin(loop)
    assert tasks[0].cancelled()
    assert tasks[0]._must_cancel is False
    with pytest.raises(asyncio.CancelledError) as caught:
        tasks[0].result()
    assert caught.value.args == ("at the end",)


def test_a_task_that_fails_while_it_is_to_be_cancelled_has_failed(loop: Loop, kind: Kind) -> None:
    async def main() -> str:
        tasks[0].cancel("at the end")
        raise LookupError("mine")

    tasks = [kind.Task(main(), loop=loop)]
    spin(loop)
    assert not tasks[0].cancelled()
    assert isinstance(tasks[0].exception(), LookupError)
    assert tasks[0]._must_cancel is True


def test_a_cancellation_is_delivered_once_and_swallowed_once(loop: Loop, kind: Kind) -> None:
    log = Log()
    futures = [kind.Future(loop=loop) for _ in range(3)]
    task = kind.Task(log.wait(*futures), loop=loop)
    spin(loop, 1)
    task.cancel("one")
    spin(loop)
    assert task._fut_waiter is futures[1]
    assert (task.cancelling(), task.done()) == (1, False)
    task.cancel("two")
    spin(loop)
    futures[2].set_result("last")
    spin(loop)
    assert log == [("one",), ("two",), "last"]
    assert (task.result(), task.cancelling()) == ("the end", 2)


def test_a_sleeping_task_is_cancelled_in_the_next_turn(loop: Loop, kind: Kind) -> None:
    task = kind.Task(one_turn(), loop=loop)
    spin(loop, 1)
    assert task._fut_waiter is None
    assert task.cancel("asleep") is True
    assert task._must_cancel is True
    assert "cancelling" in repr(task)
    spin(loop, 1)
    with pytest.raises(asyncio.CancelledError, match="asleep"):
        task.result()


def test_cancel_counts_even_where_the_awaited_thing_refuses(loop: Loop, kind: Kind) -> None:
    class Stubborn(kind.Future):  # type: ignore[misc, name-defined]
        answers: list[bool]

        def cancel(self, msg: object = None) -> bool:
            self.seen = msg
            return self.answers.pop()

    future = Stubborn(loop=loop)
    future.answers = [True, False]
    task = kind.Task(waits(future), loop=loop)
    spin(loop, 1)
    assert task.cancel("a") is True
    assert (future.seen, task._must_cancel, task.cancelling()) == ("a", True, 1)
    assert task.cancel("b") is True
    assert (future.seen, task._must_cancel, task.cancelling()) == ("b", True, 2)
    assert task._cancel_message == "a"
    future.set_result(None)
    spin(loop)
    with pytest.raises(asyncio.CancelledError) as caught:
        task.result()
    assert caught.value.args == ("a",)


def test_an_error_of_the_awaited_things_cancel_comes_out_of_cancel(loop: Loop, kind: Kind) -> None:
    class Broken(kind.Future):  # type: ignore[misc, name-defined]
        def cancel(self, msg: object = None) -> bool:
            raise LookupError(msg)

    future = Broken(loop=loop)
    task = kind.Task(waits(future), loop=loop)
    spin(loop, 1)
    with pytest.raises(LookupError, match="why"):
        task.cancel("why")
    assert (task.cancelling(), task._must_cancel) == (1, False)
    future.set_result("unharmed")
    spin(loop)
    assert task.result() == "unharmed"


def test_an_heirs_cancel_is_what_a_waiter_calls(loop: Loop, kind: Kind) -> None:
    seen: list[object] = []

    class Heir(kind.Task):  # type: ignore[misc, name-defined]
        def cancel(self, msg: object = None) -> bool:
            seen.append(msg)
            return bool(super().cancel(msg))

    inner = Heir(waits(kind.Future(loop=loop)), loop=loop)
    outer = Heir(waits(inner), loop=loop)
    spin(loop, 2)
    outer.cancel("down")
    spin(loop)
    assert seen == ["down", "down"]
    assert inner.cancelled()
    assert outer.cancelled()


def test_a_done_callback_that_cancels_comes_too_late(loop: Loop, kind: Kind) -> None:
    task = kind.Task(value(1), loop=loop)
    answers: list[bool] = []
    task.add_done_callback(lambda done: answers.append(done.cancel()))
    spin(loop)
    assert answers == [False]
    assert task.result() == 1


def test_cancelling_a_long_chain_needs_no_deep_stack_of_turns(loop: Loop, kind: Kind) -> None:
    task: Any = kind.Task(waits(kind.Future(loop=loop)), loop=loop)
    inner = task
    for _ in range(50):
        task = kind.Task(waits(task), loop=loop)
    spin(loop, 2)
    task.cancel("all the way")
    assert inner._fut_waiter.cancelled()
    with contextlib.suppress(asyncio.CancelledError):
        loop.run_until_complete(task)
    assert inner.cancelled()
    assert task.cancelled()
