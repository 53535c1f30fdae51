"""What tasks drive and what they are given to wait for: coroutines of every make, foreign futures, and garbage."""

from __future__ import annotations

import asyncio
import collections.abc
import gc
import types
import weakref
from collections.abc import Generator
from typing import Any

import pytest

from .kinds import PLAIN_GENERATORS_ARE_COROUTINES, STEP, Kind, Yields, spin, value, waits
from .support import Loop, Reports


class Compiled(collections.abc.Coroutine[Any, Any, Any]):
    """A coroutine as compilers make them: it has the methods of one, and is of a type of its own."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.thrown: list[BaseException] = []

    def send(self, value: object) -> Any:
        step = self.steps.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step() if callable(step) else step

    def throw(self, *exc: Any) -> Any:
        self.thrown.append(exc[0])
        raise exc[0]

    def close(self) -> None:
        pass

    def __await__(self) -> Generator[Any, Any, Any]:
        raise NotImplementedError


class Duck:
    """A future of somebody else's: it has what the protocol asks for and no more."""

    _asyncio_future_blocking = False

    def __init__(self, loop: Loop) -> None:
        self._own_loop = loop
        self.added: list[tuple[Any, Any]] = []
        self.cancels: list[Any] = []
        self.answer = False
        self.error: BaseException | None = None

    def get_loop(self) -> Loop:
        return self._own_loop

    def add_done_callback(self, callback: Any, *, context: Any) -> None:
        self.added.append((callback, context))

    def cancel(self, msg: object = None) -> bool:
        self.cancels.append(msg)
        return self.answer

    def result(self) -> str:
        if self.error is not None:
            raise self.error
        return "ignored"

    def __await__(self):  # type: ignore[no-untyped-def]
        self._asyncio_future_blocking = True
        yield self
        return "quack"


def test_a_coroutine_object_of_another_make_is_driven(loop: Loop, kind: Kind) -> None:
    coro = Compiled(None, None, StopIteration(9))
    task = kind.Task(coro, loop=loop)
    assert task.get_coro() is coro
    spin(loop, 2)
    assert not task.done()
    spin(loop)
    assert task.result() == 9
    assert task.get_stack() == []
    assert "coro=<<Compiled without __name__>()>" in repr(task)


@pytest.mark.parametrize(
    ("end", "result"),
    [(StopIteration(), None), (StopIteration(1, 2), 1), (StopIteration((1, 2)), (1, 2))],
    ids=repr,
)
def test_what_stop_iteration_carries_is_the_result(
    loop: Loop, kind: Kind, end: StopIteration, result: object
) -> None:
    task = kind.Task(Compiled(end), loop=loop)
    spin(loop)
    assert task.result() == result


@pytest.mark.parametrize(
    "end", [StopAsyncIteration(1), GeneratorExit(2), RuntimeError(3)], ids=repr
)
def test_every_other_exception_is_the_tasks(loop: Loop, kind: Kind, end: BaseException) -> None:
    task = kind.Task(Compiled(end), loop=loop)
    spin(loop)
    assert task.exception() is end


def test_a_cancellation_is_thrown_into_a_coroutine_object(loop: Loop, kind: Kind) -> None:
    coro = Compiled(None, None)
    task = kind.Task(coro, loop=loop)
    spin(loop, 1)
    task.cancel("why")
    spin(loop)
    [thrown] = coro.thrown
    assert isinstance(thrown, asyncio.CancelledError)
    assert thrown.args == ("why",)
    assert task.cancelled()


def test_a_coroutine_object_that_lacks_send_fails_in_its_task(loop: Loop, kind: Kind) -> None:
    coro = Compiled()
    coro.send = None  # type: ignore[method-assign, assignment]
    task = kind.Task(coro, loop=loop)
    spin(loop)
    assert isinstance(task.exception(), TypeError)


def test_plain_generators_are_coroutines_only_where_they_were(loop: Loop, kind: Kind) -> None:
    def generator() -> Generator[None, None, int]:
        yield
        return 6

    made = generator()
    if not PLAIN_GENERATORS_ARE_COROUTINES:
        with pytest.raises(TypeError, match="^a coroutine was expected, got <generator object "):
            kind.Task(made, loop=loop)
        return
    task = kind.Task(made, loop=loop)
    spin(loop)
    assert task.result() == 6


def test_generator_based_coroutines_are_awaited(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)

    @types.coroutine
    def steps():  # type: ignore[no-untyped-def]
        yield
        got = yield from future
        return got + 1

    task = kind.Task(waits(steps()), loop=loop)
    spin(loop, 2)
    assert task._fut_waiter is future
    future.set_result(1)
    spin(loop)
    assert task.result() == 2


@pytest.mark.parametrize("wrong", [None, 1, "text", print, waits], ids=repr)
def test_what_is_no_coroutine_is_refused(loop: Loop, kind: Kind, wrong: object) -> None:
    with pytest.raises(TypeError) as caught:
        kind.Task(wrong, loop=loop)
    assert str(caught.value) == f"a coroutine was expected, got {wrong!r}"


def _bad_yield(loop: Loop, kind: Kind, thing: object) -> str:
    task = kind.Task(waits(Yields(thing)), loop=loop, name="n")
    spin(loop, 1)
    assert not task.done()
    spin(loop, 1)
    error = task.exception()
    assert type(error) is RuntimeError
    [text] = error.args
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("thing", [42, "s", [], object, print, iter(())], ids=repr)
def test_garbage_is_named(loop: Loop, kind: Kind, thing: object) -> None:
    assert _bad_yield(loop, kind, thing) == f"Task got bad yield: {thing!r}"


def test_a_future_that_is_yielded_and_not_awaited_is_named(loop: Loop, kind: Kind) -> None:
    text = _bad_yield(loop, kind, kind.Future(loop=loop))
    assert text.startswith("yield was used instead of yield from in task <Task pending name='n' ")
    assert text.endswith(" with <Future pending>")


def test_a_generator_that_is_yielded_is_named(loop: Loop, kind: Kind) -> None:
    text = _bad_yield(loop, kind, (i for i in ()))
    prefix = "yield was used instead of yield from for generator in task <Task pending name='n' "
    assert text.startswith(prefix)
    assert "with <generator object " in text


def test_a_thing_that_declines_to_be_a_future_is_garbage(loop: Loop, kind: Kind) -> None:
    class Declines:
        _asyncio_future_blocking = None

    assert _bad_yield(loop, kind, Declines()).startswith("Task got bad yield: <")


def test_a_task_may_catch_the_error_of_a_bad_yield_and_go_on(loop: Loop, kind: Kind) -> None:
    async def main() -> str:
        with pytest.raises(RuntimeError, match="^Task got bad yield: 42$"):
            await Yields(42)
        await asyncio.sleep(0)
        return "went on"

    task = kind.Task(main(), loop=loop)
    assert loop.run_until_complete(task) == "went on"


def test_a_task_cannot_await_itself(loop: Loop, kind: Kind) -> None:
    async def main() -> str:
        with pytest.raises(RuntimeError) as caught:
            await tasks[0]
        return str(caught.value)

    tasks = [kind.Task(main(), loop=loop, name="n")]
    text = loop.run_until_complete(tasks[0])
    assert text.startswith("Task cannot await on itself: <Task pending name='n' ")


def test_a_future_of_another_loop_is_refused(loop: Loop, loop_factory: Any, kind: Kind) -> None:
    elsewhere = loop_factory()
    future = kind.Future(loop=elsewhere)
    task = kind.Task(waits(future), loop=loop, name="n")
    spin(loop)
    error = task.exception()
    assert type(error) is RuntimeError
    text = str(error)
    assert text.startswith("Task <Task pending name='n' coro=<waits() running at ")
    assert text.endswith(" got Future <Future pending> attached to a different loop")
    assert not future._callbacks
    elsewhere.close()


def test_many_may_await_one_future_and_one_may_await_it_twice(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    order: list[tuple[int, object]] = []

    async def main(number: int) -> None:
        order.append((number, await future))
        order.append((number, await future))

    tasks = [kind.Task(main(number), loop=loop) for number in range(3)]
    spin(loop, 1)
    future.set_result("it")
    spin(loop, 1)
    assert order == [(n, "it") for n in (0, 0, 1, 1, 2, 2)]
    assert all(task.done() for task in tasks)


def test_a_coroutine_cannot_be_awaited_twice(loop: Loop, kind: Kind) -> None:
    coro = value(1)
    first = kind.Task(coro, loop=loop)
    second = kind.Task(coro, loop=loop)
    spin(loop)
    assert first.result() == 1
    with pytest.raises(RuntimeError, match="^cannot reuse already awaited coroutine$"):
        second.result()


def test_a_foreign_future_is_asked_for_its_result_and_given_a_context(
    loop: Loop, kind: Kind
) -> None:
    duck = Duck(loop)
    task = kind.Task(waits(duck), loop=loop)
    spin(loop, 1)
    assert task._fut_waiter is duck
    assert duck._asyncio_future_blocking is False
    [(wakeup, context)] = duck.added
    if hasattr(task, "get_context"):
        assert context is task.get_context()
    loop.call_soon(wakeup, duck)
    spin(loop, 1)
    assert task.result() == "quack"


def test_the_error_of_a_foreign_future_is_thrown_in(loop: Loop, kind: Kind) -> None:
    duck = Duck(loop)
    duck.error = LookupError("duck")
    task = kind.Task(waits(duck), loop=loop)
    spin(loop, 1)
    loop.call_soon(duck.added[0][0], duck)
    spin(loop, 1)
    assert task.exception() is duck.error


def test_a_foreign_future_is_cancelled_with_the_message(loop: Loop, kind: Kind) -> None:
    duck = Duck(loop)
    task = kind.Task(waits(duck), loop=loop)
    spin(loop, 1)
    assert task.cancel("a") is True
    assert task._must_cancel is True
    duck.answer = True
    assert task.cancel("b") is True
    assert duck.cancels == ["a", "b"]
    assert task._cancel_message == "a"
    loop.call_soon(duck.added[0][0], duck)
    spin(loop, 1)
    with pytest.raises(asyncio.CancelledError, match="^a$"):
        task.result()


def test_a_foreign_future_may_tell_its_loop_by_an_attribute(loop: Loop, kind: Kind) -> None:
    class Old:
        _asyncio_future_blocking = True
        _loop = loop
        added: list[Any]

        def add_done_callback(self, callback: Any, *, context: Any) -> None:
            self.added = [callback]

    old = Old()
    task = kind.Task(waits(Yields(old)), loop=loop)
    spin(loop, 1)
    assert task._fut_waiter is old
    loop.call_soon(old.added[0], Duck(loop))
    spin(loop)
    assert task.done()


class NoLoop:
    """A future that cannot say which loop it belongs to."""

    _asyncio_future_blocking = True


class Raising(Duck):
    """A future that takes no callback."""

    _asyncio_future_blocking = True

    def add_done_callback(self, callback: Any, *, context: Any) -> None:
        raise LookupError("no callbacks")


class Asking:
    """A future that does not say whether it is one."""

    @property
    def _asyncio_future_blocking(self) -> bool:
        raise LookupError("no answer")


@pytest.mark.parametrize("broken", [NoLoop, Raising, Asking])
def test_the_error_of_a_broken_future_goes_to_the_exception_handler(
    loop: Loop, kind: Kind, reports: Reports, broken: Any
) -> None:
    if broken is Asking and kind.in_python:
        pytest.skip("pure Python throws that one into the coroutine")
    thing = broken(loop) if broken is Raising else broken()
    task = kind.Task(waits(Yields(thing)), loop=loop)
    spin(loop)
    [report] = reports
    assert report["message"].startswith("Exception in callback ")
    expected = AttributeError if broken is NoLoop else LookupError
    assert type(report["exception"]) is expected
    assert not task.done()
    assert task._fut_waiter is None
    # Nothing will ever step it again.
    task._log_destroy_pending = False
    gone = weakref.ref(task)
    del task, report
    reports.clear()
    gc.collect()
    assert gone() is None


def test_a_wake_up_of_a_finished_task_is_reported(loop: Loop, kind: Kind, reports: Reports) -> None:
    duck = Duck(loop)
    task = kind.Task(waits(duck), loop=loop, name="n")
    spin(loop, 1)
    for _ in range(2):
        loop.call_soon(duck.added[0][0], duck)
    spin(loop)
    assert task.result() == "quack"
    [report] = reports
    error = report["exception"]
    assert type(error) is asyncio.InvalidStateError
    assert str(error).startswith(f"{STEP}(): already done: <Task finished name='n' ")
    assert str(error).endswith(" None")
    reports.clear()


def test_the_wake_up_wants_the_future_that_is_done(loop: Loop, kind: Kind) -> None:
    duck = Duck(loop)
    task = kind.Task(waits(duck), loop=loop)
    spin(loop, 1)
    [(wakeup, _)] = duck.added
    with pytest.raises(TypeError):
        wakeup()
    loop.call_soon(wakeup, duck)
    spin(loop)
    assert task.done()


def test_a_coroutine_closed_from_outside_ends_its_task(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    coro = waits(future)
    task = kind.Task(coro, loop=loop)
    spin(loop, 1)
    coro.close()
    future.set_result(1)
    spin(loop)
    with pytest.raises(RuntimeError, match="^cannot reuse already awaited coroutine$"):
        task.result()
