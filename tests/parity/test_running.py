"""`run_forever`, `run_until_complete` and `close`: what they return, refuse and leave behind."""

from __future__ import annotations

import asyncio
import threading

import pytest

from .support import Loop, Reports


async def _value(value: object) -> object:
    await asyncio.sleep(0)
    return value


def test_run_until_complete_returns_the_result_of_a_coroutine(loop: Loop) -> None:
    assert loop.run_until_complete(_value(5)) == 5


def test_run_until_complete_takes_futures_and_tasks(loop: Loop) -> None:
    future = loop.create_future()
    loop.call_soon(future.set_result, "future")
    assert loop.run_until_complete(future) == "future"
    assert loop.run_until_complete(loop.create_task(_value("task"))) == "task"
    assert loop.run_until_complete(future) == "future"


def test_run_until_complete_takes_any_awaitable(loop: Loop) -> None:
    class Awaitable:
        def __await__(self):  # type: ignore[no-untyped-def]
            yield from asyncio.sleep(0).__await__()
            return "awaited"

    assert loop.run_until_complete(Awaitable()) == "awaited"


def test_run_until_complete_raises_what_the_coroutine_raises(loop: Loop) -> None:
    async def fails() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        loop.run_until_complete(fails())


def test_run_until_complete_raises_cancelled_error_for_a_cancelled_future(loop: Loop) -> None:
    future = loop.create_future()
    loop.call_soon(future.cancel)
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(future)


def test_run_until_complete_says_when_the_loop_was_stopped_before(loop: Loop) -> None:
    future = loop.create_future()
    loop.call_soon(loop.stop)
    with pytest.raises(RuntimeError, match=r"^Event loop stopped before Future completed\.$"):
        loop.run_until_complete(future)
    future.cancel()


@pytest.mark.parametrize("wrong", [None, 1, "text", object()], ids=lambda w: type(w).__name__)
def test_run_until_complete_of_something_else_is_a_type_error(loop: Loop, wrong: object) -> None:
    with pytest.raises(TypeError, match="asyncio.Future, a coroutine or an awaitable is required"):
        loop.run_until_complete(wrong)  # type: ignore[arg-type]


def test_a_future_of_another_loop_is_refused(loop: Loop, loop_factory) -> None:  # type: ignore[no-untyped-def]
    other = loop_factory()
    future = other.create_future()
    with pytest.raises(
        ValueError, match="The future belongs to a different loop than the one specified"
    ):
        loop.run_until_complete(future)
    other.close()


def test_is_running_is_true_only_during_a_run(loop: Loop) -> None:
    seen: list[bool] = []
    assert loop.is_running() is False
    loop.call_soon(lambda: seen.append(loop.is_running()))
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert seen == [True]
    assert loop.is_running() is False


def test_the_running_loop_is_known_during_a_run_and_forgotten_after(loop: Loop) -> None:
    seen: list[Loop] = []
    loop.call_soon(lambda: seen.append(asyncio.get_running_loop()))
    loop.call_soon(lambda: seen.append(asyncio.get_event_loop()))
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert seen == [loop, loop]
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


@pytest.mark.parametrize("method", ["run_forever", "run_until_complete"])
def test_running_a_running_loop_is_refused_and_the_run_goes_on(loop: Loop, method: str) -> None:
    async def main() -> str:
        future = loop.create_future()
        arguments = [future] if method == "run_until_complete" else []
        with pytest.raises(RuntimeError, match="^This event loop is already running$"):
            getattr(loop, method)(*arguments)
        future.cancel()
        return "fine"

    assert loop.run_until_complete(main()) == "fine"


@pytest.mark.asyncio_bug(
    "3.13.0 forgets which loop runs when it refuses a second run", on=[(3, 13)]
)
def test_running_a_second_loop_inside_the_first_is_refused(loop: Loop, loop_factory) -> None:  # type: ignore[no-untyped-def]
    other = loop_factory()

    async def main() -> str:
        with pytest.raises(
            RuntimeError, match="^Cannot run the event loop while another loop is running$"
        ):
            other.run_forever()
        assert asyncio.get_running_loop() is loop
        return "fine"

    assert loop.run_until_complete(main()) == "fine"
    other.close()


@pytest.mark.asyncio_bug(
    "3.13.0 forgets which loop runs when it refuses a second run", on=[(3, 13)]
)
def test_running_a_loop_that_runs_in_another_thread_is_refused(loop: Loop) -> None:
    started = threading.Event()
    loop.call_soon(started.set)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    started.wait()
    with pytest.raises(RuntimeError, match="already running"):
        loop.run_forever()
    with pytest.raises(RuntimeError, match="running"):
        loop.close()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def test_two_loops_run_side_by_side_in_two_threads(loop: Loop, loop_factory) -> None:  # type: ignore[no-untyped-def]
    other = loop_factory()
    results: list[object] = []

    def run_other() -> None:
        results.append(other.run_until_complete(_value("other")))
        other.close()

    thread = threading.Thread(target=run_other)
    thread.start()
    assert loop.run_until_complete(_value("mine")) == "mine"
    thread.join()
    assert results == ["other"]


def test_a_loop_may_run_in_one_thread_after_another(loop: Loop) -> None:
    results: list[object] = []
    for i in range(3):
        thread = threading.Thread(
            target=lambda i=i: results.append(loop.run_until_complete(_value(i)))
        )
        thread.start()
        thread.join()
    assert results == [0, 1, 2]


def test_close_is_idempotent_and_is_closed_tells(loop: Loop) -> None:
    assert loop.is_closed() is False
    loop.close()
    assert loop.is_closed() is True
    loop.close()


def test_a_running_loop_cannot_be_closed(loop: Loop) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="^Cannot close a running event loop$"):
            loop.close()

    loop.run_until_complete(main())
    assert not loop.is_closed()


CLOSED_CALLS = {
    "call_soon": lambda loop: loop.call_soon(int),
    "call_soon_threadsafe": lambda loop: loop.call_soon_threadsafe(int),
    "call_later": lambda loop: loop.call_later(1, int),
    "call_at": lambda loop: loop.call_at(loop.time() + 1, int),
    "run_forever": lambda loop: loop.run_forever(),
    "add_reader": lambda loop: loop.add_reader(0, int),
    "add_writer": lambda loop: loop.add_writer(1, int),
    "run_in_executor": lambda loop: loop.run_in_executor(None, int),
}


@pytest.mark.parametrize("call", CLOSED_CALLS)
def test_a_closed_loop_refuses_work(loop: Loop, call: str) -> None:
    loop.close()
    with pytest.raises(RuntimeError, match="^Event loop is closed$"):
        CLOSED_CALLS[call](loop)


def test_a_closed_loop_refuses_coroutines(loop: Loop) -> None:
    loop.close()
    coro = _value(1)
    with pytest.raises(RuntimeError, match="^Event loop is closed$"):
        loop.run_until_complete(coro)
    coro.close()
    coro = _value(1)
    with pytest.raises(RuntimeError, match="^Event loop is closed$"):
        loop.create_task(coro)
    coro.close()


def test_a_closed_loop_still_tells_time_and_makes_futures(loop: Loop) -> None:
    loop.close()
    assert loop.time() > 0
    loop.create_future().cancel()
    assert loop.is_running() is False
    assert loop.remove_reader(0) is False
    assert loop.remove_writer(1) is False


def test_closing_forgets_scheduled_callbacks(loop: Loop) -> None:
    ran: list[int] = []
    loop.call_soon(ran.append, 1)
    loop.call_later(0, ran.append, 2)
    loop.close()
    assert ran == []


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_exits_leave_the_loop_from_a_callback_and_the_loop_goes_on_after(
    loop: Loop, kind: type
) -> None:
    ran: list[int] = []

    def leave() -> None:
        raise kind("out")

    loop.call_soon(leave)
    loop.call_soon(ran.append, 1)
    with pytest.raises(kind, match="out"):
        loop.run_forever()
    assert not loop.is_running()
    assert loop.run_until_complete(_value("usable")) == "usable"
    assert ran == [1]


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_exits_leave_the_loop_from_a_task(loop: Loop, kind: type) -> None:
    async def leave() -> None:
        raise kind("out")

    with pytest.raises(kind, match="out"):
        loop.run_until_complete(leave())
    assert loop.run_until_complete(_value("usable")) == "usable"


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_exits_leave_the_loop_from_a_background_task(loop: Loop, kind: type) -> None:
    async def leave() -> None:
        raise kind("out")

    background = loop.create_task(leave())
    never = loop.create_future()
    with pytest.raises(kind, match="out"):
        loop.run_until_complete(never)
    never.cancel()
    assert isinstance(background.exception(), kind)
    assert loop.run_until_complete(_value("usable")) == "usable"


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_exits_leave_the_loop_from_a_timer_and_from_a_reader(loop: Loop, kind: type) -> None:
    from .support import nonblocking_pair

    def leave() -> None:
        raise kind("out")

    loop.call_later(0, leave)
    with pytest.raises(kind):
        loop.run_forever()
    a, b = nonblocking_pair()
    b.send(b"x")
    loop.add_reader(a, leave)
    with pytest.raises(kind):
        loop.run_forever()
    assert loop.remove_reader(a)
    assert loop.run_until_complete(_value("usable")) == "usable"
    a.close()
    b.close()


def test_other_base_exceptions_are_reported_and_the_loop_goes_on(
    loop: Loop, reports: Reports
) -> None:
    class Odd(BaseException):
        """Neither an exit nor an Exception."""

    def odd() -> None:
        raise Odd("odd")

    loop.call_soon(odd)
    assert loop.run_until_complete(_value("fine")) == "fine"
    [report] = reports
    assert isinstance(report["exception"], Odd)
    reports.clear()


def test_an_interrupted_run_until_complete_can_be_taken_up_again(loop: Loop) -> None:
    def leave() -> None:
        raise KeyboardInterrupt

    async def main() -> str:
        loop.call_soon(leave)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return "finished"

    task = loop.create_task(main())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(task)
    assert loop.run_until_complete(task) == "finished"


def test_a_loop_that_was_never_run_closes_cleanly(loop: Loop) -> None:
    loop.close()
