"""The event loop: the native loop, the parts of it that are Python, and how it is run and closed."""

from __future__ import annotations

import asyncio
import sys
import threading
import warnings
from asyncio import base_events, constants
from asyncio.log import logger
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aioxide import _core
from aioxide.asyncgens import AsyncGenerators
from aioxide.connections import Connections
from aioxide.datagrams import Datagrams
from aioxide.executors import Executors
from aioxide.names import Names
from aioxide.pipes import Pipes
from aioxide.reporting import Reporting
from aioxide.sendfile import Sendfile
from aioxide.servers import Servers
from aioxide.signals import Signals
from aioxide.socket_operations import SocketOperations
from aioxide.subprocesses import Subprocesses
from aioxide.task_factories import TaskFactories
from aioxide.tls import Tls
from aioxide.watchers import Watchers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator

    from aioxide._core import VirtualClock

T = TypeVar("T")

# The function itself, not one like it: libraries know a root task by finding it among the task's callbacks.
_run_until_complete_cb: Any = base_events._run_until_complete_cb  # type: ignore[attr-defined]


class EventLoop(
    AsyncGenerators,
    Connections,
    Datagrams,
    Executors,
    Names,
    Pipes,
    Reporting,
    Sendfile,
    Servers,
    Signals,
    SocketOperations,
    Subprocesses,
    TaskFactories,
    Tls,
    Watchers,
):
    """asyncio's event loop, native.

    Not running and not current when made. It may be used from the thread that runs it only, but for
    `call_soon_threadsafe`.

    Args:
        clock: where `time` and all timers read the time; None means the clock of `time.monotonic`.

    Raises:
        TypeError: `clock` is neither None nor a `VirtualClock`.

    """

    def __init__(self, *, clock: VirtualClock | None = None) -> None:
        super().__init__()
        if clock is not None:
            try:
                self._choose_clock(clock)
            except TypeError:
                # Nobody gets hold of this loop, so nobody else can close it.
                self._close_native()
                raise
        self._thread_id = None
        # How deep coroutines noted their origin before debug mode changed it; None while it has not.
        self._origin_depth_before: int | None = None
        self.set_debug(asyncio.coroutines._is_debug_mode())  # type: ignore[attr-defined]

    def run_forever(self) -> None:
        """Run until `stop` is called.

        Raises:
            RuntimeError: the loop is closed, this loop runs already, or another one runs in this thread.

        """
        self._check_closed()
        self._check_running()
        hooks_before = sys.get_asyncgen_hooks()
        try:
            self._track_coroutine_origins(self.get_debug())
            self._install_asyncgen_hooks()
            self._attend_signals()
            self._thread_id = threading.get_ident()
            asyncio._set_running_loop(self)
            self._run_turns()
        finally:
            asyncio._set_running_loop(None)
            self._thread_id = None
            self._release_signals()
            self._track_coroutine_origins(False)
            sys.set_asyncgen_hooks(*hooks_before)

    def run_until_complete(self, future: Generator[Any, None, T] | Awaitable[T]) -> T:
        """Run until an awaitable is done.

        Args:
            future: a future or task of this loop, or any other awaitable, which becomes a task.

        Returns:
            Its result; what it raises is raised.

        Raises:
            RuntimeError: the loop cannot run (see `run_forever`), or was stopped before the end.
            TypeError: `future` is not awaitable.
            ValueError: `future` belongs to another loop.

        """
        self._check_closed()
        self._check_running()
        is_ours = not asyncio.isfuture(future)
        task: Any = asyncio.ensure_future(cast("Awaitable[T]", future), loop=self)
        if is_ours:
            # If it is not done in the end, that is said by an exception; its destructor need not say it too.
            task._log_destroy_pending = False
        task.add_done_callback(_run_until_complete_cb)
        try:
            self.run_forever()
        except BaseException:
            if is_ours and task.done() and not task.cancelled():
                # This is the task's own exception, on its way out: nobody else can retrieve it.
                task.exception()
            raise
        finally:
            task.remove_done_callback(_run_until_complete_cb)
        if not task.done():
            raise RuntimeError("Event loop stopped before Future completed.")
        result: T = task.result()
        return result

    def close(self) -> None:
        """Close the loop, which drops everything that is scheduled or watched. A second call does nothing.

        Raises:
            RuntimeError: the loop is running.

        """
        if self.is_running():
            raise RuntimeError("Cannot close a running event loop")
        if self.is_closed():
            return
        if self.get_debug():
            logger.debug("Close %r", self)
        self._close_native()
        self._close_watchers()
        self._close_executor()
        self._close_subprocesses()
        self._close_pipes()
        self._close_signals()

    def set_debug(self, enabled: bool) -> None:
        """Turn debug mode on or off.

        Args:
            enabled: whether to check threads and callbacks, to note where things were made, and to log
                callbacks that take longer than `slow_callback_duration` seconds.

        """
        super().set_debug(bool(enabled))
        if self.is_running():
            # Origins are noted per thread, and the loop's thread may be another one.
            self.call_soon_threadsafe(self._track_coroutine_origins, bool(enabled))

    @property
    def _debug(self) -> bool:
        """Whether debug mode is on, under the name that asyncio's loops keep it."""
        return self.get_debug()

    @_debug.setter
    def _debug(self, enabled: bool) -> None:
        super().set_debug(bool(enabled))

    def _check_running(self) -> None:
        if self.is_running():
            raise RuntimeError("This event loop is already running")
        if asyncio._get_running_loop() is not None:
            raise RuntimeError("Cannot run the event loop while another loop is running")

    def _track_coroutine_origins(self, enabled: bool) -> None:
        """Let coroutines note where they were made, or put back what was before."""
        if enabled == (self._origin_depth_before is not None):
            return
        if enabled:
            self._origin_depth_before = sys.get_coroutine_origin_tracking_depth()
            sys.set_coroutine_origin_tracking_depth(constants.DEBUG_STACK_DEPTH)
        elif self._origin_depth_before is not None:
            sys.set_coroutine_origin_tracking_depth(self._origin_depth_before)
            self._origin_depth_before = None

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Take note of a timer handle that somebody made by hand, and cancelled. Ours count themselves."""

    def __repr__(self) -> str:
        """Return the state of the loop in one line."""
        return (
            f"<{type(self).__name__} running={self.is_running()} "
            f"closed={self.is_closed()} debug={self.get_debug()}>"
        )

    def __del__(self) -> None:
        """Warn about a loop that was not closed, and close it."""
        if self.is_closed():
            return
        warnings.warn(f"unclosed event loop {self!r}", ResourceWarning, source=self, stacklevel=1)
        if not self.is_running():
            self.close()


# Python calls a method of the object's very class without looking through all the others first.
_core.adopt_methods(EventLoop)
