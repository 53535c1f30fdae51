"""Blocking calls, run in threads: `run_in_executor` and the default executor."""

from __future__ import annotations

import asyncio
import threading
import warnings
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from aioxide.callbacks import check_callback
from aioxide.foundation import Foundation
from aioxide.thread_pool import ThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Executors(Foundation):
    """Owner of the default executor, which is made when it is first needed."""

    _default_executor: Executor | None
    _executor_shutdown_called: bool

    def _submit_to_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], args: tuple[*Ts]
    ) -> asyncio.Future[T]:
        """Call a function in a thread or process of an executor, by its `submit`.

        Called by the native `run_in_executor`, unless it can hand the call to a thread itself.

        Args:
            executor: where to run; None for the default executor.
            func: the function.
            args: its positional arguments.

        Returns:
            A future of the function's result.

        Raises:
            RuntimeError: the default executor was shut down.
            TypeError: `func` is a coroutine function or not callable (debug mode).

        """
        if self.get_debug():
            check_callback(func, "run_in_executor")
        if executor is None:
            executor = self._running_default_executor()
        # Not before: importing the package imports no natives.
        from aioxide.natives.futures import wrap_future

        job = executor.submit(func, *args)
        return self._by_thread(wrap_future(job, loop=self))

    def _running_default_executor(self) -> Executor:
        if self._executor_shutdown_called:
            raise RuntimeError("Executor shutdown has been called")
        executor = self._default_executor
        if executor is None:
            executor = self._default_executor = ThreadPool()
        elif isinstance(executor, ThreadPool) and executor.renew_if_inherited():
            # The native half has to know of it.
            self._default_executor = executor
        return executor

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


def _settle(joined: asyncio.Future[None], failure: Exception | None) -> None:
    if joined.done():
        return
    if failure is None:
        joined.set_result(None)
    else:
        joined.set_exception(failure)
