"""Temporary files that stay in memory while they are small, and temporary folders."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from aioxide.compat.aiofiles.base import AsyncBase
from aioxide.compat.aiofiles.threadpool.operations import Operations

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from concurrent.futures import Executor


class AsyncSpooledTemporaryFile(AsyncBase):
    """A file in memory that moves to the disk when it grows; its methods hop to a thread from then on."""

    async def _call_where_it_is(self, name: str, *args: Any, **kwargs: Any) -> Any:
        call = partial(getattr(self._file, name), *args, **kwargs)
        return await self._call(call) if self._file._rolled else call()

    async def _grow(self, write: Callable[[Any], Any], name: str, data: Any) -> Any:
        """Write to memory, and move to the disk in a thread if that was too much for it."""
        if self._file._rolled:
            return await self._call(getattr(self._file, name), data)
        written = write(data)
        if self._file._max_size and self._file.tell() > self._file._max_size:
            await self.rollover()
        return written

    async def fileno(self, *args: Any, **kwargs: Any) -> int:
        """Return the descriptor, after moving to the disk."""
        descriptor: int = await self._call(self._file.fileno, *args, **kwargs)
        return descriptor

    async def rollover(self, *args: Any, **kwargs: Any) -> None:
        """Move to the disk."""
        await self._call(self._file.rollover, *args, **kwargs)

    async def write(self, s: Any) -> Any:
        """Write, and return how much that was."""
        return await self._grow(self._file._file.write, "write", s)

    async def writelines(self, iterable: Any) -> Any:
        """Write one thing after the other."""
        return await self._grow(self._file._file.writelines, "writelines", iterable)

    async def close(self, *args: Any, **kwargs: Any) -> None:
        """Close the file, which is gone then."""
        await self._call_where_it_is("close", *args, **kwargs)

    async def flush(self, *args: Any, **kwargs: Any) -> None:
        """Hand what was written to the kernel."""
        await self._call_where_it_is("flush", *args, **kwargs)

    async def isatty(self, *args: Any, **kwargs: Any) -> bool:
        """Tell that it is no terminal."""
        return bool(await self._call_where_it_is("isatty", *args, **kwargs))

    async def read(self, *args: Any, **kwargs: Any) -> Any:
        """Read so much, or all that there is."""
        return await self._call_where_it_is("read", *args, **kwargs)

    async def readline(self, *args: Any, **kwargs: Any) -> Any:
        """Read one line with its end, or so much of it."""
        return await self._call_where_it_is("readline", *args, **kwargs)

    async def readlines(self, *args: Any, **kwargs: Any) -> Any:
        """Read all lines, or as many as make up so much."""
        return await self._call_where_it_is("readlines", *args, **kwargs)

    async def seek(self, *args: Any, **kwargs: Any) -> Any:
        """Go elsewhere."""
        return await self._call_where_it_is("seek", *args, **kwargs)

    async def tell(self, *args: Any, **kwargs: Any) -> int:
        """Return the place in the file."""
        place: int = await self._call_where_it_is("tell", *args, **kwargs)
        return place

    async def truncate(self, *args: Any, **kwargs: Any) -> Any:
        """Give the file a length, by default that up to here."""
        return await self._call_where_it_is("truncate", *args, **kwargs)

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        closed: bool = self._file.closed
        return closed

    @property
    def encoding(self) -> Any:
        """The encoding of a text."""
        return self._file.encoding

    @property
    def mode(self) -> str:
        """The mode that it was opened with."""
        mode: str = self._file.mode
        return mode

    @property
    def name(self) -> Any:
        """Its name, of which there is none while it is in memory."""
        return self._file.name

    @property
    def newlines(self) -> Any:
        """The ends of lines that were seen so far in a text."""
        return self._file.newlines


class SpooledOperations(Operations, AsyncSpooledTemporaryFile):
    """The same over one of ours, whose calls are operations of the loop's once it is on the disk."""

    async def fileno(self) -> int:
        """Return the descriptor, after moving to the disk."""
        descriptor: int = await self._file.fileno()
        return descriptor

    async def rollover(self) -> None:
        """Move to the disk."""
        await self._file.rollover()


class AsyncTemporaryDirectory:
    """A folder that is there until it is closed, with all that is in it."""

    def __init__(
        self, file: Any, loop: AbstractEventLoop | None, executor: Executor | None
    ) -> None:
        self._file = file
        self._loop = loop
        self._executor = executor
        self._calls = AsyncBase(file, loop, executor)

    async def cleanup(self, *args: Any, **kwargs: Any) -> None:
        """Remove the folder."""
        await self._calls._call(self._file.cleanup, *args, **kwargs)

    async def close(self) -> None:
        """Remove the folder."""
        await self.cleanup()

    @property
    def name(self) -> str:
        """Its path."""
        name: str = self._file.name
        return name
