"""Blocking calls, run in threads: `run_in_executor` and the default executor."""

from __future__ import annotations

import asyncio
import sys
import threading
import warnings
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from aioxide.callbacks import check_callback
from aioxide.foundation import Foundation

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# A future refuses this exception, as it would end whoever awaits it; older Pythons then leave it pending for ever.
_LOSES_STOP_ITERATION: bool = sys.version_info < (3, 13)


class Executors(Foundation):
    """Owner of the default executor, which is made when it is first needed."""

    _default_executor: Executor | None

    def __init__(self) -> None:
        super().__init__()
        self._default_executor = None
        self._executor_shutdown_called = False

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Call a function in a thread or process of an executor.

        Args:
            executor: where to run; None for the default executor.
            func: the function.
            args: its positional arguments.

        Returns:
            A future of the function's result.

        Raises:
            RuntimeError: the loop is closed, or the default executor was shut down.
            TypeError: `func` is a coroutine function or not callable (debug mode).

        """
        self._check_closed()
        if self.get_debug():
            check_callback(func, "run_in_executor")
        if executor is None:
            executor = self._running_default_executor()
        job = executor.submit(func, *args)
        if _LOSES_STOP_ITERATION:
            # Called before the callback by which `wrap_future` takes the outcome over.
            job.add_done_callback(_mend_stop_iteration)
        return self._by_thread(asyncio.wrap_future(job, loop=self))

    def _running_default_executor(self) -> Executor:
        if self._executor_shutdown_called:
            raise RuntimeError("Executor shutdown has been called")
        if self._default_executor is None:
            self._default_executor = ThreadPoolExecutor(thread_name_prefix="asyncio")
        return self._default_executor

    def set_default_executor(self, executor: Executor) -> None:
        """Set the executor that `run_in_executor(None, …)` uses.

        Raises:
            TypeError: `executor` is not a `ThreadPoolExecutor`.

        """
        if not isinstance(executor, ThreadPoolExecutor):
            raise TypeError("executor must be ThreadPoolExecutor instance")
        self._default_executor = executor

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Let the default executor finish what it runs, and refuse it further work.

        Args:
            timeout: seconds to wait for its threads, after which a RuntimeWarning is given and they are
                left alone; None waits for as long as it takes.

        """
        self._executor_shutdown_called = True
        executor = self._default_executor
        if executor is None:
            return
        joined: asyncio.Future[None] = self._by_thread(self.create_future())
        thread = threading.Thread(target=self._join_executor, args=(executor, joined))
        thread.start()
        try:
            async with asyncio.timeout(timeout):
                await joined
        except TimeoutError:
            warnings.warn(
                f"The executor did not finishing joining its threads within {timeout} seconds.",
                RuntimeWarning,
                stacklevel=2,
            )
            executor.shutdown(wait=False)
        else:
            thread.join()

    def _join_executor(self, executor: Executor, joined: asyncio.Future[None]) -> None:
        """Wait for the executor's threads. Runs in a thread made for it."""
        failure: Exception | None = None
        try:
            executor.shutdown(wait=True)
        except Exception as exc:  # noqa: BLE001 - handed to whoever waits
            failure = exc
        if not self.is_closed():
            self.call_soon_threadsafe(_settle, joined, failure)

    def _close_executor(self) -> None:
        """Let go of the default executor without waiting for it."""
        self._executor_shutdown_called = True
        executor, self._default_executor = self._default_executor, None
        if executor is not None:
            executor.shutdown(wait=False)


def _mend_stop_iteration(job: Any) -> None:
    """Make of a StopIteration the RuntimeError that a newer Python makes of it. Runs in any thread."""
    exc = getattr(job, "_exception", None)
    if isinstance(exc, StopIteration):
        error = RuntimeError(
            "StopIteration interacts badly with generators and cannot be raised into a Future"
        )
        error.__cause__ = error.__context__ = exc
        job._exception = error


def _settle(joined: asyncio.Future[None], failure: Exception | None) -> None:
    if joined.done():
        return
    if failure is None:
        joined.set_result(None)
    else:
        joined.set_exception(failure)
