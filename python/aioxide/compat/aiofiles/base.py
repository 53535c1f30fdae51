"""What the rest is made of: functions that hop to a thread, what every file has, and how one is opened."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from concurrent.futures import Executor
    from types import TracebackType

T = TypeVar("T")
FileT_co = TypeVar("FileT_co", covariant=True)


def wrap(func: Callable[..., T]) -> Callable[..., Coroutine[Any, Any, T]]:
    """Return a coroutine function that calls a function in a thread.

    Args:
        func: the function, whose name and documentation the new one gets.

    Returns:
        A function of the same arguments, and two more by keyword: `loop`, the running one by default, whose
        `executor`, by default its own, has the thread.

    """

    @wraps(func)
    async def run(
        *args: Any,
        loop: AbstractEventLoop | None = None,
        executor: Executor | None = None,
        **kwargs: Any,
    ) -> T:
        call = partial(func, *args, **kwargs)
        return await (loop or get_running_loop()).run_in_executor(executor, call)

    return run


class AsyncBase:
    """A file whose methods are awaited."""

    def __init__(
        self, file: Any, loop: AbstractEventLoop | None, executor: Executor | None
    ) -> None:
        self._file = file
        self._executor = executor
        self._ref_loop = loop

    @property
    def _loop(self) -> AbstractEventLoop:
        return self._ref_loop or get_running_loop()

    async def _call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function in a thread of this file's executor."""
        return await self._loop.run_in_executor(self._executor, partial(function, *args, **kwargs))

    async def _leave(self, *failure: Any) -> None:
        """End the block that the file was opened for, whose failure is given, if it had one."""
        await self._call(self._file.__exit__, *failure)

    def __repr__(self) -> str:
        return f"{super().__repr__()} wrapping {self._file!r}"

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        # Classes that users make of this one have it from `delegate_to_executor`.
        line = await self.readline()  # type: ignore[attr-defined]
        if not line:
            raise StopAsyncIteration
        return line


class AsyncIndirectBase(AsyncBase):
    """A file that stands for another, which is asked for anew with each call."""

    def __init__(
        self,
        name: str,
        loop: AbstractEventLoop | None,
        executor: Executor | None,
        indirect: Callable[[], Any],
    ) -> None:
        self._indirect = indirect
        self._name = name
        super().__init__(None, loop, executor)

    @property
    def _file(self) -> Any:
        return self._indirect()

    @_file.setter
    def _file(self, file: Any) -> None:
        """Take no file: it is asked for."""


class AiofilesContextManager(
    Awaitable[FileT_co], AbstractAsyncContextManager[FileT_co], Generic[FileT_co]
):
    """What `open` returns: to be awaited, or entered with `async with`, for the file."""

    __slots__ = ("_coro", "_obj")

    def __init__(self, coro: Coroutine[Any, Any, FileT_co]) -> None:
        self._coro = coro
        self._obj: Any = None

    def __await__(self) -> Generator[Any, Any, FileT_co]:
        if self._obj is None:
            self._obj = yield from self._coro.__await__()
        opened: FileT_co = self._obj
        return opened

    async def __aenter__(self) -> FileT_co:
        return await self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        opened, self._obj = self._obj, None
        if hasattr(opened, "_leave"):
            await opened._leave(exc_type, exc_val, exc_tb)
        else:
            # Of a class that the user's program has made known to `wrap`.
            await wrap(opened._file.__exit__)(exc_type, exc_val, exc_tb)
