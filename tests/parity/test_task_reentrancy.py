"""Code that comes back in while a task or future is at work: comparisons, destructors and callbacks that meddle."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import sys
from typing import Any

import pytest

from .kinds import Kind, one_turn, spin, value, waits
from .support import Loop, Reports


class Callback:
    """A callback whose comparison does something."""

    def __init__(self, name: str, meddle: Any = None) -> None:
        self.name = name
        self.meddle = meddle

    def __eq__(self, other: object) -> bool:
        if self.meddle is not None:
            self.meddle()
        return False

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, future: Any) -> None:
        pass


def _raise() -> None:
    raise LookupError("no comparison")


def test_what_a_comparison_raises_comes_out_and_nothing_is_removed(loop: Loop, kind: Kind) -> None:
    for count in (1, 2, 3):
        future = kind.Future(loop=loop)
        for number in range(count):
            future.add_done_callback(Callback(str(number), _raise))
        with pytest.raises(LookupError, match="no comparison"):
            future.remove_done_callback(Callback("other", _raise))
        assert len(future._callbacks) == count


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("how", ["set_result", "cancel", "add", "remove", "init", "collect"])
def test_a_comparison_may_meddle_with_the_future(
    loop: Loop, kind: Kind, how: str, count: int
) -> None:
    future = kind.Future(loop=loop)
    meddled: list[str] = []

    def meddle() -> None:
        if len(meddled) >= 20:
            return
        meddled.append(how)
        match how:
            case "set_result" if not future.done():
                future.set_result(1)
            case "cancel":
                future.cancel()
            case "add":
                future.add_done_callback(id)
            case "remove" if len(meddled) == 1:
                future.remove_done_callback(id)
            case "init" if not kind.in_python and sys.version_info < (3, 15):
                future.__init__(loop=loop)
            case "collect":
                gc.collect()

    future.add_done_callback(id)
    for number in range(count):
        future.add_done_callback(Callback(str(number), meddle))
    future.remove_done_callback(Callback("other", meddle))
    assert meddled
    future.cancel()
    assert future.done()
    spin(loop)


def test_the_destructor_of_a_callback_may_ask_the_future(loop: Loop, kind: Kind) -> None:
    seen: list[object] = []

    class Dying(Callback):
        def __del__(self) -> None:
            seen.append((future.done(), repr(future), future._callbacks is not None))
            future.cancel()
            future.add_done_callback(id)

    future = kind.Future(loop=loop)
    future.add_done_callback(Dying("one"))
    future.add_done_callback(Dying("two"))
    future.set_result(1)
    spin(loop)
    assert [(done, text) for done, text, _ in seen] == [
        (True, "<Future finished result=1>"),
        (True, "<Future finished result=1>"),
    ]


@pytest.mark.parametrize("slot", ["result", "exception", "message", "waiter", "coroutine"])
def test_a_destructor_of_what_a_future_holds_may_start_it_anew(
    loop: Loop, kind: Kind, slot: str, reports: Reports
) -> None:
    if kind.in_python:
        pytest.skip("pure Python has no state that could be torn")
    if sys.version_info >= (3, 15):
        pytest.skip("nothing starts anew since Python 3.15")
    seen: list[str] = []

    class Dying:
        def __del__(self) -> None:
            seen.append(type(thing).__name__)
            # In the middle of it a stdlib future has no loop.
            with contextlib.suppress(RuntimeError):
                repr(thing)
                thing.add_done_callback(id)
                thing.cancel()

    class DyingError(LookupError, Dying):
        """An exception that looks back."""

    async def main(dying: Dying) -> None:
        await asyncio.sleep(0)

    thing: Any = kind.Future(loop=loop)
    match slot:
        case "result":
            thing.set_result(Dying())
        case "exception":
            thing.set_exception(DyingError())
            thing.exception()
        case "message":
            thing.cancel(Dying())
        case "waiter":
            thing.add_done_callback(functools.partial(print, Dying()))
        case "coroutine":
            thing = kind.Task(main(Dying()), loop=loop)
            spin(loop, 3)
    if slot == "coroutine":
        thing.__init__(value(), loop=loop)
        spin(loop)
    else:
        thing.__init__(loop=loop)
    gc.collect()
    assert len(seen) == 1
    assert seen[0] in ("Future", "Task")


def test_a_callback_that_lets_go_of_the_last_reference_is_survived(loop: Loop, kind: Kind) -> None:
    holder: dict[str, Any] = {}
    order: list[str] = []

    def let_go(done: Any) -> None:
        order.append("let go")
        holder.clear()
        gc.collect()

    holder["task"] = kind.Task(one_turn(), loop=loop)
    holder["task"].add_done_callback(let_go)
    holder["task"].add_done_callback(lambda done: order.append(repr(done.result())))
    spin(loop, 4)
    assert order == ["let go", "None"]


def test_a_task_may_drop_itself_while_it_runs(loop: Loop, kind: Kind) -> None:
    holder: list[Any] = []
    seen: list[str] = []

    async def main() -> None:
        holder.clear()
        gc.collect()
        await asyncio.sleep(0)
        gc.collect()
        seen.append("the end")

    holder.append(kind.Task(main(), loop=loop))
    spin(loop, 3)
    assert seen == ["the end"]


def test_an_exception_handler_may_run_tasks_code(loop: Loop, kind: Kind) -> None:
    made: list[Any] = []
    loop.set_exception_handler(
        lambda loop, context: made.append(kind.Task(one_turn("handled"), loop=loop))
    )
    future = kind.Future(loop=loop)
    future.set_exception(LookupError("lost"))
    del future
    gc.collect()
    spin(loop)
    assert [task.result() for task in made] == ["handled"]


def test_a_coroutine_may_finish_the_future_that_it_is_about_to_wait_for(
    loop: Loop, kind: Kind
) -> None:
    class Steps:
        def __init__(self, future: Any) -> None:
            self.future = future

        def __await__(self):  # type: ignore[no-untyped-def]
            steps = self.future.__await__()
            waited = next(steps)
            waited.set_result("early")
            yield waited
            return waited.result()

    future = kind.Future(loop=loop)
    assert loop.run_until_complete(kind.Task(waits(Steps(future)), loop=loop)) == "early"


def test_get_loop_of_a_future_may_cancel_the_task_that_asks(loop: Loop, kind: Kind) -> None:
    class Meddling(kind.Future):  # type: ignore[misc, name-defined]
        def get_loop(self) -> Loop:
            tasks[0].cancel("meddled")
            return loop

    future = Meddling(loop=loop)
    tasks = [kind.Task(waits(future), loop=loop)]
    spin(loop)
    assert tasks[0].cancelled()
    assert future.cancelled()


def test_add_done_callback_of_a_future_may_call_back_at_once(
    loop: Loop, kind: Kind, reports: Reports
) -> None:
    class AtOnce(kind.Future):  # type: ignore[misc, name-defined]
        def add_done_callback(self, callback: Any, *, context: Any = None) -> None:
            loop.call_soon(callback, self, context=context)

    future = AtOnce(loop=loop)
    future.set_result(1)
    pending = AtOnce(loop=loop)
    assert loop.run_until_complete(kind.Task(waits(future), loop=loop)) == 1
    task = kind.Task(waits(pending), loop=loop)
    spin(loop, 4)
    with pytest.raises((asyncio.InvalidStateError, RuntimeError)):
        task.result()


def test_a_step_within_a_step_is_refused(loop: Loop, kind: Kind) -> None:
    if not kind.is_known_to_asyncio:
        pytest.skip("the current task of pure Python is kept elsewhere since 3.14")
    duck: list[Any] = []

    class Future(kind.Future):  # type: ignore[misc, name-defined]
        def add_done_callback(self, callback: Any, *, context: Any = None) -> None:
            duck.append(callback)
            super().add_done_callback(callback, context=context)

    future = Future(loop=loop)
    inner = kind.Task(waits(future), loop=loop, name="inner")

    async def main() -> str:
        await asyncio.sleep(0)
        other = kind.Future(loop=loop)
        other.set_result(1)
        with pytest.raises(RuntimeError) as caught:
            duck[0](other)
        return str(caught.value)

    text = loop.run_until_complete(kind.Task(main(), loop=loop, name="outer"))
    assert text.startswith("Cannot enter into task <Task pending name='inner' ")
    assert "while another task <Task pending name='outer' " in text
    assert asyncio.tasks.current_task(loop) is None
    future.set_result(None)
    spin(loop)
    assert inner.done()


def test_a_loop_that_runs_within_a_step_is_refused(loop: Loop, kind: Kind) -> None:
    async def main() -> None:
        coro = value()
        with pytest.raises(RuntimeError, match="This event loop is already running"):
            loop.run_until_complete(coro)
        coro.close()

    loop.run_until_complete(kind.Task(main(), loop=loop))
