"""Handles: what `call_soon` and `call_later` return, and what may be asked of it."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import re
import sys
import threading
import weakref
from typing import Any

import pytest

from .support import Loop


def _noop(*args: object) -> None:
    """A callback with a name that reprs show."""


class Silent:
    """A callable object without a `__name__`."""

    def __call__(self) -> None:
        """Do nothing."""


def test_call_soon_returns_something_with_cancel_and_cancelled(loop: Loop) -> None:
    handle = loop.call_soon(_noop)
    assert handle.cancelled() is False
    assert handle.cancel() is None
    assert handle.cancelled() is True


def test_handles_are_asyncios_handles(loop: Loop) -> None:
    handle, threadsafe = loop.call_soon(_noop), loop.call_soon_threadsafe(_noop)
    timer = loop.call_later(3600, _noop)
    assert isinstance(handle, asyncio.Handle)
    assert isinstance(threadsafe, asyncio.Handle)
    assert isinstance(timer, asyncio.TimerHandle)
    assert isinstance(timer, asyncio.Handle)
    assert not isinstance(handle, asyncio.TimerHandle)
    timer.cancel()


def test_a_cancelled_handle_never_runs(loop: Loop) -> None:
    ran: list[int] = []
    handle = loop.call_soon(ran.append, 1)
    loop.call_soon(ran.append, 2)
    handle.cancel()
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert ran == [2]


def test_a_callback_may_cancel_a_later_one_of_its_own_batch(loop: Loop) -> None:
    ran: list[int] = []

    def first() -> None:
        ran.append(1)
        second.cancel()

    loop.call_soon(first)
    second = loop.call_soon(ran.append, 2)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert ran == [1]


def test_cancelling_twice_or_after_the_run_does_no_harm(loop: Loop) -> None:
    handle = loop.call_soon(loop.stop)
    loop.run_forever()
    handle.cancel()
    handle.cancel()
    assert handle.cancelled() is True


def test_a_callback_may_cancel_its_own_handle(loop: Loop) -> None:
    handles: list[asyncio.Handle] = []
    handles.append(loop.call_soon(lambda: handles[0].cancel()))
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert handles[0].cancelled()


def test_a_cancelled_handle_lets_go_of_its_callback_and_arguments(loop: Loop) -> None:
    class Owner:
        """Something to be let go of."""

    owner = Owner()
    gone = weakref.ref(owner)
    handle = loop.call_soon(_noop, owner)
    timer = loop.call_later(3600, _noop, owner)
    del owner
    handle.cancel()
    timer.cancel()
    assert gone() is None


@pytest.mark.asyncio_since(3, 12, "Handle.get_context is new in 3.12")
def test_get_context_is_the_context_that_was_given(loop: Loop) -> None:
    context = contextvars.copy_context()
    assert loop.call_soon(_noop, context=context).get_context() is context
    timer = loop.call_later(3600, _noop, context=context)
    assert timer.get_context() is context
    timer.cancel()


@pytest.mark.asyncio_since(3, 12, "Handle.get_context is new in 3.12")
def test_get_context_without_one_is_a_copy_of_the_callers(loop: Loop) -> None:
    var: contextvars.ContextVar[int] = contextvars.ContextVar("var")
    token = var.set(7)
    handle = loop.call_soon(_noop)
    var.reset(token)
    assert handle.get_context()[var] == 7


def test_when_is_the_loops_time_at_which_a_timer_is_due(loop: Loop) -> None:
    timer = loop.call_at(loop.time() + 1000.25, _noop)
    later = loop.call_at(1e9, _noop)
    assert later.when() == 1e9
    assert loop.time() < timer.when() < loop.time() + 1001
    timer.cancel()
    assert timer.when() > 0
    later.cancel()


def test_call_later_zero_gives_a_timer_handle(loop: Loop) -> None:
    before = loop.time()
    timer = loop.call_later(0, _noop)
    assert before <= timer.when() <= loop.time()
    timer.cancel()


def test_a_timer_handle_is_hashable_and_usable_as_a_key(loop: Loop) -> None:
    a, b = loop.call_later(1, _noop), loop.call_later(2, _noop)
    known = {a: "a", b: "b"}
    assert known[a] == "a"
    assert known[b] == "b"
    a.cancel()
    b.cancel()
    assert known[a] == "a"


def test_handles_are_hashable(loop: Loop) -> None:
    a, b = loop.call_soon(_noop), loop.call_soon(_noop)
    assert len({a, b}) == 2
    a.cancel()
    b.cancel()


def test_handles_can_be_weakly_referenced(loop: Loop) -> None:
    handle = loop.call_soon(_noop)
    timer = loop.call_later(3600, _noop)
    assert weakref.ref(handle)() is handle
    assert weakref.ref(timer)() is timer
    handle.cancel()
    timer.cancel()


def test_timer_handles_are_ordered_by_when(loop: Loop) -> None:
    now = loop.time()
    early, late = loop.call_at(now + 10, _noop), loop.call_at(now + 20, _noop)
    assert early < late
    assert early <= late
    assert late > early
    assert late >= early
    assert not early > late
    assert sorted([late, early], key=lambda h: h.when()) == [early, late]
    early.cancel()
    late.cancel()


def test_timer_handles_with_the_same_callback_time_and_arguments_are_equal(loop: Loop) -> None:
    when = loop.time() + 100
    a, b = loop.call_at(when, _noop, 1), loop.call_at(when, _noop, 1)
    other = loop.call_at(when, _noop, 2)
    assert a == b
    assert a <= b
    assert a >= b
    assert hash(a) == hash(b)
    assert a != other
    b.cancel()
    assert a != b
    a.cancel()
    other.cancel()


def test_comparing_a_timer_handle_with_something_else_is_a_type_error(loop: Loop) -> None:
    timer = loop.call_later(100, _noop)
    assert (timer == 1) is False
    assert (timer != 1) is True
    for compare in (
        lambda: timer < 1,  # type: ignore[operator]
        lambda: timer <= 1,  # type: ignore[operator]
        lambda: timer > 1,  # type: ignore[operator]
        lambda: timer >= 1,  # type: ignore[operator]
    ):
        with pytest.raises(TypeError):
            compare()
    timer.cancel()


def test_the_repr_of_a_handle_names_callback_and_place(loop: Loop) -> None:
    handle = loop.call_soon(_noop, 1, "two")
    line = _noop.__code__.co_firstlineno
    text = repr(handle)
    # From 3.13 on the arguments are shown in debug mode only.
    assert re.fullmatch(rf"<Handle _noop\((1, 'two')?\) at \S*test_handles\.py:{line}>", text), text
    assert text == repr(asyncio.Handle(_noop, (1, "two"), loop))
    handle.cancel()


def test_the_repr_of_a_cancelled_handle_forgets_the_callback(loop: Loop) -> None:
    handle = loop.call_soon(_noop)
    handle.cancel()
    assert repr(handle) == "<Handle cancelled>"


def test_the_repr_of_a_timer_handle_shows_when(loop: Loop) -> None:
    timer = loop.call_at(123456789.5, _noop)
    line = _noop.__code__.co_firstlineno
    text = repr(timer)
    assert re.fullmatch(
        rf"<TimerHandle when=123456789\.5 _noop\(\) at \S*test_handles\.py:{line}>", text
    ), text
    timer.cancel()
    assert repr(timer) == "<TimerHandle cancelled when=123456789.5>"


def test_the_repr_of_a_handle_sees_through_partials(loop: Loop) -> None:
    callback = functools.partial(_noop, 1)
    handle = loop.call_soon(callback, 2)
    assert repr(handle) == repr(asyncio.Handle(callback, (2,), loop))
    assert repr(handle).startswith("<Handle _noop(")
    handle.cancel()


def test_the_repr_of_a_handle_uses_the_qualified_name(loop: Loop) -> None:
    def inner() -> None:
        """A nested callback."""

    handle = loop.call_soon(inner)
    assert "test_the_repr_of_a_handle_uses_the_qualified_name.<locals>.inner() at " in repr(handle)
    handle.cancel()


def test_the_repr_of_a_callable_object_is_its_own_repr(loop: Loop) -> None:
    callback = Silent()
    handle = loop.call_soon(callback)
    assert repr(callback) in repr(handle)
    handle.cancel()


def test_in_debug_mode_the_repr_says_where_the_handle_was_created(loop: Loop) -> None:
    loop.set_debug(True)
    handle = loop.call_soon(_noop)
    text = repr(handle)
    assert re.search(r" created at \S*test_handles\.py:\d+>$", text), text
    timer = loop.call_later(100, _noop)
    assert re.search(r" created at \S*test_handles\.py:\d+>$", repr(timer)), repr(timer)
    handle.cancel()
    timer.cancel()
    assert re.fullmatch(r"<Handle cancelled _noop\(\) at \S+ created at \S+:\d+>", repr(handle)), (
        repr(handle)
    )


def test_handles_can_be_compared_with_is_and_eq(loop: Loop) -> None:
    a, b = loop.call_soon(_noop), loop.call_soon(_noop)
    assert a == a
    assert a != b
    a.cancel()
    b.cancel()


def test_a_threadsafe_handle_can_be_cancelled(loop: Loop) -> None:
    ran: list[int] = []
    handle = loop.call_soon_threadsafe(ran.append, 1)
    assert handle.cancelled() is False
    handle.cancel()
    loop.call_soon_threadsafe(loop.stop)
    loop.run_forever()
    assert ran == []
    assert handle.cancelled() is True


#: As many arguments as callbacks mostly have, and more.
COUNTS = [0, 1, 2, 3, 4, 10]


@pytest.mark.parametrize("count", COUNTS)
def test_every_argument_arrives_in_its_place(loop: Loop, count: int) -> None:
    arguments = tuple(object() for _ in range(count))
    seen: list[tuple[object, ...]] = []

    class Owner:
        """Something with a method to call."""

        def method(self, *args: object) -> None:
            """Note the arguments."""
            seen.append(args)

    loop.call_soon(lambda *args: seen.append(args), *arguments)
    loop.call_soon(Owner().method, *arguments)
    loop.call_soon(functools.partial(Owner().method), *arguments)
    loop.call_soon(_noop, *arguments, context=contextvars.copy_context())
    loop.call_soon_threadsafe(Owner().method, *arguments)
    loop.call_later(0, Owner().method, *arguments)
    loop.call_at(loop.time(), Owner().method, *arguments)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert seen == [arguments] * 6


@pytest.mark.parametrize("count", COUNTS)
def test_a_handle_shows_its_arguments_until_it_is_cancelled(loop: Loop, count: int) -> None:
    arguments = tuple(object() for _ in range(count))
    handle: Any = loop.call_soon(_noop, *arguments)
    timer: Any = loop.call_later(3600, _noop, *arguments)
    for kept in (handle, timer):
        assert kept._args == arguments
        assert kept._args is kept._args
        kept.cancel()
        assert kept._args is None


@pytest.mark.parametrize("count", COUNTS)
def test_in_debug_mode_the_repr_shows_the_arguments(loop: Loop, count: int) -> None:
    loop.set_debug(True)
    arguments = tuple(range(count))
    handle = loop.call_soon(_noop, *arguments)
    assert f"<Handle _noop({', '.join(map(str, arguments))}) at " in repr(handle)
    handle.cancel()


@pytest.mark.parametrize("count", COUNTS)
def test_arguments_outlive_a_callback_that_cancels_its_own_handle(loop: Loop, count: int) -> None:
    class Owner:
        """Something to be kept."""

    kept: list[bool] = []

    def callback(*args: object) -> None:
        references = [weakref.ref(arg) for arg in args]
        handles[0].cancel()
        handles.clear()
        kept.append(all(reference() is not None for reference in references))

    handles = [loop.call_soon(callback, *[Owner() for _ in range(count)])]
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert kept == [True]


@pytest.mark.parametrize("count", COUNTS)
def test_arguments_are_let_go_of_with_the_handle(loop: Loop, count: int) -> None:
    class Owner:
        """Something to be let go of."""

    owners = [Owner() for _ in range(count)]
    gone = [weakref.ref(owner) for owner in owners]
    cancelled = loop.call_soon(_noop, *owners)
    loop.call_soon(_noop, *owners)
    owners.clear()
    cancelled.cancel()
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert [reference() for reference in gone] == [None] * count


def test_a_weak_reference_to_a_handle_is_told_when_it_is_gone(loop: Loop) -> None:
    told: list[object] = []
    handles = [loop.call_soon(_noop), loop.call_soon_threadsafe(_noop), loop.call_later(0, _noop)]
    references = [weakref.ref(handle, told.append) for handle in handles]
    del handles
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    gc.collect()
    assert set(map(id, told)) == set(map(id, references))


def test_another_thread_that_cancels_a_threadsafe_handle_waits_while_it_runs(loop: Loop) -> None:
    if sys.version_info < (3, 14):
        pytest.skip("other threads do not wait before Python 3.14")
    begun = threading.Event()
    seen: list[bool] = []

    def callback() -> None:
        # The thread that runs the callback does not wait for itself.
        seen.append(handle.cancelled())
        begun.set()
        # The other thread would end, were it not made to wait.
        thread.join(0.05)
        seen.append(thread.is_alive())

    def cancel() -> None:
        begun.wait(10)
        handle.cancel()
        seen.append(handle.cancelled())

    handle = loop.call_soon_threadsafe(callback)
    loop.call_soon(loop.stop)
    thread = threading.Thread(target=cancel)
    thread.start()
    loop.run_forever()
    thread.join()
    assert seen == [False, True, True]
