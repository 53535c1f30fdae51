"""Files of bytes, buffered and not, whose methods hop to a thread."""

from __future__ import annotations

from typing import Any

from aioxide.compat.aiofiles.base import AsyncIndirectBase
from aioxide.compat.aiofiles.threadpool.methods import Methods


class _BinaryMethods(Methods[bytes]):
    """What buffered and unbuffered files have in common."""

    async def readinto(self, *args: Any, **kwargs: Any) -> int:
        """Read into memory that is given, and return how much that was."""
        result: int = await self._call(self._file.readinto, *args, **kwargs)
        return result

    def readable(self, *args: Any, **kwargs: Any) -> bool:
        """Tell whether the file was opened for reading."""
        readable: bool = self._file.readable(*args, **kwargs)
        return readable


class AsyncBufferedIOBase(_BinaryMethods):
    """A buffered file that is written to, or any other of bytes."""

    async def read1(self, *args: Any, **kwargs: Any) -> bytes:
        """Read so much at most, with one read below at most."""
        result: bytes = await self._call(self._file.read1, *args, **kwargs)
        return result

    @property
    def raw(self) -> Any:
        """The unbuffered file below."""
        return self._file.raw


class AsyncBufferedReader(AsyncBufferedIOBase):
    """A buffered file that is read from, and perhaps written to."""

    async def peek(self, *args: Any, **kwargs: Any) -> bytes:
        """Return what comes next, and leave it there."""
        result: bytes = await self._call(self._file.peek, *args, **kwargs)
        return result


class AsyncFileIO(_BinaryMethods):
    """An unbuffered file."""

    async def readall(self, *args: Any, **kwargs: Any) -> bytes:
        """Read to the end."""
        result: bytes = await self._call(self._file.readall, *args, **kwargs)
        return result


class AsyncIndirectBufferedIOBase(AsyncIndirectBase, AsyncBufferedIOBase):
    """A buffered file that stands for another."""


class AsyncIndirectBufferedReader(AsyncIndirectBase, AsyncBufferedReader):
    """A buffered file that is read from and stands for another."""


class AsyncIndirectFileIO(AsyncIndirectBase, AsyncFileIO):
    """An unbuffered file that stands for another."""
