"""The task object: names, private names, representations, stacks, construction and inheritance."""

from __future__ import annotations

import asyncio
import contextvars
import io
import re
import sys
import types
import weakref
from typing import Any

import pytest

from .kinds import (
    HAS_EAGER_START,
    TASKS_TELL_THEIR_CONTEXT,
    Kind,
    one_turn,
    spin,
    value,
    waits,
)
from .support import Loop, Reports


def _number(task: Any) -> int:
    return int(task.get_name().removeprefix("Task-"))


def test_names_are_numbered_in_the_order_of_creation(loop: Loop, kind: Kind) -> None:
    first = kind.Task(value(), loop=loop)
    kind.Task(value(), loop=loop, name="takes no number")
    second = kind.Task(value(), loop=loop)
    third = kind.Task(value(), loop=loop, name=None)
    assert _number(third) == _number(second) + 1 == _number(first) + 2
    assert third.get_name() == third.get_name()
    spin(loop)


@pytest.mark.parametrize("name", ["", 0, ("a",), 3.5], ids=repr)
def test_any_object_is_a_name_by_its_str(loop: Loop, kind: Kind, name: Any) -> None:
    task = kind.Task(value(), loop=loop, name=name)
    assert task.get_name() == str(name)
    task.set_name("other")
    task.set_name(name)
    assert task.get_name() == str(name)
    assert type(task.get_name()) is str
    task.set_name(None)
    assert task.get_name() == "None"
    spin(loop)


def test_what_str_of_a_name_raises_comes_out(loop: Loop, kind: Kind) -> None:
    class Bad:
        def __str__(self) -> str:
            raise LookupError("no name")

    task = kind.Task(value(), loop=loop, name="before")
    with pytest.raises(LookupError, match="no name"):
        task.set_name(Bad())
    assert task.get_name() == "before"
    spin(loop)


def test_a_task_takes_no_result_from_outside(loop: Loop, kind: Kind) -> None:
    task = kind.Task(value(1), loop=loop)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="^Task does not support set_result operation$"):
            task.set_result(2)
        with pytest.raises(RuntimeError, match="^Task does not support set_exception operation$"):
            task.set_exception(ValueError())
        spin(loop)
    assert task.result() == 1


def test_private_names_can_be_read(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    coro = waits(future)
    task = kind.Task(coro, loop=loop)
    assert task._loop is loop
    assert task._coro is coro
    assert task._fut_waiter is None
    assert task._must_cancel is False
    assert task._log_destroy_pending is True
    assert (task._state, task._result, task._exception) == ("PENDING", None, None)
    assert not task._callbacks
    assert task._source_traceback is None
    assert task._cancel_message is None
    spin(loop, 1)
    assert task._fut_waiter is future
    assert future._asyncio_future_blocking is False
    future.set_result(4)
    assert task._fut_waiter is future
    spin(loop)
    assert task._fut_waiter is None
    assert (task._state, task._result) == ("FINISHED", 4)
    assert task.get_coro() is coro


def test_log_destroy_pending_can_be_written(loop: Loop, kind: Kind) -> None:
    task = kind.Task(value(), loop=loop)
    task._log_destroy_pending = False
    assert task._log_destroy_pending is False
    task._log_destroy_pending = True
    assert task._log_destroy_pending is True
    if not kind.in_python:
        with pytest.raises(AttributeError):
            del task._log_destroy_pending
    spin(loop)


@pytest.mark.parametrize("name", ["_must_cancel", "_fut_waiter", "_coro", "_state", "_loop"])
def test_private_names_that_cannot_be_written(loop: Loop, kind: Kind, name: str) -> None:
    if kind.in_python:
        pytest.skip("in pure Python every attribute can be written")
    task = kind.Task(value(), loop=loop)
    with pytest.raises(AttributeError, match=name):
        setattr(task, name, None)
    with pytest.raises(AttributeError, match=name):
        delattr(task, name)
    spin(loop)
    assert task.done()


def test_a_task_takes_attributes_and_weak_references(loop: Loop, kind: Kind) -> None:
    task = kind.Task(value(), loop=loop)
    task.mine = [1]
    spin(loop)
    gone = weakref.ref(task)
    by_task: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary({task: 1})
    tasks: weakref.WeakSet[Any] = weakref.WeakSet([task])
    assert (task.mine, by_task[task], task in tasks) == ([1], 1, True)
    del task
    assert gone() is None
    assert not by_task
    assert not tasks


def test_a_task_is_an_asyncio_task_and_a_generic_class(loop: Loop, kind: Kind) -> None:
    task = kind.Task(value(), loop=loop)
    assert asyncio.isfuture(task)
    if not kind.in_python:
        assert isinstance(task, asyncio.Task)
        assert isinstance(task, asyncio.Future)
    assert isinstance(kind.Task[int], types.GenericAlias)
    spin(loop)


def test_wrong_arguments_of_a_task_are_type_errors(loop: Loop, kind: Kind) -> None:
    if kind.in_python:
        pytest.skip("pure Python's destructor trips over what the constructor has not set")
    coro = value()
    with pytest.raises(TypeError):
        kind.Task()
    with pytest.raises(TypeError):
        kind.Task(coro, loop)
    with pytest.raises(TypeError, match="bad"):
        kind.Task(coro, loop=loop, bad=1)
    if kind.in_c and not HAS_EAGER_START:
        # Ours starts eagerly on every Python.
        with pytest.raises(TypeError, match="eager_start"):
            kind.Task(coro, loop=loop, eager_start=True)
    with pytest.raises(AttributeError, match="'int' object has no attribute 'get_debug'"):
        kind.Task(coro, loop=1)
    coro.close()


def test_a_failed_construction_leaves_nothing_behind(
    loop: Loop, kind: Kind, reports: Reports
) -> None:
    for wrong in (1, None, print):
        with pytest.raises(TypeError, match="^a coroutine was expected, got "):
            kind.Task(wrong, loop=loop)
    assert not asyncio.all_tasks(loop)
    assert reports == []


def test_a_task_on_a_closed_loop_is_refused(loop_factory: Any, kind: Kind) -> None:
    loop = loop_factory()
    loop.set_exception_handler(lambda loop, context: None)
    loop.close()
    coro = value()
    with pytest.raises(RuntimeError, match="^Event loop is closed$"):
        kind.Task(coro, loop=loop)
    coro.close()


def test_a_task_made_while_the_loop_does_not_run_waits_for_it(loop: Loop, kind: Kind) -> None:
    task = kind.Task(one_turn(1), loop=loop)
    assert task.get_loop() is loop
    assert not task.done()
    if kind.is_known_to_asyncio:
        assert asyncio.all_tasks(loop) == {task}
    assert loop.run_until_complete(task) == 1


@pytest.mark.python_since(3, 14, "before, a loop is asked of the policy")
def test_without_a_loop_there_is_no_task(loop: Loop, kind: Kind) -> None:
    if kind.in_python:
        pytest.skip("pure Python's destructor trips over what the constructor has not set")
    coro = value()
    with pytest.raises(
        RuntimeError, match="^There is no current event loop in thread 'MainThread'"
    ):
        kind.Task(coro)
    coro.close()


def test_a_task_made_without_a_loop_belongs_to_the_running_one(loop: Loop, kind: Kind) -> None:
    async def main() -> None:
        task = kind.Task(value(1))
        assert task.get_loop() is loop
        assert await task == 1

    loop.run_until_complete(main())


def test_a_task_whose_loop_closes_can_still_be_cancelled_in_part(
    loop_factory: Any, kind: Kind
) -> None:
    loop = loop_factory()
    future = kind.Future(loop=loop)
    task = kind.Task(waits(future), loop=loop)
    spin(loop, 1)
    loop.close()
    with pytest.raises(RuntimeError, match="^Event loop is closed$"):
        task.cancel()
    assert future.cancelled()
    assert not task.done()
    task._log_destroy_pending = False


def test_the_context_is_a_copy_or_the_one_given(loop: Loop, kind: Kind) -> None:
    var: contextvars.ContextVar[int] = contextvars.ContextVar("var", default=0)

    async def main() -> int:
        var.set(var.get() + 1)
        await asyncio.sleep(0)
        var.set(var.get() + 1)
        return var.get()

    context = contextvars.copy_context()
    given = kind.Task(main(), loop=loop, context=context)
    copied = kind.Task(main(), loop=loop)
    if TASKS_TELL_THEIR_CONTEXT:
        assert given.get_context() is context
        assert isinstance(copied.get_context(), contextvars.Context)
    again = kind.Task(main(), loop=loop, context=context)
    spin(loop, 4)
    assert (copied.result(), again.result(), context[var]) == (2, 4, 4)
    assert var.get() == 0


def test_a_task_without_init_is_safe(kind: Kind) -> None:
    if kind.in_python:
        pytest.skip("pure Python trips over what is not there yet")
    made = lambda: kind.Task.__new__(kind.Task)  # noqa: E731
    task = made()
    assert not task.done()
    assert not task.cancelled()
    assert task._loop is None
    assert (task._must_cancel, task._fut_waiter, task._log_destroy_pending) == (False, None, False)
    text = "^Future object is not initialized.$"
    for call in (task.get_loop, task.__await__, task.__repr__, task.get_stack, task.print_stack):
        with pytest.raises(RuntimeError, match=text):
            call()
    for question in (task.result, task.exception):
        with pytest.raises(asyncio.InvalidStateError, match=text):
            question()
    with pytest.raises(RuntimeError, match="^uninitialized Future object$"):
        task.add_done_callback(print)
    assert task.get_name() is None
    assert (task.cancelling(), task.cancel(), task.cancelling(), task.uncancel()) == (0, True, 1, 0)
    if not kind.in_c or sys.version_info >= (3, 14):
        # Before, the stdlib's crash.
        assert made().get_coro() is None
    if TASKS_TELL_THEIR_CONTEXT and (not kind.in_c or sys.version_info >= (3, 14)):
        assert made().get_context() is None


def test_a_task_whose_init_is_called_again_gets_the_new_coroutine_or_refuses(
    loop: Loop, kind: Kind, reports: Reports
) -> None:
    if kind.in_python and sys.version_info < (3, 15):
        pytest.skip("pure Python keeps the old state")
    task = kind.Task(value(1), loop=loop, name="first")
    spin(loop)
    if sys.version_info >= (3, 15):
        coroutine = value(2)
        with pytest.raises(RuntimeError, match="Task object is already initialized"):
            task.__init__(coroutine, loop=loop)
        coroutine.close()
        assert task.result() == 1
        return
    task.__init__(value(2), loop=loop, name="second")
    assert (task.done(), task.get_name()) == (False, "second")
    spin(loop)
    assert task.result() == 2


@pytest.mark.skipif(sys.version_info < (3, 15), reason="Python looks at it since 3.15")
@pytest.mark.parametrize("context", ["a context", 5, {}])
def test_what_is_no_context_is_refused(loop: Loop, kind: Kind, context: Any) -> None:
    coroutine = value(1)
    text = f"a contextvars.Context was expected, got {type(context).__name__}"
    with pytest.raises(TypeError, match=text):
        kind.Task(coroutine, loop=loop, context=context)
    with pytest.raises(TypeError, match=text):
        loop.create_task(coroutine, context=context)
    coroutine.close()


def _without_place(task: Any) -> str:
    text = re.sub(r"( running| done, defined)? at [^ >]+:\d+", r"\1 HERE", repr(task))
    return re.sub(r"\[[^]]+\.(task_wakeup|__wakeup)\(\)\]", "[WAKEUP]", text)


def test_the_representation_tells_name_coroutine_and_what_is_awaited(
    loop: Loop, kind: Kind
) -> None:
    class Mine(kind.Task):  # type: ignore[misc, name-defined]
        pass

    future = kind.Future(loop=loop)
    task = Mine(waits(future), loop=loop, name="n")
    seen = [_without_place(task)]
    spin(loop, 1)
    seen.append(_without_place(task))
    task.cancel()
    seen.append(_without_place(task))
    spin(loop)
    seen.append(_without_place(task))
    assert seen == [
        "<Mine pending name='n' coro=<waits() running HERE>>",
        "<Mine pending name='n' coro=<waits() running HERE> wait_for=<Future pending cb=[WAKEUP]>>",
        "<Mine cancelling name='n' coro=<waits() running HERE> wait_for=<Future cancelled>>",
        "<Mine cancelled name='n' coro=<waits() done, defined HERE>>",
    ]


def test_the_representation_of_a_finished_task_tells_its_outcome(loop: Loop, kind: Kind) -> None:
    async def fails() -> None:
        raise LookupError("mine")

    done, failed = kind.Task(value(1), loop=loop, name="d"), kind.Task(fails(), loop=loop, name="f")
    done.add_done_callback(print)
    assert repr(done).endswith(" cb=[print()]>")
    done.remove_done_callback(print)
    spin(loop)
    assert (
        _without_place(done)
        == "<Task finished name='d' coro=<value() done, defined HERE> result=1>"
    )
    assert repr(failed).endswith(" exception=LookupError('mine')>")
    failed.exception()


def test_the_representation_asks_an_heir_for_its_name(loop: Loop, kind: Kind) -> None:
    class Mine(kind.Task):  # type: ignore[misc, name-defined]
        def get_name(self) -> str:
            return "of my own"

    task = Mine(value(), loop=loop)
    assert "name='of my own'" in repr(task)
    spin(loop)


def test_in_debug_mode_the_representation_tells_where_a_task_was_made(
    loop: Loop, kind: Kind
) -> None:
    loop.set_debug(True)
    task = kind.Task(value(), loop=loop)
    assert re.search(r" created at .*test_task_objects\.py:\d+>$", repr(task))
    assert task._source_traceback[-1].name == (
        "test_in_debug_mode_the_representation_tells_where_a_task_was_made"
    )
    by_loop = loop.create_task(value())
    assert by_loop._source_traceback[-1].filename == __file__  # type: ignore[attr-defined]
    spin(loop)


async def _fails_deep(future: Any, depth: int) -> None:
    if depth:
        await _fails_deep(future, depth - 1)
    await future


def test_the_stack_of_a_task_is_where_it_waits(loop: Loop, kind: Kind) -> None:
    future = kind.Future(loop=loop)
    task = kind.Task(_fails_deep(future, 3), loop=loop, name="n")
    assert [frame.f_code.co_name for frame in task.get_stack()] == ["_fails_deep"]
    spin(loop, 1)
    assert [frame.f_code.co_name for frame in task.get_stack(limit=1)] == ["_fails_deep"]
    out = io.StringIO()
    task.print_stack(file=out, limit=5)
    assert out.getvalue().startswith("Stack for <Task pending name='n' ")
    assert " in _fails_deep\n" in out.getvalue()
    with pytest.raises(TypeError):
        task.get_stack(1)
    future.set_exception(LookupError("deep"))
    spin(loop)
    frames = [frame for frame in task.get_stack() if frame.f_code.co_name == "_fails_deep"]
    assert len(frames) == 4
    assert len(task.get_stack(limit=2)) == 2
    out = io.StringIO()
    task.print_stack(file=out)
    assert out.getvalue().startswith("Traceback for <Task finished name='n' ")
    assert out.getvalue().endswith("LookupError: deep\n")
    task.exception()


def test_a_task_that_is_done_has_no_stack(loop: Loop, kind: Kind) -> None:
    task = kind.Task(value(), loop=loop)
    spin(loop)
    out = io.StringIO()
    task.print_stack(file=out)
    assert task.get_stack() == []
    assert out.getvalue() == f"No stack for {task!r}\n"


def test_that_there_is_no_stack_goes_to_stdout_by_default(
    loop: Loop, kind: Kind, capsys: pytest.CaptureFixture[str]
) -> None:
    task = kind.Task(value(), loop=loop)
    spin(loop)
    task.print_stack()
    assert capsys.readouterr().out == f"No stack for {task!r}\n"


def test_an_heir_of_a_task_two_classes_deep(loop: Loop, kind: Kind) -> None:
    calls: list[object] = []

    class Parent(kind.Task):  # type: ignore[misc, name-defined]
        def __init__(self, coro: Any, *, loop: Loop, extra: int) -> None:
            self.extra = extra
            super().__init__(coro, loop=loop, name="heir")

        def result(self) -> object:
            calls.append("result")
            return super().result()

        def add_done_callback(self, callback: Any, *, context: Any = None) -> None:
            calls.append("add_done_callback")
            super().add_done_callback(callback, context=context)

        def set_result(self, result: object) -> None:
            calls.append("set_result")

        def uncancel(self) -> int:
            return -int(super().uncancel())

    class Child(Parent):
        __slots__ = ("slot",)

        def __del__(self) -> None:
            calls.append("gone")
            super().__del__()

    child = Child(one_turn(7), loop=loop, extra=3)
    child.slot = 4
    assert (child.extra, child.slot, child.get_name()) == (3, 4, "heir")
    assert "Child pending" in repr(child)
    waiter = kind.Task(waits(child), loop=loop)
    spin(loop, 5)
    assert waiter.result() == 7
    assert calls == ["add_done_callback", "result", "result"] or calls[0] == "add_done_callback"
    assert "set_result" not in calls
    child = Child(waits(kind.Future(loop=loop)), loop=loop, extra=3)
    spin(loop, 1)
    child.cancel()
    child.cancel()
    assert child.uncancel() == -1
    spin(loop)
    assert child.cancelled()
    del child, waiter
    assert calls[-1] == "gone"


def test_the_hook_for_cancelled_errors_can_be_called(loop: Loop, kind: Kind) -> None:
    task = kind.Task(one_turn(), loop=loop)
    assert task._make_cancelled_error().args == ()
    spin(loop, 1)
    task.cancel("why")
    assert task._make_cancelled_error().args == ("why",)
    spin(loop)
    assert task.cancelled()


def test_tasks_and_futures_mix_with_other_parents(loop: Loop, kind: Kind) -> None:
    class Mixin:
        def mixed(self) -> str:
            return "mixed"

    class Heir(Mixin, kind.Task):  # type: ignore[misc, name-defined]
        pass

    heir = Heir(value(), loop=loop)
    assert heir.mixed() == "mixed"
    both = type("Both", (kind.Task, kind.Future), {})
    assert issubclass(both, kind.Future)
    spin(loop)


def test_a_replaced_call_soon_sees_every_step_and_callback(loop: Loop) -> None:
    # Some instruments and test suites replace the method on one loop, and count on seeing everything.
    seen: list[str] = []
    call_soon = loop.call_soon

    def spy(callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        seen.append(getattr(callback, "__name__", type(callback).__name__))
        return call_soon(callback, *args, context=context)

    loop.call_soon = spy  # type: ignore[assignment, method-assign]

    def done(_task: object) -> None:
        pass

    async def two_steps() -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        task = loop.create_task(two_steps())
        task.add_done_callback(done)
        await task

    loop.run_until_complete(main())
    # Two steps each of two tasks, the wake-up and the callback at the end of one, and the stop at the end.
    assert len(seen) >= 6
    assert "done" in seen
