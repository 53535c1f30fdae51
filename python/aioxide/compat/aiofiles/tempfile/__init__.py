"""Temporary files and folders: what is in `tempfile`, awaited."""

from __future__ import annotations

import sys
import tempfile
from asyncio import get_running_loop
from functools import singledispatch
from io import BufferedRandom, BufferedReader, BufferedWriter, FileIO, TextIOBase
from typing import TYPE_CHECKING, Any

from aioxide.compat.aiofiles import base
from aioxide.compat.aiofiles.base import AiofilesContextManager
from aioxide.compat.aiofiles.serving import is_ours
from aioxide.compat.aiofiles.tempfile.temptypes import (
    AsyncSpooledTemporaryFile,
    AsyncTemporaryDirectory,
    SpooledOperations,
)
from aioxide.compat.aiofiles.threadpool import operations
from aioxide.compat.aiofiles.threadpool.binary import (
    AsyncBufferedIOBase,
    AsyncBufferedReader,
    AsyncFileIO,
)
from aioxide.compat.aiofiles.threadpool.text import AsyncTextIOWrapper
from aioxide.files import tempfile as own

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Executor

__all__ = [
    "NamedTemporaryFile",
    "SpooledTemporaryFile",
    "TemporaryDirectory",
    "TemporaryFile",
]

if sys.version_info >= (3, 12):

    def NamedTemporaryFile(  # noqa: N802 - the package's names are those of `tempfile`
        mode: str = "w+b",
        buffering: int = -1,
        encoding: str | None = None,
        newline: str | None = None,
        suffix: str | None = None,
        prefix: str | None = None,
        dir: Any = None,  # noqa: A002
        delete: bool = True,
        delete_on_close: bool = True,
        loop: AbstractEventLoop | None = None,
        executor: Executor | None = None,
    ) -> AiofilesContextManager[Any]:
        """Make a temporary file that has a name.

        Args:
            mode: as `open` has it.
            buffering: as `open` has it.
            encoding: as `open` has it.
            newline: as `open` has it.
            suffix: what its name ends with.
            prefix: what its name begins with.
            dir: the folder that it is made in; None for the usual one.
            delete: whether it is removed at all.
            delete_on_close: whether it is removed when it is closed, and not only at the end of the block.
            loop: the loop that is running, if it is given.
            executor: whose threads make every call; None for the loop's own.

        Returns:
            What is to be awaited, or entered with `async with`, for the file.

        """
        options = {
            **_options(mode, buffering, encoding, newline, suffix, prefix, dir),
            "delete": delete,
            "delete_on_close": delete_on_close,
        }
        return AiofilesContextManager(
            _file(tempfile.NamedTemporaryFile, own.NamedTemporaryFile, options, loop, executor)
        )

else:

    def NamedTemporaryFile(  # noqa: N802 - the package's names are those of `tempfile`
        mode: str = "w+b",
        buffering: int = -1,
        encoding: str | None = None,
        newline: str | None = None,
        suffix: str | None = None,
        prefix: str | None = None,
        dir: Any = None,  # noqa: A002
        delete: bool = True,
        loop: AbstractEventLoop | None = None,
        executor: Executor | None = None,
    ) -> AiofilesContextManager[Any]:
        """Make a temporary file that has a name.

        Args:
            mode: as `open` has it.
            buffering: as `open` has it.
            encoding: as `open` has it.
            newline: as `open` has it.
            suffix: what its name ends with.
            prefix: what its name begins with.
            dir: the folder that it is made in; None for the usual one.
            delete: whether it is removed when it is closed.
            loop: the loop that is running, if it is given.
            executor: whose threads make every call; None for the loop's own.

        Returns:
            What is to be awaited, or entered with `async with`, for the file.

        """
        options = _options(mode, buffering, encoding, newline, suffix, prefix, dir)
        return AiofilesContextManager(
            _file(
                tempfile.NamedTemporaryFile,
                own.NamedTemporaryFile,
                {**options, "delete": delete},
                loop,
                executor,
            )
        )


def TemporaryFile(  # noqa: N802
    mode: str = "w+b",
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: str | None = None,
    prefix: str | None = None,
    dir: Any = None,  # noqa: A002
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> AiofilesContextManager[Any]:
    """Make a temporary file without a name.

    Args:
        mode: as `open` has it.
        buffering: as `open` has it.
        encoding: as `open` has it.
        newline: as `open` has it.
        suffix: what its name would end with, where files must have one.
        prefix: what its name would begin with.
        dir: the folder whose file system it is in; None for the usual one.
        loop: the loop that is running, if it is given.
        executor: whose threads make every call; None for the loop's own.

    Returns:
        What is to be awaited, or entered with `async with`, for the file.

    """
    options = _options(mode, buffering, encoding, newline, suffix, prefix, dir)
    return AiofilesContextManager(
        _file(tempfile.TemporaryFile, own.TemporaryFile, options, loop, executor)
    )


def SpooledTemporaryFile(  # noqa: N802
    max_size: int = 0,
    mode: str = "w+b",
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: str | None = None,
    prefix: str | None = None,
    dir: Any = None,  # noqa: A002
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> AiofilesContextManager[AsyncSpooledTemporaryFile]:
    """Make a temporary file that is in memory as long as it is small.

    Args:
        max_size: how many bytes that is; 0 for any number.
        mode: as `open` has it.
        buffering: as `open` has it.
        encoding: as `open` has it.
        newline: as `open` has it.
        suffix: what its name would end with, where files must have one.
        prefix: what its name would begin with.
        dir: the folder whose file system it is in; None for the usual one.
        loop: the loop that is running, if it is given.
        executor: whose threads make every call; None for the loop's own.

    Returns:
        What is to be awaited, or entered with `async with`, for the file.

    """
    options = _options(mode, buffering, encoding, newline, suffix, prefix, dir)

    async def make() -> AsyncSpooledTemporaryFile:
        if is_ours(loop, executor):
            return SpooledOperations(own.SpooledTemporaryFile(max_size, **options), loop, executor)
        hopping = base.wrap(tempfile.SpooledTemporaryFile)
        file = await hopping(max_size=max_size, loop=loop, executor=executor, **options)
        return AsyncSpooledTemporaryFile(file, loop or get_running_loop(), executor)

    return AiofilesContextManager(make())


def TemporaryDirectory(  # noqa: N802
    suffix: str | None = None,
    prefix: str | None = None,
    dir: Any = None,  # noqa: A002
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> AiofilesContextManagerTempDir:
    """Make a temporary folder.

    Args:
        suffix: what its name ends with.
        prefix: what its name begins with.
        dir: the folder that it is made in; None for the usual one.
        loop: the loop that is running, if it is given.
        executor: whose threads make every call; None for the loop's own.

    Returns:
        What is to be awaited for the folder as an object, or entered with `async with` for its path.

    """

    async def make() -> AsyncTemporaryDirectory:
        hopping = base.wrap(tempfile.TemporaryDirectory)
        folder = await hopping(suffix, prefix, dir, loop=loop, executor=executor)
        return AsyncTemporaryDirectory(folder, loop or get_running_loop(), executor)

    return AiofilesContextManagerTempDir(make())


class AiofilesContextManagerTempDir(AiofilesContextManager[Any]):
    """What `TemporaryDirectory` returns: the block gets the path, as that of `tempfile` does."""

    async def __aenter__(self) -> str:
        folder: AsyncTemporaryDirectory = await self
        return folder.name


def _options(
    mode: str,
    buffering: int,
    encoding: str | None,
    newline: str | None,
    suffix: str | None,
    prefix: str | None,
    folder: Any,
) -> dict[str, Any]:
    return {
        "mode": mode,
        "buffering": buffering,
        "encoding": encoding,
        "newline": newline,
        "suffix": suffix,
        "prefix": prefix,
        "dir": folder,
    }


async def _file(
    make: Callable[..., Any],
    own_make: Callable[..., Awaitable[Any]],
    options: dict[str, Any],
    loop: AbstractEventLoop | None,
    executor: Executor | None,
) -> Any:
    """Make a file, in a thread where threads were chosen."""
    if is_ours(loop, executor):
        served = await own_make(**options)
        return operations.on(served, options["buffering"] != 0, loop, executor)
    file = await base.wrap(make)(loop=loop, executor=executor, **options)
    # Those that have names are wrappers themselves.
    below = getattr(file, "file", file)
    return wrap(below, file, loop=loop, executor=executor)


@singledispatch
def wrap(
    base_io_obj: Any,
    file: Any,
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Any:
    """Return a file with the methods of a temporary one, each of which hops to a thread.

    Args:
        base_io_obj: what says of which kind it is: a file of `io`.
        file: the file.
        loop: the loop that hops; None for the one that is running.
        executor: whose threads make the calls; None for the loop's own.

    Raises:
        TypeError: it is of no kind that is known.

    """
    raise TypeError(f"Unsupported IO type: {base_io_obj}")


def _register(kind: type, wrapper: type[base.AsyncBase]) -> None:
    def make(
        base_io_obj: Any,
        file: Any,
        *,
        loop: AbstractEventLoop | None = None,
        executor: Executor | None = None,
    ) -> base.AsyncBase:
        return wrapper(file, loop, executor)

    wrap.register(kind, make)


_register(TextIOBase, AsyncTextIOWrapper)
_register(BufferedWriter, AsyncBufferedIOBase)
_register(BufferedReader, AsyncBufferedReader)
_register(BufferedRandom, AsyncBufferedReader)
_register(FileIO, AsyncFileIO)
