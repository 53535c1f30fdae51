"""Opening files, and making async what is already open."""

from __future__ import annotations

import builtins
import sys
from asyncio import get_running_loop
from functools import singledispatch
from io import (
    BufferedIOBase,
    BufferedRandom,
    BufferedReader,
    FileIO,
    TextIOBase,
)
from typing import TYPE_CHECKING, Any

from aioxide import files
from aioxide.compat.aiofiles import base
from aioxide.compat.aiofiles.base import AiofilesContextManager
from aioxide.compat.aiofiles.serving import is_ours
from aioxide.compat.aiofiles.threadpool import operations
from aioxide.compat.aiofiles.threadpool.binary import (
    AsyncBufferedIOBase,
    AsyncBufferedReader,
    AsyncFileIO,
    AsyncIndirectBufferedIOBase,
)
from aioxide.compat.aiofiles.threadpool.text import AsyncTextIndirectIOWrapper, AsyncTextIOWrapper

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from concurrent.futures import Executor

__all__ = (
    "open",
    "stderr",
    "stderr_bytes",
    "stdin",
    "stdin_bytes",
    "stdout",
    "stdout_bytes",
)

#: What opens files, as far as a thread does it. A test may put something else here, which is called then.
sync_open: Callable[..., Any] = builtins.open


def open(  # noqa: A001 - its name in the package
    file: Any,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Callable[[str, int], int] | None = None,
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> AiofilesContextManager[Any]:
    """Open a file, with the arguments of the built-in `open` and two more.

    Args:
        file: a path, or a descriptor.
        mode: what the file is opened for.
        buffering: 0 for none, 1 for lines, else the size of the buffer in bytes; -1 for one of the usual size.
        encoding: of a text; None for the locale's.
        errors: what is done with what cannot be decoded or encoded.
        newline: what ends a line of a text, and whether it is translated.
        closefd: whether a descriptor that is given is closed with the file.
        opener: called with the path and flags for the descriptor.
        loop: the loop that is running, if it is given.
        executor: whose threads make every call.

    Returns:
        What is to be awaited, or entered with `async with`, for the file.

    """
    arguments = (file, mode, buffering, encoding, errors, newline, closefd, opener)
    return AiofilesContextManager(_open(arguments, loop, executor))


async def _open(
    arguments: tuple[Any, ...], loop: AbstractEventLoop | None, executor: Executor | None
) -> Any:
    if sync_open is builtins.open and is_ours(loop, executor):
        served = await files.open(*arguments)
        return operations.on(served, arguments[2] != 0, loop, executor)
    file, mode, buffering, encoding, errors, newline, closefd, opener = arguments
    opened = await base.wrap(sync_open)(
        file,
        mode=mode,
        buffering=buffering,
        encoding=encoding,
        errors=errors,
        newline=newline,
        closefd=closefd,
        opener=opener,
        loop=loop,
        executor=executor,
    )
    return wrap(opened, loop=loop or get_running_loop(), executor=executor)


@singledispatch
def wrap(
    file: Any, *, loop: AbstractEventLoop | None = None, executor: Executor | None = None
) -> Any:
    """Return a file with the methods of one that is open, each of which hops to a thread.

    Args:
        file: the open file, of one of `io`'s classes or of one that was made known by `wrap.register`.
        loop: the loop that hops; None for the one that is running.
        executor: whose threads make the calls; None for the loop's own.

    Raises:
        TypeError: it is of no such class.

    """
    raise TypeError(f"Unsupported io type: {file}.")


def _register(kind: type, wrapper: type[base.AsyncBase]) -> None:
    def make(
        file: Any, *, loop: AbstractEventLoop | None = None, executor: Executor | None = None
    ) -> base.AsyncBase:
        return wrapper(file, loop, executor)

    wrap.register(kind, make)


_register(TextIOBase, AsyncTextIOWrapper)
_register(BufferedIOBase, AsyncBufferedIOBase)
_register(BufferedReader, AsyncBufferedReader)
_register(BufferedRandom, AsyncBufferedReader)
_register(FileIO, AsyncFileIO)


stdin = AsyncTextIndirectIOWrapper("sys.stdin", None, None, lambda: sys.stdin)
stdout = AsyncTextIndirectIOWrapper("sys.stdout", None, None, lambda: sys.stdout)
stderr = AsyncTextIndirectIOWrapper("sys.stderr", None, None, lambda: sys.stderr)
stdin_bytes = AsyncIndirectBufferedIOBase("sys.stdin.buffer", None, None, lambda: sys.stdin.buffer)
stdout_bytes = AsyncIndirectBufferedIOBase(
    "sys.stdout.buffer", None, None, lambda: sys.stdout.buffer
)
stderr_bytes = AsyncIndirectBufferedIOBase(
    "sys.stderr.buffer", None, None, lambda: sys.stderr.buffer
)
