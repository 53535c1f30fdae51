"""What threads of Python do for a loop, and have it do."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future as ThreadFuture
from typing import Any, Never, Self, final

@final
class JobQueue:
    """The jobs of a thread pool. Closed when it is dropped: its threads then do what is queued, and end."""

    def __new__(cls, threads_max: int) -> Self: ...
    def submit(self, future: ThreadFuture[Any], call: Callable[[], object]) -> int | None: ...
    def worker(self) -> Worker: ...
    def thread_failed(self) -> bool: ...
    def is_inherited(self) -> bool: ...
    def close(self) -> None: ...
    def cancel_all(self) -> None: ...

@final
class Worker:
    """The target of a thread: does jobs until the queue is closed."""

    def __call__(self, *args: Never, **kwargs: Never) -> None: ...

@final
class ContextCall:
    """What is run in the thread: a call in the context of whoever awaits it."""

    def __call__(self, *args: Never, **kwargs: Never) -> Any: ...

@final
class Submission:
    """The callback of the loop, of the task and of the future: which of them calls is told by the argument."""

    def __call__(
        self, future: asyncio.Future[Any] | ThreadFuture[Any] | None = None, /
    ) -> None: ...

@final
class Wrapper:
    """The callback of both futures, and of the loop: which of them calls is told by the argument."""

    def __call__(
        self, future: asyncio.Future[Any] | ThreadFuture[Any] | None = None, /
    ) -> None: ...
