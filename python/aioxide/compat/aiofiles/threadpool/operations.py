"""Files of the package's classes whose calls are operations of the loop: what `open` gives if nobody chose threads.

Most methods are those of the file below itself, so that a call costs no more than it does there.
"""

from __future__ import annotations

from io import UnsupportedOperation
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from aioxide import files
from aioxide.compat.aiofiles.base import AsyncBase
from aioxide.compat.aiofiles.threadpool.binary import (
    AsyncBufferedIOBase,
    AsyncBufferedReader,
    AsyncFileIO,
)
from aioxide.compat.aiofiles.threadpool.text import AsyncTextIOWrapper

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Coroutine
    from concurrent.futures import Executor

_BELOW = (
    "close",
    "flush",
    "peek",
    "read",
    "read1",
    "readall",
    "readinto",
    "readinto1",
    "readline",
    "readlines",
    "seek",
    "tell",
    "truncate",
    "write",
    "writelines",
)


class Operations(AsyncBase):
    """What these files have in common."""

    async def _leave(self, *failure: Any) -> None:
        await self._file.__aexit__(*failure)

    def __aiter__(self) -> Any:
        return self._file.__aiter__()

    def __anext__(self) -> Coroutine[Any, Any, Any]:
        line: Coroutine[Any, Any, Any] = self._file.__anext__()
        return line

    async def isatty(self, *args: Any, **kwargs: Any) -> bool:
        """Tell whether it is a terminal."""
        return bool(self._file.isatty(*args, **kwargs))

    async def seekable(self, *args: Any, **kwargs: Any) -> bool:
        """Tell whether there are places to go to."""
        return bool(self._file.seekable(*args, **kwargs))

    async def writable(self, *args: Any, **kwargs: Any) -> bool:
        """Tell whether the file was opened for writing."""
        return bool(self._file.writable(*args, **kwargs))

    def detach(self, *args: Any, **kwargs: Any) -> Any:
        """Raise `io.UnsupportedOperation`: there is nothing below that blocks."""
        raise UnsupportedOperation("detach")

    @property
    def raw(self) -> Any:
        """Nothing: raises `io.UnsupportedOperation`."""
        raise UnsupportedOperation("raw")

    @property
    def buffer(self) -> Any:
        """Nothing: raises `io.UnsupportedOperation`."""
        raise UnsupportedOperation("buffer")


for _name in _BELOW:
    setattr(Operations, _name, property(attrgetter(f"_file.{_name}")))


class _Text(Operations, AsyncTextIOWrapper):
    async def readable(self, *args: Any, **kwargs: Any) -> bool:
        """Tell whether the file was opened for reading."""
        return bool(self._file.readable(*args, **kwargs))


class _BufferedReader(Operations, AsyncBufferedReader):
    pass


class _BufferedWriter(Operations, AsyncBufferedIOBase):
    pass


class _Unbuffered(Operations, AsyncFileIO):
    pass


def on(
    file: files.BinaryFile | files.TextFile,
    is_buffered: bool,
    loop: AbstractEventLoop | None,
    executor: Executor | None,
) -> AsyncBase:
    """Return the file of the package's class that stands for one of ours.

    Args:
        file: ours.
        is_buffered: whether a file of bytes was opened with a buffer.
        loop: what the call that opened it named.
        executor: the same.

    """
    kind: type[Operations] = _Unbuffered
    if isinstance(file, files.TextFile):
        kind = _Text
    elif is_buffered:
        kind = _BufferedReader if file.readable() else _BufferedWriter
    return kind(file, loop, executor)
