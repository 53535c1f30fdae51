"""Futures made by the loop under test, and the class itself in every implementation."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import re
import traceback
import types
import weakref
from typing import Any

import pytest

from .kinds import STOP_ITERATION_IS_WRAPPED, Kind, spin, waits
from .support import Loop, Reports, turns


async def test_create_future_makes_a_real_future_of_this_loop(loop: Loop) -> None:
    future = loop.create_future()
    assert isinstance(future, asyncio.Future)
    assert asyncio.isfuture(future)
    assert future.get_loop() is loop
    assert not future.done()
    future.set_result(1)
    assert await future == 1


async def test_a_future_hands_its_exception_to_the_waiter(loop: Loop) -> None:
    future = loop.create_future()
    loop.call_soon(future.set_exception, LookupError("mine"))
    with pytest.raises(LookupError, match="mine"):
        await future


async def test_callbacks_of_a_future_run_in_order_each_once(loop: Loop) -> None:
    future = loop.create_future()
    order: list[int] = []
    for i in range(5):
        future.add_done_callback(lambda _, i=i: order.append(i))
    future.set_result(None)
    assert order == []
    await turns(2)
    assert order == [0, 1, 2, 3, 4]


async def test_a_callback_added_to_a_done_future_still_runs_in_a_later_turn(loop: Loop) -> None:
    future = loop.create_future()
    future.set_result(None)
    seen: list[asyncio.Future[None]] = []
    future.add_done_callback(seen.append)
    assert seen == []
    await turns(2)
    assert seen == [future]


async def test_a_removed_callback_never_runs(loop: Loop) -> None:
    future = loop.create_future()
    seen: list[object] = []
    callback = seen.append
    future.add_done_callback(callback)
    future.add_done_callback(callback)
    assert future.remove_done_callback(callback) == 2
    future.set_result(None)
    await turns(2)
    assert seen == []


async def test_a_callback_runs_in_its_context(loop: Loop) -> None:
    var: contextvars.ContextVar[int] = contextvars.ContextVar("var")
    context = contextvars.copy_context()
    future = loop.create_future()
    future.add_done_callback(lambda _: var.set(3), context=context)
    future.set_result(None)
    await turns(2)
    assert context[var] == 3
    assert var not in contextvars.copy_context()


async def test_a_callback_that_raises_is_reported_and_the_next_one_runs(
    loop: Loop, reports: Reports
) -> None:
    future = loop.create_future()
    seen: list[object] = []
    future.add_done_callback(lambda _: 1 / 0)
    future.add_done_callback(seen.append)
    future.set_result(None)
    await turns(2)
    assert seen == [future]
    [report] = reports
    assert isinstance(report["exception"], ZeroDivisionError)
    reports.clear()


async def test_an_exception_that_nobody_fetched_is_reported(loop: Loop, reports: Reports) -> None:
    future = loop.create_future()
    future.set_exception(LookupError("lost"))
    del future
    gc.collect()
    [report] = reports
    assert report["message"] == "Future exception was never retrieved"
    reports.clear()


async def test_a_second_result_is_an_invalid_state(loop: Loop) -> None:
    future = loop.create_future()
    future.set_result(1)
    with pytest.raises(asyncio.InvalidStateError):
        future.set_result(2)
    with pytest.raises(asyncio.InvalidStateError):
        future.set_exception(LookupError())
    assert future.result() == 1


async def test_awaiting_a_future_of_another_loop_is_a_runtime_error(
    loop: Loop, loop_factory
) -> None:  # type: ignore[no-untyped-def]
    other = loop_factory()
    foreign = other.create_future()

    async def child() -> None:
        await foreign

    with pytest.raises(RuntimeError, match="attached to a different loop"):
        await loop.create_task(child())
    other.close()


async def test_wrap_future_carries_results_over_from_threads(loop: Loop) -> None:
    outer: concurrent.futures.Future[int] = concurrent.futures.Future()
    inner = asyncio.wrap_future(outer)
    await loop.run_in_executor(None, outer.set_result, 9)
    assert await inner == 9


async def test_cancelling_a_wrapped_future_cancels_the_source(loop: Loop) -> None:
    outer: concurrent.futures.Future[int] = concurrent.futures.Future()
    inner = asyncio.wrap_future(outer)
    inner.cancel()
    await turns(2)
    assert outer.cancelled()


async def test_many_waiters_of_one_future_all_wake(loop: Loop) -> None:
    future = loop.create_future()

    async def wait() -> int:
        return int(await future)

    waiters = [loop.create_task(wait()) for _ in range(100)]
    await asyncio.sleep(0)
    future.set_result(1)
    assert await asyncio.gather(*waiters) == [1] * 100


async def test_a_waiter_that_is_cancelled_cancels_the_future_it_waits_for(loop: Loop) -> None:
    future = loop.create_future()

    async def wait() -> None:
        await future

    waiter = loop.create_task(wait())
    await asyncio.sleep(0)
    waiter.cancel()
    await turns(3)
    assert future.cancelled()
    assert waiter.cancelled()


# From here on: the class itself, in every implementation that there is.


def test_a_pending_future_has_neither_result_nor_exception(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    with pytest.raises(asyncio.InvalidStateError, match="^Result is not (set|ready).$"):
        future.result()
    with pytest.raises(asyncio.InvalidStateError, match="^Exception is not set.$"):
        future.exception()


def test_what_is_set_on_a_done_future_is_an_invalid_state(loop: Loop, kind: Kind) -> None:
    finished, failed, cancelled = (kind.Future(loop=loop) for _ in range(3))
    finished.set_result(1)
    failed.set_exception(LookupError("mine"))
    cancelled.cancel("why")
    for future in (finished, failed, cancelled):
        with pytest.raises(asyncio.InvalidStateError) as caught:
            future.set_result(2)
        with pytest.raises(asyncio.InvalidStateError):
            future.set_exception(ValueError())
        assert future.cancel("too late") is False
        if not kind.in_python:
            assert caught.value.args == ("invalid state",)
    assert finished.result() == 1
    assert isinstance(failed.exception(), LookupError)
    with pytest.raises(asyncio.CancelledError) as reason:
        cancelled.result()
    assert reason.value.args == ("why",)


@pytest.mark.parametrize("message", [None, "", "why", 3, (), ("a", "b")], ids=repr)
def test_a_cancelled_future_gives_its_message_each_time(
    loop: Loop, kind: Kind, message: object
) -> None:
    future = kind.Future(loop=loop)
    assert future.cancel(msg=message) is True
    assert future._cancel_message == message
    errors = []
    for question in (future.result, future.exception, future.result):
        with pytest.raises(asyncio.CancelledError) as caught:
            question()
        errors.append(caught.value)
    expected = () if message is None else (message,)
    assert [error.args for error in errors] == [expected] * 3
    assert len(set(map(id, errors))) == 3
    made = future._make_cancelled_error()
    assert (type(made), made.args) == (asyncio.CancelledError, expected)


@pytest.mark.parametrize("error", [StopIteration, StopIteration(3)], ids=repr)
def test_a_future_takes_no_stop_iteration_as_it_is(loop: Loop, kind: Kind, error: Any) -> None:
    future = kind.Future(loop=loop)
    text = "StopIteration interacts badly with generators and cannot be raised into a Future"
    if not STOP_ITERATION_IS_WRAPPED:
        with pytest.raises(TypeError, match=text):
            future.set_exception(error)
        assert not future.done()
        return
    future.set_exception(error)
    exception = future.exception()
    assert type(exception) is RuntimeError
    assert exception.args == (text,)
    assert type(exception.__cause__) is StopIteration
    assert exception.__cause__ is exception.__context__


@pytest.mark.parametrize("wrong", [1, int, None, "text"], ids=repr)
def test_only_exceptions_can_be_set_as_exceptions(loop: Loop, kind: Kind, wrong: object) -> None:
    future = kind.Future(loop=loop)
    if kind.in_python:
        pytest.skip("pure Python trips over what the thing lacks")
    with pytest.raises(TypeError, match="^invalid exception object$"):
        future.set_exception(wrong)
    assert not future.done()


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt("k"),
        GeneratorExit(),
        BaseException("b"),
        asyncio.CancelledError("c"),
        StopAsyncIteration(),
    ],
    ids=repr,
)
def test_every_other_exception_is_kept_as_it_is(
    loop: Loop, kind: Kind, error: BaseException
) -> None:
    future = kind.Future(loop=loop)
    future.set_exception(error)
    assert not future.cancelled()
    assert future.exception() is error
    with pytest.raises(type(error)) as caught:
        future.result()
    assert caught.value is error


def test_an_exception_class_is_called(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    future.set_exception(LookupError)
    assert type(future.exception()) is LookupError


def test_a_traceback_does_not_grow_when_it_is_raised_again(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    future.set_exception(LookupError())
    lengths = set()
    for _ in range(5):
        with pytest.raises(LookupError) as caught:
            future.result()
        lengths.add(len(list(traceback.walk_tb(caught.value.__traceback__))))
    assert len(lengths) == 1


def test_the_error_of_a_future_remembers_what_was_being_handled(loop: Loop, kind: Kind) -> None:
    failed, cancelled = kind.Future(loop=loop), kind.Future(loop=loop)
    failed.set_exception(LookupError("mine"))
    cancelled.cancel()

    async def child(future: Any) -> None:
        try:
            raise ValueError("being handled")
        except ValueError:
            await future

    for future in (failed, cancelled):
        with pytest.raises((LookupError, asyncio.CancelledError)) as caught:
            loop.run_until_complete(child(future))
        assert isinstance(caught.value.__context__, ValueError)
        try:
            raise KeyError("being handled")
        except KeyError:
            with pytest.raises((LookupError, asyncio.CancelledError)) as caught:
                future.result()
        assert isinstance(caught.value.__context__, KeyError)


def test_callbacks_are_shown_as_pairs_with_their_contexts(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    context = contextvars.copy_context()
    assert not future._callbacks
    future.add_done_callback(print, context=context)
    future.add_done_callback(len)
    (first, first_context), (second, second_context) = future._callbacks
    assert (first, second) == (print, len)
    assert first_context is context
    assert isinstance(second_context, contextvars.Context)
    future.cancel()
    assert not future._callbacks
    if not kind.in_python:
        assert future._callbacks is None
    spin(loop, 0)
    future.remove_done_callback(print)
    loop.set_exception_handler(lambda loop, context: None)
    spin(loop)


def test_a_callback_is_not_looked_at_before_it_is_called(
    loop: Loop, kind: Kind, reports: Reports
) -> None:
    future = kind.Future(loop=loop)
    future.add_done_callback(None)
    assert future.remove_done_callback(None) == 1
    future.add_done_callback(5)
    future.set_result(None)
    spin(loop)
    [report] = reports
    assert isinstance(report["exception"], TypeError)
    reports.clear()


def test_add_done_callback_takes_one_function_and_a_context_by_name(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    for arguments in ((), (print, None)):
        with pytest.raises(TypeError):
            future.add_done_callback(*arguments)
    called: list[object] = []
    future.add_done_callback(called.append, context=None)
    future.set_result(None)
    spin(loop)
    assert called == [future]


def test_callbacks_that_are_added_and_removed_by_callbacks(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    order: list[object] = []

    def first(done: Any) -> None:
        order.append(("first", done.remove_done_callback(second)))
        done.add_done_callback(third)

    def second(done: Any) -> None:
        order.append("second")

    def third(done: Any) -> None:
        order.append(("third", done.cancel()))

    future.add_done_callback(first)
    future.add_done_callback(second)
    future.set_result(None)
    spin(loop, 1)
    assert order == [("first", 0), "second"]
    spin(loop)
    assert order == [("first", 0), "second", ("third", False)]


def test_private_names_can_be_read(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    assert future._loop is loop
    assert future._state == "PENDING"
    assert future._result is None
    assert future._exception is None
    assert future._log_traceback is False
    assert future._cancel_message is None
    assert future._source_traceback is None
    assert future._asyncio_future_blocking is False
    future.set_result(1)
    assert (future._state, future._result) == ("FINISHED", 1)
    other = kind.Future(loop=loop)
    error = LookupError()
    other.set_exception(error)
    assert other._exception is error
    assert other._log_traceback is True
    other._log_traceback = False
    third = kind.Future(loop=loop)
    third.cancel()
    assert third._state == "CANCELLED"


def test_private_names_that_can_be_written(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    with pytest.raises(ValueError, match="^_log_traceback can only be set to False$"):
        future._log_traceback = True
    future._log_traceback = 0
    assert future._log_traceback is False
    future._asyncio_future_blocking = True
    assert future._asyncio_future_blocking is True
    future._asyncio_future_blocking = False
    future._cancel_message = 5
    assert future._cancel_message == 5


READ_ONLY = "_loop", "_callbacks", "_state", "_result", "_exception", "_source_traceback"


@pytest.mark.parametrize("name", READ_ONLY)
def test_private_names_that_cannot_be_written(loop: Loop, kind: Kind, name: str) -> None:
    if kind.in_python:
        pytest.skip("in pure Python every attribute can be written")
    future = kind.Future(loop=loop)
    with pytest.raises(AttributeError, match=name):
        setattr(future, name, None)
    with pytest.raises(AttributeError, match=name):
        delattr(future, name)
    assert future._loop is loop
    assert not future.done()


@pytest.mark.parametrize("name", ["_log_traceback", "_asyncio_future_blocking", "_cancel_message"])
def test_private_names_cannot_be_deleted(loop: Loop, kind: Kind, name: str) -> None:
    future = kind.Future(loop=loop)
    with pytest.raises(AttributeError):
        delattr(future, name)
    getattr(future, name)


def test_a_future_takes_attributes_and_is_told_apart_by_identity(loop: Loop, kind: Kind) -> None:
    a, b = kind.Future(loop=loop), kind.Future(loop=loop)
    a.mine = 1
    assert a.mine == 1
    assert a != b
    assert {a, b, a} == {a, b}
    assert hash(a) == object.__hash__(a)
    gone = weakref.ref(a)
    assert gone() is a
    del a
    assert gone() is None


def test_a_future_can_be_subscribed_like_a_generic_class(kind: Kind) -> None:
    assert kind.Future[int].__origin__ is kind.Future
    assert kind.Task[int].__args__ == (int,)
    assert isinstance(kind.Future[int], types.GenericAlias)


def test_a_future_is_an_asyncio_future(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    assert asyncio.isfuture(future)
    assert not asyncio.isfuture(kind.Future)
    if not kind.in_python:
        assert isinstance(future, asyncio.Future)
        assert not isinstance(future, asyncio.Task)


def test_a_future_made_without_arguments_belongs_to_the_running_loop(
    loop: Loop, kind: Kind
) -> None:
    async def main() -> None:
        assert kind.Future().get_loop() is loop
        assert kind.Future(loop=None).get_loop() is loop

    loop.run_until_complete(main())


@pytest.mark.python_since(3, 14, "before, a loop is asked of the policy")
def test_without_a_loop_there_is_no_future(loop: Loop, kind: Kind) -> None:
    with pytest.raises(
        RuntimeError, match="^There is no current event loop in thread 'MainThread'"
    ):
        kind.Future()


def test_wrong_arguments_of_a_future_are_type_errors(loop: Loop, kind: Kind) -> None:
    with pytest.raises(TypeError):
        kind.Future(1)
    with pytest.raises(TypeError):
        kind.Future(loop=loop, bad=1)
    with pytest.raises(AttributeError, match="'int' object has no attribute 'get_debug'"):
        kind.Future(loop=1)


def test_a_future_without_init_says_so(kind: Kind) -> None:
    if kind.in_python:
        pytest.skip("pure Python trips over what is not there yet")
    future = kind.Future.__new__(kind.Future)
    assert not future.done()
    assert not future.cancelled()
    assert future._loop is None
    assert future._asyncio_future_blocking is False
    assert future._cancel_message is None
    assert future._source_traceback is None
    text = "^Future object is not initialized.$"
    for question in (future.result, future.exception):
        with pytest.raises(asyncio.InvalidStateError, match=text):
            question()
    calls = [
        future.cancel,
        future.get_loop,
        future.__await__,
        future.__iter__,
        future.__repr__,
        lambda: future.set_result(1),
        lambda: future.set_exception(ValueError()),
        lambda: future.remove_done_callback(print),
        lambda: future._callbacks,
        lambda: future._state,
        lambda: future._result,
        lambda: future._exception,
        lambda: future._log_traceback,
    ]
    for call in calls:
        with pytest.raises(RuntimeError, match=text):
            call()
    with pytest.raises(RuntimeError, match="^uninitialized Future object$"):
        future.add_done_callback(print)


def test_a_future_whose_init_is_called_again_is_as_new(loop: Loop, kind: Kind) -> None:
    if kind.in_python:
        pytest.skip("pure Python keeps the old state")
    future = kind.Future(loop=loop)
    future.set_result(1)
    future.__init__(loop=loop)
    assert not future.done()
    assert repr(future) == "<Future pending>"


def test_the_representation_says_state_result_and_callbacks(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    seen = [repr(future)]
    for callback in (print, len, repr):
        future.add_done_callback(callback)
        seen.append(repr(future))
    assert seen == [
        "<Future pending>",
        "<Future pending cb=[print()]>",
        "<Future pending cb=[print(), len()]>",
        "<Future pending cb=[print(), <1 more>, repr()]>",
    ]
    for callback in (print, len, repr):
        future.remove_done_callback(callback)
    future.set_result([1] * 20)
    assert repr(future) == "<Future finished result=[1, 1, 1, 1, 1, 1, ...]>"


def test_the_representation_of_other_ends(loop: Loop, kind: Kind) -> None:
    class Mine(kind.Future):  # type: ignore[misc, name-defined]
        pass

    endless, failed, cancelled = (kind.Future(loop=loop) for _ in range(3))
    endless.set_result(endless)
    failed.set_exception(ValueError("v" * 300))
    cancelled.cancel("not said")
    assert repr(endless) == "<Future finished result=...>"
    assert repr(failed) == f"<Future finished exception={failed.exception()!r}>"
    assert repr(cancelled) == "<Future cancelled>"
    assert repr(Mine(loop=loop)) == "<Mine pending>"
    loop.set_debug(True)
    assert re.fullmatch(r"<Future pending created at .*:\d+>", repr(kind.Future(loop=loop)))


def test_in_debug_mode_a_future_knows_where_it_was_made(loop: Loop, kind: Kind) -> None:
    loop.set_debug(True)
    future = kind.Future(loop=loop)
    assert isinstance(future._source_traceback, traceback.StackSummary)
    assert future._source_traceback[-1].name == (
        "test_in_debug_mode_a_future_knows_where_it_was_made"
    )


@pytest.mark.parametrize("fetch", ["result", "exception", "await", "flag", "callback"])
def test_whether_an_exception_counts_as_retrieved(
    loop: Loop, kind: Kind, reports: Reports, fetch: str
) -> None:
    future = kind.Future(loop=loop)
    future.set_exception(LookupError("lost?"))
    match fetch:
        case "result":
            with pytest.raises(LookupError):
                future.result()
        case "exception":
            future.exception()
        case "await":
            with pytest.raises(LookupError):
                loop.run_until_complete(waits(future))
        case "flag":
            future._log_traceback = False
        case "callback":
            future.add_done_callback(id)
            spin(loop)
    retrieved = fetch != "callback"
    assert future._log_traceback is not retrieved
    del future
    gc.collect()
    assert len(reports) == (0 if retrieved else 1)
    reports.clear()


def test_the_report_of_a_lost_exception(loop: Loop, kind: Kind, reports: Reports) -> None:
    class Mine(kind.Future):  # type: ignore[misc, name-defined]
        pass

    for cls in (kind.Future, Mine):
        future = cls(loop=loop)
        error = LookupError("lost")
        future.set_exception(error)
        del future
        gc.collect()
        report = reports.pop()
        assert set(report) == {"message", "exception", "future"}
        assert report["message"] == f"{cls.__name__} exception was never retrieved"
        assert report["exception"] is error
        assert type(report["future"]) is cls
        del report
    loop.set_debug(True)
    future = kind.Future(loop=loop)
    future.set_exception(LookupError("lost"))
    del future
    gc.collect()
    assert "source_traceback" in reports.pop()


def test_callbacks_on_a_closed_loop_are_refused(loop_factory: Any, kind: Kind) -> None:
    loop = loop_factory()
    loop.close()
    future = kind.Future(loop=loop)
    future.add_done_callback(print)
    with pytest.raises(RuntimeError, match="^Event loop is closed$"):
        future.set_result(1)
    assert future.result() == 1
    assert not future._callbacks
    with pytest.raises(RuntimeError, match="^Event loop is closed$"):
        future.add_done_callback(print)


def test_the_iterator_of_a_future_speaks_the_protocol_of_tasks(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    steps = future.__await__()
    assert steps.send(None) is future
    assert future._asyncio_future_blocking is True
    with pytest.raises(RuntimeError, match="^await wasn't used with future$"):
        steps.send(None)
    future._asyncio_future_blocking = False
    steps = iter(future)
    assert next(steps) is future
    future.set_result((1, 2))
    with pytest.raises(StopIteration) as caught:
        steps.send(None)
    assert caught.value.value == (1, 2)
    with pytest.raises(StopIteration):
        next(steps)


def test_what_is_thrown_into_the_iterator_of_a_future_comes_out(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    for thrown in (ValueError("x"), ValueError, asyncio.CancelledError("c")):
        steps = future.__await__()
        next(steps)
        future._asyncio_future_blocking = False
        with pytest.raises((ValueError, asyncio.CancelledError)) as caught:
            steps.throw(thrown)
        assert caught.value is thrown or type(caught.value) is thrown
    steps = future.__await__()
    next(steps)
    steps.close()
    with pytest.raises(TypeError):
        future.__await__().throw(5)


@pytest.mark.parametrize("result", [StopIteration(4), (1,), None, StopIteration], ids=repr)
def test_any_object_is_a_result(loop: Loop, kind: Kind, result: object) -> None:
    future = kind.Future(loop=loop)
    future.set_result(result)
    got = loop.run_until_complete(waits(future))
    assert got is result
    assert future.result() is result


def test_an_heir_of_a_future_two_classes_deep(loop: Loop, kind: Kind) -> None:
    calls: list[str] = []

    class Parent(kind.Future):  # type: ignore[misc, name-defined]
        def __init__(self, *, loop: Loop) -> None:
            self.early = 1
            super().__init__(loop=loop)
            self.late = 2

        def set_result(self, result: object) -> None:
            calls.append("set_result")
            super().set_result(result)

        def cancel(self, msg: object = None) -> bool:
            calls.append(f"cancel {msg}")
            return bool(super().cancel(msg=msg))

        def result(self) -> object:
            calls.append("result")
            return super().result()

        def add_done_callback(self, callback: Any, *, context: Any = None) -> None:
            calls.append("add_done_callback")
            super().add_done_callback(callback, context=context)

    class Child(Parent):
        __slots__ = ("slot",)

        def __await__(self):  # type: ignore[no-untyped-def]
            calls.append("await")
            return super().__await__()

    child = Child(loop=loop)
    child.slot = child.free = 3
    assert (child.early, child.late, child.slot, child.free) == (1, 2, 3, 3)
    task = kind.Task(waits(child), loop=loop)
    spin(loop, 1)
    child.set_result(4)
    spin(loop)
    assert task.result() == 4
    assert calls[:3] == ["await", "add_done_callback", "set_result"]
    assert "result" in calls
    calls.clear()
    child = Child(loop=loop)
    task = kind.Task(waits(child), loop=loop)
    spin(loop, 1)
    task.cancel("why")
    spin(loop)
    assert task.cancelled()
    assert "cancel why" in calls


def test_an_heir_that_forgets_to_call_init_is_safe(kind: Kind) -> None:
    class Forgets(kind.Future):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            pass

    future = Forgets()
    assert not future.done()
    if not kind.in_python:
        with pytest.raises(RuntimeError, match="not initialized"):
            repr(future)


def test_an_heir_may_have_a_destructor_and_other_parents(
    loop: Loop, kind: Kind, reports: Reports
) -> None:
    calls: list[str] = []

    class Mixin:
        def mixed(self) -> int:
            return 1

    class Heir(Mixin, kind.Future):  # type: ignore[misc, name-defined]
        def __del__(self) -> None:
            calls.append("gone")
            super().__del__()

    heir = Heir(loop=loop)
    assert heir.mixed() == 1
    heir.set_exception(LookupError("lost"))
    del heir
    gc.collect()
    assert calls == ["gone"]
    assert reports.pop()["message"] == "Heir exception was never retrieved"
