"""Debug mode: slow callbacks, wrong threads, origins of coroutines, and nothing of it without debug mode."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import sys
import threading

import pytest

from .support import Loop, Reports, nonblocking_pair


def _callback() -> None:
    """A callback with a name."""


def _named(call: str) -> str:
    """A pattern for the name of the method in error texts: `call_later` speaks of `call_at`."""
    return "call_(at|later)" if call == "call_later" else call


def _slow_texts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.getMessage().startswith("Executing ")]


def test_debug_mode_is_off_by_default_and_can_be_set(loop: Loop) -> None:
    assert loop.get_debug() is False
    loop.set_debug(True)
    assert loop.get_debug() is True
    loop.set_debug(False)
    assert loop.get_debug() is False


@pytest.mark.parametrize(
    ("options", "env"), [(("-X", "dev"), {}), ((), {"PYTHONASYNCIODEBUG": "1"})]
)
def test_the_environment_turns_debug_mode_on(program, options, env) -> None:  # type: ignore[no-untyped-def]
    result = program.run(
        "loop = new_event_loop(); print(loop.get_debug()); loop.close()", *options, env=env
    )
    assert result.stdout == "True\n", result.stderr


def test_the_threshold_for_slow_callbacks_is_100_ms_and_settable(loop: Loop) -> None:
    assert loop.slow_callback_duration == 0.1  # type: ignore[attr-defined]
    loop.slow_callback_duration = 5  # type: ignore[attr-defined]
    assert loop.slow_callback_duration == 5  # type: ignore[attr-defined]


def test_a_slow_callback_is_logged_in_debug_mode(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.set_debug(True)
    loop.slow_callback_duration = 0  # type: ignore[attr-defined]
    loop.call_soon(_callback)
    loop.call_soon(loop.stop)
    loop.run_forever()
    text = _slow_texts(caplog)[0]
    assert re.fullmatch(
        r"Executing <Handle _callback\(\) at \S+ created at \S+> took \d+\.\d{3} seconds", text
    ), text
    assert caplog.records[0].levelno == logging.WARNING


def test_a_slow_task_is_logged_with_its_name(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    loop.set_debug(True)
    loop.slow_callback_duration = 0  # type: ignore[attr-defined]

    async def sluggish() -> None:
        """Take a moment."""

    loop.run_until_complete(loop.create_task(sluggish(), name="the-slow-one"))
    texts = [text for text in _slow_texts(caplog) if "the-slow-one" in text]
    assert texts
    assert re.match(
        r"Executing <Task (finished|pending) name='the-slow-one' coro=<\S*sluggish\(\)", texts[0]
    ), texts


def test_a_slow_timer_is_logged(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    loop.set_debug(True)
    loop.slow_callback_duration = 0  # type: ignore[attr-defined]
    loop.call_later(0, _callback)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert any(
        "<TimerHandle when=" in text and "_callback()" in text for text in _slow_texts(caplog)
    )


def test_nothing_is_logged_below_the_threshold(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.set_debug(True)
    loop.slow_callback_duration = 3600  # type: ignore[attr-defined]
    loop.call_soon(_callback)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert _slow_texts(caplog) == []


def test_without_debug_mode_slow_callbacks_are_not_logged(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.slow_callback_duration = 0  # type: ignore[attr-defined]
    loop.call_soon(_callback)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert _slow_texts(caplog) == []


@pytest.mark.parametrize("call", ["call_soon", "call_later", "call_at"])
def test_debug_mode_refuses_scheduling_from_the_wrong_thread(loop: Loop, call: str) -> None:
    loop.set_debug(True)
    errors: list[str] = []

    def other_thread() -> None:
        when = {"call_later": [1], "call_at": [loop.time() + 1]}.get(call, [])
        try:
            getattr(loop, call)(*when, _callback)
        except RuntimeError as exc:
            errors.append(str(exc))

    async def main() -> None:
        thread = threading.Thread(target=other_thread)
        thread.start()
        thread.join()

    loop.run_until_complete(main())
    assert errors == [
        "Non-thread-safe operation invoked on an event loop other than the current one"
    ]


def test_without_debug_mode_scheduling_from_the_wrong_thread_does_not_crash(loop: Loop) -> None:
    ran: list[int] = []

    async def main() -> None:
        def other_thread() -> None:
            loop.call_soon(ran.append, 1)
            loop.call_later(0, ran.append, 2)

        thread = threading.Thread(target=other_thread)
        thread.start()
        thread.join()
        await asyncio.sleep(0.001)

    loop.run_until_complete(main())
    assert sorted(ran) == [1, 2]


def test_threadsafe_scheduling_is_fine_in_debug_mode(loop: Loop) -> None:
    loop.set_debug(True)
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(loop.stop,))
    thread.start()
    loop.run_forever()
    thread.join()


@pytest.mark.parametrize(
    "call", ["call_soon", "call_soon_threadsafe", "call_later", "call_at", "run_in_executor"]
)
def test_debug_mode_refuses_coroutines_as_callbacks(loop: Loop, call: str) -> None:
    loop.set_debug(True)

    async def coroutine_function() -> None:
        """Not a callback."""

    before: list[object] = {
        "call_later": [1],
        "call_at": [loop.time()],
        "run_in_executor": [None],
    }.get(call, [])
    with pytest.raises(TypeError, match=rf"^coroutines cannot be used with {_named(call)}\(\)$"):
        getattr(loop, call)(*before, coroutine_function)
    coro = coroutine_function()
    with pytest.raises(TypeError, match=rf"^coroutines cannot be used with {_named(call)}\(\)$"):
        getattr(loop, call)(*before, coro)
    coro.close()


@pytest.mark.parametrize("call", ["call_soon", "call_later", "call_at", "run_in_executor"])
def test_debug_mode_refuses_what_is_not_callable(loop: Loop, call: str) -> None:
    loop.set_debug(True)
    before: list[object] = {
        "call_later": [1],
        "call_at": [loop.time()],
        "run_in_executor": [None],
    }.get(call, [])
    with pytest.raises(
        TypeError, match=rf"^a callable object was expected by {_named(call)}\(\), got 'text'$"
    ):
        getattr(loop, call)(*before, "text")


def test_debug_mode_tracks_where_coroutines_were_created(loop: Loop) -> None:
    before = sys.get_coroutine_origin_tracking_depth()
    loop.set_debug(True)
    seen: list[int] = []
    loop.call_soon(lambda: seen.append(sys.get_coroutine_origin_tracking_depth()))
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert seen[0] > 0
    assert sys.get_coroutine_origin_tracking_depth() == before


def test_setting_debug_mode_during_the_run_tracks_origins_from_then_on(loop: Loop) -> None:
    before = sys.get_coroutine_origin_tracking_depth()

    async def main() -> list[int]:
        seen = [sys.get_coroutine_origin_tracking_depth()]
        loop.set_debug(True)
        await asyncio.sleep(0.001)
        seen.append(sys.get_coroutine_origin_tracking_depth())
        loop.set_debug(False)
        await asyncio.sleep(0.001)
        seen.append(sys.get_coroutine_origin_tracking_depth())
        return seen

    first, second, third = loop.run_until_complete(main())
    assert first == third == before
    assert second > 0


def test_a_run_does_not_disturb_origin_tracking_of_the_user(loop: Loop) -> None:
    sys.set_coroutine_origin_tracking_depth(3)
    try:
        loop.set_debug(True)
        loop.call_soon(loop.stop)
        loop.run_forever()
        assert sys.get_coroutine_origin_tracking_depth() == 3
    finally:
        sys.set_coroutine_origin_tracking_depth(0)


def test_tasks_and_futures_know_their_origin_in_debug_mode_only(loop: Loop) -> None:
    async def main() -> None:
        future = loop.create_future()
        assert future._source_traceback is None  # type: ignore[attr-defined]
        loop.set_debug(True)
        future = loop.create_future()
        assert "main" in [frame.name for frame in future._source_traceback]  # type: ignore[attr-defined]
        task = loop.create_task(asyncio.sleep(0))
        assert task._source_traceback[-1].name == "main"  # type: ignore[attr-defined]
        await task

    loop.run_until_complete(main())


def test_an_unclosed_loop_warns(loop_factory) -> None:  # type: ignore[no-untyped-def]
    loop = loop_factory()
    with pytest.warns(ResourceWarning, match="unclosed event loop") as caught:
        del loop
        gc.collect()
    assert len(caught) == 1


def test_an_unclosed_transport_warns(loop: Loop) -> None:
    a, b = nonblocking_pair()

    async def main() -> None:
        await loop.create_connection(asyncio.Protocol, sock=a)

    loop.run_until_complete(main())
    loop.close()
    with pytest.warns(ResourceWarning, match="unclosed transport"):
        gc.collect()
    b.close()


def test_a_never_retrieved_exception_shows_where_the_task_was_created(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.set_debug(True)
    loop.set_exception_handler(None)

    async def fails() -> None:
        raise LookupError

    async def main() -> None:
        loop.create_task(fails())
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    gc.collect()
    assert "Task exception was never retrieved" in caplog.text
    assert "source_traceback: Object created at (most recent call last):" in caplog.text


def test_a_handles_origin_is_kept_in_debug_mode_only(loop: Loop, reports: Reports) -> None:
    loop.call_soon(lambda: 1 / 0)
    loop.set_debug(True)
    loop.call_soon(lambda: 1 / 0)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert "source_traceback" not in reports[0]
    assert (
        reports[1]["source_traceback"][-1].name
        == "test_a_handles_origin_is_kept_in_debug_mode_only"
    )
    reports.clear()
