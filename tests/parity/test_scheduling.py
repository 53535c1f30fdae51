"""`call_soon`, `call_soon_threadsafe`, `call_later` and `call_at`: order, arguments, contexts, threads."""

from __future__ import annotations

import contextvars
import threading
from typing import Any

import pytest

from .support import Loop, Reports

var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="unset")


def _run(loop: Loop) -> None:
    """Run what is scheduled now, and what that schedules with a call_soon of its own."""
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()


def test_callbacks_run_in_the_order_of_their_scheduling(loop: Loop) -> None:
    ran: list[int] = []
    for i in range(1000):
        loop.call_soon(ran.append, i)
    _run(loop)
    assert ran == list(range(1000))


def test_soon_and_threadsafe_callbacks_share_one_order_on_the_loop_thread(loop: Loop) -> None:
    ran: list[int] = []

    async def main() -> None:
        for i in range(0, 10, 2):
            loop.call_soon(ran.append, i)
            loop.call_soon_threadsafe(ran.append, i + 1)
        done = loop.create_future()
        loop.call_soon(done.set_result, None)
        await done

    loop.run_until_complete(main())
    assert ran == list(range(10))


@pytest.mark.parametrize("count", range(7))
def test_a_callback_gets_all_its_arguments(loop: Loop, count: int) -> None:
    got: list[tuple[int, ...]] = []
    arguments = tuple(range(count))

    def callback(*args: int) -> None:
        got.append(args)

    loop.call_soon(callback, *arguments)
    loop.call_soon_threadsafe(callback, *arguments)
    loop.call_later(0, callback, *arguments)
    loop.call_at(loop.time(), callback, *arguments)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert got == [arguments] * 4


def test_what_a_callback_returns_is_dropped(loop: Loop) -> None:
    loop.call_soon(lambda: 42)
    _run(loop)


def test_a_callback_runs_in_a_copy_of_the_context_that_scheduled_it(loop: Loop) -> None:
    seen: list[str] = []

    def callback() -> None:
        seen.append(var.get())
        var.set("changed")

    token = var.set("mine")
    loop.call_soon(callback)
    loop.call_soon(callback)
    loop.call_soon_threadsafe(callback)
    loop.call_later(0, callback)
    var.reset(token)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert seen == ["mine"] * 4
    assert var.get() == "unset"


@pytest.mark.parametrize("method", ["call_soon", "call_soon_threadsafe", "call_later", "call_at"])
def test_a_callback_runs_in_the_very_context_it_is_given(loop: Loop, method: str) -> None:
    context = contextvars.copy_context()
    when: list[Any] = {"call_later": [0], "call_at": [loop.time()]}.get(method, [])
    getattr(loop, method)(*when, var.set, "inside", context=context)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert context[var] == "inside"
    assert var.get() == "unset"


def test_one_context_may_serve_many_callbacks(loop: Loop) -> None:
    context = contextvars.copy_context()
    seen: list[str] = []
    loop.call_soon(var.set, "first", context=context)
    loop.call_soon(lambda: seen.append(var.get()), context=context)
    _run(loop)
    assert seen == ["first"]


def test_a_context_that_is_already_entered_is_reported_and_the_loop_goes_on(
    loop: Loop, reports: Reports, caplog: pytest.LogCaptureFixture
) -> None:
    context = contextvars.copy_context()
    ran: list[int] = []
    loop.call_soon(ran.append, 1, context=context)
    loop.call_soon(ran.append, 2)
    loop.call_soon(loop.stop)
    context.run(loop.run_forever)
    assert ran == [2]
    # Where handlers run in the callback's context, that one cannot be entered either: then it is only logged.
    said = caplog.text + "".join(str(report["exception"]) for report in reports)
    assert "is already entered" in said
    reports.clear()


def test_call_soon_threadsafe_wakes_a_sleeping_loop(loop: Loop) -> None:
    idle = threading.Event()

    def other_thread() -> None:
        idle.wait()
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=other_thread)
    thread.start()
    loop.call_soon(idle.set)
    loop.run_forever()
    thread.join()


def test_threadsafe_callbacks_run_on_the_loops_thread(loop: Loop) -> None:
    ran_in: list[int] = []

    def callback() -> None:
        ran_in.append(threading.get_ident())
        loop.stop()

    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(callback,))
    thread.start()
    loop.run_forever()
    thread.join()
    assert ran_in == [threading.get_ident()]


def test_callbacks_of_one_thread_keep_their_order_among_many_threads(loop: Loop) -> None:
    threads, each = 4, 2000
    ran: list[tuple[int, int]] = []

    def producer(name: int) -> None:
        for i in range(each):
            loop.call_soon_threadsafe(ran.append, (name, i))
        loop.call_soon_threadsafe(finished)

    left = threads

    def finished() -> None:
        nonlocal left
        left -= 1
        if not left:
            loop.stop()

    workers = [threading.Thread(target=producer, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    loop.run_forever()
    for worker in workers:
        worker.join()
    assert len(ran) == threads * each
    for name in range(threads):
        assert [i for n, i in ran if n == name] == list(range(each))


def test_threadsafe_calls_before_the_run_are_kept(loop: Loop) -> None:
    ran: list[int] = []
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(ran.append, 1))
    thread.start()
    thread.join()
    _run(loop)
    assert ran == [1]


def test_threads_may_hammer_the_loop_while_timers_come_and_go(loop: Loop) -> None:
    count = 5000
    got = 0
    done = threading.Event()

    def hit() -> None:
        nonlocal got
        got += 1
        loop.call_later(0.0001, int).cancel()
        if got == 2 * count:
            done.set()
            loop.stop()

    def hammer() -> None:
        for _ in range(count):
            loop.call_soon_threadsafe(hit)

    workers = [threading.Thread(target=hammer) for _ in range(2)]
    for worker in workers:
        worker.start()
    loop.run_forever()
    for worker in workers:
        worker.join()
    assert done.is_set()


def test_the_threads_context_is_the_one_that_counts(loop: Loop) -> None:
    seen: list[str] = []

    def other_thread() -> None:
        var.set("from the thread")
        loop.call_soon_threadsafe(lambda: seen.append(var.get()))
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=other_thread)
    thread.start()
    loop.run_forever()
    thread.join()
    assert seen == ["from the thread"]


def test_scheduling_inside_a_callback_of_a_timer_works(loop: Loop) -> None:
    order: list[str] = []

    def timer() -> None:
        order.append("timer")
        loop.call_soon(soon)

    def soon() -> None:
        order.append("soon")
        loop.call_later(0, last)

    def last() -> None:
        order.append("last")
        loop.stop()

    loop.call_later(0, timer)
    loop.run_forever()
    assert order == ["timer", "soon", "last"]


def test_an_exception_in_one_callback_does_not_touch_the_others(
    loop: Loop, reports: Reports
) -> None:
    ran: list[int] = []
    loop.call_soon(ran.append, 1)
    loop.call_soon(lambda: 1 / 0)
    loop.call_soon(ran.append, 2)
    _run(loop)
    assert ran == [1, 2]
    [report] = reports
    assert isinstance(report["exception"], ZeroDivisionError)
    reports.clear()
