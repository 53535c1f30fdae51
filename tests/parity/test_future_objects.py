"""What a future is as an object: private names, making, reprs, reports, its iterator, and its heirs."""

from __future__ import annotations

import asyncio
import gc
import re
import sys
import traceback
import types
import weakref
from typing import Any

import pytest

from .kinds import Kind, spin, waits
from .support import Loop, Reports


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


def test_a_future_whose_init_is_called_again_is_as_new_or_refuses(loop: Loop, kind: Kind) -> None:
    if kind.in_python and sys.version_info < (3, 15):
        pytest.skip("pure Python keeps the old state")
    future = kind.Future(loop=loop)
    future.set_result(1)
    if sys.version_info >= (3, 15):
        with pytest.raises(RuntimeError, match="Future object is already initialized"):
            future.__init__(loop=loop)
        assert future.result() == 1
        return
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
