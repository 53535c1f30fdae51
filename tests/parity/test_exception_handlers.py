"""Exception handlers: the default one's log, custom ones, and handlers that fail themselves."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from .support import Loop, Reports


def _fails() -> None:
    raise LookupError("mine")


def _one_turn(loop: Loop) -> None:
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_the_default_handler_logs_the_message_and_the_traceback(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.set_exception_handler(None)
    loop.call_soon(_fails)
    _one_turn(loop)
    [record] = caplog.records
    assert record.name == "asyncio"
    assert record.levelno == logging.ERROR
    lines = record.getMessage().splitlines()
    assert lines[0].startswith("Exception in callback _fails() at ")
    assert lines[1].startswith("handle: <Handle _fails() at ")
    assert record.exc_info is not None
    assert record.exc_info[0] is LookupError
    assert "in _fails" in caplog.text


def test_the_report_of_a_callback_has_message_exception_and_handle(
    loop: Loop, reports: Reports
) -> None:
    handle = loop.call_soon(_fails)
    _one_turn(loop)
    [report] = reports
    assert set(report) == {"message", "exception", "handle"}
    assert report["message"].startswith("Exception in callback _fails() at ")
    assert isinstance(report["exception"], LookupError)
    assert report["handle"] is handle
    reports.clear()


def test_the_report_of_a_timer_has_its_timer_handle(loop: Loop, reports: Reports) -> None:
    timer = loop.call_later(0, _fails)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    [report] = reports
    assert report["handle"] is timer
    assert report["message"].startswith("Exception in callback _fails()")
    reports.clear()


def test_in_debug_mode_the_report_says_where_the_handle_was_created(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.set_debug(True)
    loop.set_exception_handler(None)
    loop.call_soon(_fails)
    _one_turn(loop)
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "source_traceback: Object created at (most recent call last):" in text
    assert "test_in_debug_mode_the_report_says_where_the_handle_was_created" in text


def test_get_exception_handler_returns_what_was_set(loop: Loop, reports: Reports) -> None:
    def handler(loop: Loop, context: dict[str, Any]) -> None:
        """Swallow."""

    loop.set_exception_handler(handler)
    assert loop.get_exception_handler() is handler
    loop.set_exception_handler(None)
    assert loop.get_exception_handler() is None


@pytest.mark.parametrize("wrong", [1, "text", object()], ids=["int", "str", "object"])
def test_a_handler_that_is_not_callable_is_a_type_error(loop: Loop, wrong: object) -> None:
    with pytest.raises(TypeError, match="^A callable object or None is expected, got "):
        loop.set_exception_handler(wrong)  # type: ignore[arg-type]


def test_call_exception_handler_passes_loop_and_context(loop: Loop) -> None:
    got: list[tuple[Loop, dict[str, Any]]] = []
    loop.set_exception_handler(lambda loop, context: got.append((loop, context)))
    context = {"message": "custom", "extra": 1}
    loop.call_exception_handler(context)
    assert got == [(loop, context)]
    assert got[0][0] is loop
    assert got[0][1] is context


def test_the_default_handler_shows_every_key_of_the_context(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.default_exception_handler({"message": "hello", "zebra": 1, "apple": "two"})
    [record] = caplog.records
    assert record.getMessage() == "hello\napple: 'two'\nzebra: 1"
    assert not record.exc_info


def test_a_context_without_a_message_still_says_something(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.default_exception_handler({})
    assert caplog.records[0].getMessage() == "Unhandled exception in event loop"


def test_a_handler_may_fall_back_on_the_default_one(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.set_exception_handler(lambda loop, context: loop.default_exception_handler(context))
    loop.call_soon(_fails)
    _one_turn(loop)
    assert "Exception in callback _fails()" in caplog.text


def test_a_handler_that_raises_is_logged_and_the_loop_goes_on(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(loop: Loop, context: dict[str, Any]) -> None:
        raise ZeroDivisionError("handler")

    ran: list[int] = []
    loop.set_exception_handler(handler)
    loop.call_soon(_fails)
    loop.call_soon(ran.append, 1)
    _one_turn(loop)
    assert ran == [1]
    assert "Unhandled error in exception handler" in caplog.text
    assert "ZeroDivisionError: handler" in caplog.text


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_exits_leave_the_loop_from_a_handler(loop: Loop, kind: type) -> None:
    def handler(loop: Loop, context: dict[str, Any]) -> None:
        raise kind("handler")

    loop.set_exception_handler(handler)
    loop.call_soon(_fails)
    with pytest.raises(kind, match="handler"):
        loop.run_forever()
    loop.set_exception_handler(None)
    _one_turn(loop)


def test_an_overridden_default_handler_that_raises_is_logged(
    loop_factory,
    caplog: pytest.LogCaptureFixture,  # type: ignore[no-untyped-def]
) -> None:
    sample = loop_factory()
    sample.close()

    class Mine(type(sample)):  # type: ignore[misc]
        """A loop with a broken default handler."""

        def default_exception_handler(self, context: dict[str, Any]) -> None:
            raise ZeroDivisionError("default")

    loop = Mine()
    loop.call_soon(_fails)
    _one_turn(loop)
    loop.close()
    assert "Exception in default exception handler" in caplog.text


def test_an_overridden_default_handler_gets_the_reports(loop_factory) -> None:  # type: ignore[no-untyped-def]
    sample = loop_factory()
    sample.close()
    got: list[dict[str, Any]] = []

    class Mine(type(sample)):  # type: ignore[misc]
        """A loop with a default handler of its own."""

        def default_exception_handler(self, context: dict[str, Any]) -> None:
            got.append(context)

    loop = Mine()
    loop.call_soon(_fails)
    _one_turn(loop)
    loop.close()
    assert [type(context["exception"]) for context in got] == [LookupError]


@pytest.mark.asyncio_since(3, 12, "earlier ones call the handler in the loop's context")
def test_a_handler_runs_in_the_context_of_the_failing_callback(loop: Loop) -> None:
    import contextvars

    var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="unset")
    seen: list[str] = []
    loop.set_exception_handler(lambda loop, context: seen.append(var.get()))
    token = var.set("callback's")
    loop.call_soon(_fails)
    var.reset(token)
    _one_turn(loop)
    assert seen == ["callback's"]


def test_handlers_are_not_called_for_cancelled_tasks(loop: Loop, reports: Reports) -> None:
    async def main() -> None:
        task = loop.create_task(asyncio.Event().wait())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert reports == []
