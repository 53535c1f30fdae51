"""The default executor: a `ThreadPoolExecutor` whose threads wait for their jobs natively.

`run_in_executor` hands its calls to the threads without a `concurrent.futures.Future`; whoever gets at the
executor itself, and submits to it, is given one. Everything else is as with the class that is extended: the names
and the number of the threads, which are never more than there is use for; at exit the interpreter lets them
finish what is queued; and they end when the executor is collected.
"""

from __future__ import annotations

import os
import threading
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from aioxide import _core

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

_cpu_count: Callable[[], int | None] = getattr(os, "process_cpu_count", os.cpu_count)


class _Exit:
    """What happens at interpreter exit: all pools take no more jobs, so that their threads end and can be joined."""

    def __init__(self) -> None:
        self.has_begun = False
        self._is_arranged = False
        self._pools: weakref.WeakSet[ThreadPool] = weakref.WeakSet()

    def include(self, pool: ThreadPool) -> None:
        """Have `pool` closed at exit."""
        if not self._is_arranged:
            self._is_arranged = True
            try:
                # `atexit` is too late: before it comes to that, the interpreter waits for all threads.
                threading._register_atexit(self._begin)  # type: ignore[attr-defined]
            except RuntimeError:
                self.has_begun = True
        self._pools.add(pool)

    def _begin(self) -> None:
        self.has_begun = True
        for pool in list(self._pools):
            pool._jobs.close()


_exit = _Exit()


class ThreadPool(ThreadPoolExecutor):
    """The threads of a loop's default executor."""

    _threads: set[threading.Thread]

    def __init__(self) -> None:
        self._threads_max = min(32, (_cpu_count() or 1) + 4)
        super().__init__(self._threads_max, thread_name_prefix="asyncio")
        self._jobs = _core.JobQueue(self._threads_max)
        _exit.include(self)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call a function in a thread.

        Args:
            fn: the function.
            args: its positional arguments.
            kwargs: its keyword arguments.

        Returns:
            A future of the function's result.

        Raises:
            RuntimeError: the executor was shut down, the interpreter is shutting down, or there is no
                thread and none can be started.

        """
        if _exit.has_begun:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        self.renew_if_inherited()
        future: Future[T] = Future()
        number = self._jobs.submit(future, partial(_fulfil, future, partial(fn, *args, **kwargs)))
        if number is not None:
            try:
                self._start_thread(number)
            except RuntimeError:
                if not self._jobs.thread_failed():
                    future.cancel()
                    raise
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Refuse further work. What is queued is still done.

        Args:
            wait: whether to wait for the threads to end.
            cancel_futures: whether to cancel what has not begun.

        """
        self._jobs.close()
        if cancel_futures:
            self._jobs.cancel_all()
        # Joins our threads, which are in the set that it knows.
        super().shutdown(wait=wait)

    def renew_if_inherited(self) -> bool:
        """In a forked child, where the threads are not, begin anew. Returns whether that was so."""
        if not self._jobs.is_inherited():
            return False
        self._threads.clear()
        self._jobs = _core.JobQueue(self._threads_max)
        return True

    def _start_thread(self, number: int) -> None:
        """Start a thread, for which a submission has asked."""
        thread = threading.Thread(target=self._jobs.worker(), name=f"asyncio_{number}")
        thread.start()
        self._threads.add(thread)


def _fulfil(future: Future[Any], call: Callable[[], Any]) -> None:
    """Call a function, and give a future its outcome. Runs in a thread of the pool."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as exc:  # noqa: BLE001 - handed to whoever waits
        future.set_exception(exc)
        # The exception knows this frame by its traceback, and would be known by it.
        del future
    else:
        future.set_result(result)
