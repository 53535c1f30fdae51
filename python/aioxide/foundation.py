"""What every part of the event loop stands on: the native loop, seen as one of asyncio's.

Each part (`task_factories`, `signals`, `datagrams` …) is a class of its own that extends this one, and
`event_loop.EventLoop` puts them together. A part may so call whatever asyncio's abstract loop promises,
whichever part keeps the promise.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from aioxide import _core

if TYPE_CHECKING:
    from weakref import ref

T = TypeVar("T")

# What `asyncio.sleep` and its like would call on a loop.
_REPLACEABLE = frozenset(
    {
        "call_at",
        "call_later",
        "call_soon",
        "call_soon_threadsafe",
        "create_future",
        "create_task",
        "time",
    }
)


class Foundation(_core.EventLoop, asyncio.AbstractEventLoop):
    """The native loop first, so that it answers; then asyncio's abstract loop, for what it declares.

    What the parts keep is in slots, all declared here. An instance then has no dictionary until a
    user sets an attribute on it, and each `loop.call_soon` is found without a look into one.
    """

    __slots__ = (
        "_accepting",
        "_asyncgens",
        "_asyncgens_shutdown_called",
        "_children",
        "_exception_handler",
        "_origin_depth_before",
        "_pipe_transports",
        "_reader_files",
        "_signal_handlers",
        "_signal_pipe",
        "_thread_id",
        "_transports",
        "_writer_files",
    )

    _transports: dict[int, ref[asyncio.BaseTransport]]
    """The transport that owns a file descriptor, for every descriptor that is owned by one, or was."""

    _thread_id: int | None
    """Identifies the thread that runs the loop; None while none does."""

    def __init__(self) -> None:
        super().__init__()
        if type(self).time is not _core.EventLoop.time:
            self._go_by_replaced_time()
        if type(self)._run_once is not _core.EventLoop._run_once:
            self._go_by_replaced_turns()

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute. A method of somebody else's is called where natives would do without it."""
        super().__setattr__(name, value)
        if name in _REPLACEABLE:
            self._serve_by_methods()
        if name == "call_soon":
            self._schedule_by_call_soon()
        elif name == "time":
            self._go_by_replaced_time()
        elif name == "_run_once":
            self._go_by_replaced_turns()

    def _by_thread(self, future: asyncio.Future[T]) -> asyncio.Future[T]:
        """Let a virtual clock know of a future that a thread works for. Returns it."""
        if self._hold_clock():
            future.add_done_callback(self._release_clock)
        return future
