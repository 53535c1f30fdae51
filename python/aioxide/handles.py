"""How a handle shows itself: the texts of `repr()`, of "Exception in callback" and of the slow callback's log."""

from __future__ import annotations

import asyncio
from asyncio import format_helpers
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aioxide._core import Handle, TimerHandle

    AnyHandle = Handle | TimerHandle

_format_callback_source: Any = format_helpers._format_callback_source

# Newer Pythons show a callback's arguments in debug mode only, as they may be secrets; older ones always do.
_HIDES_ARGUMENTS = "debug" in (_format_callback_source.__kwdefaults__ or {})


def format_callback(handle: AnyHandle) -> str:
    """Return the name and the place of what a handle calls, worded as the running Python's asyncio does."""
    callback, args = handle._callback, handle._args
    text: str
    if _HIDES_ARGUMENTS:
        text = _format_callback_source(callback, args, debug=handle._loop.get_debug())
    else:
        text = _format_callback_source(callback, args)
    return text


def format_handle(handle: AnyHandle) -> str:
    """Return the repr of a handle, to the letter that of `asyncio.Handle` or `asyncio.TimerHandle`."""
    parts = [handle.__class__.__name__]
    if handle._cancelled:
        parts.append("cancelled")
    if isinstance(handle, asyncio.TimerHandle):
        parts.append(f"when={handle.when()}")
    if handle._callback is not None:
        parts.append(format_callback(handle))
    if handle._source_traceback:
        frame = handle._source_traceback[-1]
        parts.append(f"created at {frame.filename}:{frame.lineno}")
    return f"<{' '.join(parts)}>"


def format_work(handle: AnyHandle) -> str:
    """Return what a handle works on: the task whose step it is, else the handle itself."""
    owner = getattr(handle._callback, "__self__", None)
    return repr(owner) if isinstance(owner, asyncio.Task) else str(handle)
