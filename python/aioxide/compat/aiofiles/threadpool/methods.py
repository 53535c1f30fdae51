"""The methods that every file has: each calls the one of its name in a thread, with whatever it is given."""

from __future__ import annotations

from typing import Any, AnyStr, Generic

from aioxide.compat.aiofiles.base import AsyncBase


class Methods(AsyncBase, Generic[AnyStr]):
    """What files of text and of bytes have in common."""

    async def close(self, *args: Any, **kwargs: Any) -> None:
        """Close the file."""
        await self._call(self._file.close, *args, **kwargs)

    async def flush(self, *args: Any, **kwargs: Any) -> None:
        """Hand what was written to the kernel."""
        await self._call(self._file.flush, *args, **kwargs)

    async def isatty(self, *args: Any, **kwargs: Any) -> bool:
        """Tell whether it is a terminal."""
        result: bool = await self._call(self._file.isatty, *args, **kwargs)
        return result

    async def read(self, *args: Any, **kwargs: Any) -> AnyStr:
        """Read so much, or all that there is."""
        result: AnyStr = await self._call(self._file.read, *args, **kwargs)
        return result

    async def readline(self, *args: Any, **kwargs: Any) -> AnyStr:
        """Read one line with its end, or so much of it."""
        result: AnyStr = await self._call(self._file.readline, *args, **kwargs)
        return result

    async def readlines(self, *args: Any, **kwargs: Any) -> list[AnyStr]:
        """Read all lines, or as many as make up so much."""
        result: list[AnyStr] = await self._call(self._file.readlines, *args, **kwargs)
        return result

    async def seek(self, *args: Any, **kwargs: Any) -> int:
        """Go elsewhere, and return where that is."""
        result: int = await self._call(self._file.seek, *args, **kwargs)
        return result

    async def seekable(self, *args: Any, **kwargs: Any) -> bool:
        """Tell whether there are places to go to."""
        result: bool = await self._call(self._file.seekable, *args, **kwargs)
        return result

    async def tell(self, *args: Any, **kwargs: Any) -> int:
        """Return the place in the file."""
        result: int = await self._call(self._file.tell, *args, **kwargs)
        return result

    async def truncate(self, *args: Any, **kwargs: Any) -> int:
        """Give the file a length, by default that up to here, and return it."""
        result: int = await self._call(self._file.truncate, *args, **kwargs)
        return result

    async def writable(self, *args: Any, **kwargs: Any) -> bool:
        """Tell whether the file was opened for writing."""
        result: bool = await self._call(self._file.writable, *args, **kwargs)
        return result

    async def write(self, *args: Any, **kwargs: Any) -> int:
        """Write, and return how much that was."""
        result: int = await self._call(self._file.write, *args, **kwargs)
        return result

    async def writelines(self, *args: Any, **kwargs: Any) -> None:
        """Write one thing after the other."""
        await self._call(self._file.writelines, *args, **kwargs)

    def fileno(self, *args: Any, **kwargs: Any) -> int:
        """Return the descriptor."""
        descriptor: int = self._file.fileno(*args, **kwargs)
        return descriptor

    def detach(self, *args: Any, **kwargs: Any) -> Any:
        """Return what is below, which this file then has no more."""
        return self._file.detach(*args, **kwargs)

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        closed: bool = self._file.closed
        return closed

    @property
    def name(self) -> Any:
        """What it was opened by: a path, or a descriptor."""
        return self._file.name

    @property
    def mode(self) -> str:
        """The mode that it was opened with."""
        mode: str = self._file.mode
        return mode
