"""Files of text whose methods hop to a thread."""

from __future__ import annotations

from typing import Any

from aioxide.compat.aiofiles.base import AsyncIndirectBase
from aioxide.compat.aiofiles.threadpool.methods import Methods


class AsyncTextIOWrapper(Methods[str]):
    """A file of text."""

    async def readable(self, *args: Any, **kwargs: Any) -> bool:
        """Tell whether the file was opened for reading."""
        return bool(await self._call(self._file.readable, *args, **kwargs))

    @property
    def buffer(self) -> Any:
        """The file of bytes below."""
        return self._file.buffer

    @property
    def encoding(self) -> str:
        """The encoding of the text."""
        encoding: str = self._file.encoding
        return encoding

    @property
    def errors(self) -> str | None:
        """What is done with what cannot be decoded or encoded."""
        errors: str | None = self._file.errors
        return errors

    @property
    def line_buffering(self) -> bool:
        """Whether each line is handed to the kernel as soon as it ends."""
        line_buffering: bool = self._file.line_buffering
        return line_buffering

    @property
    def newlines(self) -> str | tuple[str, ...] | None:
        """The ends of lines that were seen so far."""
        newlines: str | tuple[str, ...] | None = self._file.newlines
        return newlines


class AsyncTextIndirectIOWrapper(AsyncIndirectBase, AsyncTextIOWrapper):
    """A file of text that stands for another."""
