"""Where exceptions go that nobody can catch: the exception handlers of the loop, and debug mode's log."""

from __future__ import annotations

import traceback
from asyncio.log import logger
from typing import TYPE_CHECKING, Any

from aioxide.foundation import Foundation
from aioxide.handles import format_callback, format_work

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from aioxide.handles import AnyHandle

    ExceptionHandler = Callable[[Any, dict[str, Any]], object]

# Of these keys of a report the one is the first line of the log, the other its traceback.
_TOLD_ELSEWHERE = frozenset({"message", "exception"})

_TRACEBACK_TITLES = {
    "source_traceback": "Object created at",
    "handle_traceback": "Handle created at",
}


class Reporting(Foundation):
    """Exception handlers: set, ask for, call."""

    _exception_handler: ExceptionHandler | None

    def __init__(self) -> None:
        super().__init__()
        self._exception_handler = None

    def get_exception_handler(self) -> ExceptionHandler | None:
        """Return the handler that was set, or None while the default one is in use."""
        return self._exception_handler

    def set_exception_handler(self, handler: ExceptionHandler | None) -> None:
        """Set what is called with every report.

        Args:
            handler: called with the loop and the report, a dict; None for the default handler.

        Raises:
            TypeError: `handler` is neither callable nor None.

        """
        if handler is not None and not callable(handler):
            raise TypeError(f"A callable object or None is expected, got {handler!r}")
        self._exception_handler = handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Log a report, as an error of the logger `asyncio`.

        Args:
            context: the report; its keys are described at `call_exception_handler`.

        """
        if "source_traceback" not in context:
            handle = getattr(self, "_current_handle", None)
            if handle is not None and handle._source_traceback:
                context["handle_traceback"] = handle._source_traceback
        lines = [context.get("message") or "Unhandled exception in event loop"]
        lines += [
            f"{key}: {_describe(key, context[key])}"
            for key in sorted(context)
            if key not in _TOLD_ELSEWHERE
        ]
        exception = context.get("exception")
        exc_info: Any = False
        if exception is not None:
            # Given in full, as the exception need not be the one that is being handled.
            exc_info = (type(exception), exception, exception.__traceback__)
        logger.error("\n".join(lines), exc_info=exc_info)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Hand a report to the exception handler, in the context of the task or handle it is about.

        What the handler itself raises is reported too, to the default handler; only SystemExit and
        KeyboardInterrupt come out of here.

        Args:
            context: the report: `message`, and where they apply `exception`, `future`, `task`, `handle`,
                `protocol`, `transport`, `socket`, `asyncgen`, `source_traceback`, `handle_traceback`.

        """
        handler = self._exception_handler
        if handler is None:
            self._report_by_default(context, "Exception in default exception handler")
            return
        try:
            scope = _scope_of(context)
            if scope is None:
                handler(self, context)
            else:
                scope.run(handler, self, context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001 - a report of its own
            report = {
                "message": "Unhandled error in exception handler",
                "exception": exc,
                "context": context,
            }
            self._report_by_default(
                report,
                "Exception in default exception handler "
                "while handling an unexpected error "
                "in custom exception handler",
            )

    def _report_by_default(self, context: dict[str, Any], message: str) -> None:
        """Call the default handler, which a subclass may have replaced, and log what it raises."""
        try:
            self.default_exception_handler(context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:  # noqa: BLE001 - the last line of defence
            logger.error(message, exc_info=True)

    def _callback_failed(self, handle: AnyHandle, exc: BaseException) -> None:
        """Report what a callback raised. Called by the native loop."""
        context = {
            "message": f"Exception in callback {format_callback(handle)}",
            "exception": exc,
            "handle": handle,
        }
        if handle._source_traceback:
            context["source_traceback"] = handle._source_traceback
        self.call_exception_handler(context)

    def _slow_callback(self, handle: AnyHandle, seconds: float) -> None:
        """Log a callback that held the loop up. Called by the native loop, in debug mode."""
        logger.warning("Executing %s took %.3f seconds", format_work(handle), seconds)


def _describe(key: str, value: Any) -> str:
    title = _TRACEBACK_TITLES.get(key)
    if title is None:
        return repr(value)
    frames = "".join(traceback.format_list(value)).rstrip()
    return f"{title} (most recent call last):\n{frames}"


def _scope_of(context: dict[str, Any]) -> Context | None:
    """Return the context variables' context of what a report is about: its task, future or handle."""
    for key in ("task", "future", "handle"):
        subject = context.get(key)
        if subject is not None:
            scope = subject.get_context() if hasattr(subject, "get_context") else None
            return scope if hasattr(scope, "run") else None
    return None
