"""Open files of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aioxide import _core
from aioxide.natives.templates import native_methods

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable
    from types import EllipsisType, TracebackType
    from typing import Self

    from aioxide.files.binary import BinaryFile

__all__ = ["TextFile"]


@native_methods(_core.TextFile)
class TextFile:
    r"""An open file of text, as `io.TextIOWrapper`, over a file of bytes.

    Methods called by several tasks are carried out one after the other, in the order of the calls. One that is
    cancelled while it reads has not moved the position; one that is cancelled while it writes is completed.

    It is an asynchronous iterator over its lines, during which `tell` works, too, and an asynchronous context manager
    that closes it.

    Args:
        buffer: the file of bytes.
        encoding: its encoding; by default the locale's.
        errors: what becomes of what cannot be decoded or encoded; by default it is raised.
        newline: how lines end: None for any way, which is read as `"\n"`; `""` for any way, which is read as it is; or
            what alone ends them, and what `"\n"` is written as.
        line_buffering: whether every end of a line that is written is flushed.
        write_through: what `write_through` is to say; text is handed to the file of bytes at once in any case.
        mode: what `mode` is to say; by default as the file of bytes.

    Raises:
        LookupError: the encoding is unknown, or not one of text.
        ValueError: `newline` is none of those.

    """

    if TYPE_CHECKING:

        def __init__(
            self,
            buffer: BinaryFile,
            encoding: str | None = None,
            errors: str | None = None,
            newline: str | None = None,
            line_buffering: bool = False,
            write_through: bool = False,
            *,
            mode: Any = None,
        ) -> None: ...

        @property
        def buffer(self) -> BinaryFile:
            """The file of bytes under it. None once it was detached."""

        @property
        def name(self) -> Any:
            """What the file was opened by: a path, or the number of a descriptor."""

        @property
        def mode(self) -> Any:
            """What the file was opened for."""

        @property
        def closed(self) -> bool:
            """Whether the file has been closed, or is being closed."""

        @property
        def encoding(self) -> str:
            """The name of the encoding."""

        @property
        def errors(self) -> str:
            """What becomes of what cannot be decoded or encoded."""

        @property
        def newlines(self) -> str | tuple[str, ...] | None:
            """Which ends of lines have been read: None, a text, or a tuple of them."""

        @property
        def line_buffering(self) -> bool:
            """Whether every end of a line that is written is flushed."""

        @property
        def write_through(self) -> bool:
            """Whether text is handed to the file of bytes at once, which it is in any case."""

        def fileno(self) -> int:
            """Return the number of the descriptor. Raises `ValueError` if the file is closed."""

        def readable(self) -> bool:
            """Return whether the file can be read."""

        def writable(self) -> bool:
            """Return whether the file can be written."""

        def seekable(self) -> bool:
            """Return whether the file has positions."""

        def isatty(self) -> bool:
            """Return whether the file is a terminal."""

        def __aiter__(self) -> Self: ...
        def __anext__(self) -> Awaitable[str]: ...

    async def read(self, size: int | None = -1) -> str:
        """Read `size` characters, or all up to the end of the file; fewer only at its end.

        Raises:
            ValueError: the file is closed, or what is read cannot be decoded (`UnicodeDecodeError`).
            io.UnsupportedOperation: the file is not open for reading.

        """
        raise NotImplementedError

    async def readline(self, size: int = -1) -> str:
        """Read up to and with the next end of a line, but at most `size` characters; nothing at the end of the file.

        Raises:
            ValueError: the file is closed, or what is read cannot be decoded (`UnicodeDecodeError`).
            io.UnsupportedOperation: the file is not open for reading.

        """
        raise NotImplementedError

    async def readlines(self, hint: int | None = -1) -> list[str]:
        """Read all lines, or only so many that they have more than `hint` characters together.

        Raises:
            ValueError: the file is closed, or what is read cannot be decoded (`UnicodeDecodeError`).
            io.UnsupportedOperation: the file is not open for reading.

        """
        raise NotImplementedError

    async def write(self, text: str) -> int:
        """Write all of `text`, and return how many characters that are. They may be held back until the next flush.

        Raises:
            TypeError: `text` is no text.
            ValueError: the file is closed, or `text` cannot be encoded (`UnicodeEncodeError`).
            io.UnsupportedOperation: the file is not open for writing.
            OSError: something could not be written.

        """
        raise NotImplementedError

    async def writelines(self, lines: Iterable[str]) -> None:
        """Write one after the other. No ends of lines are added.

        Raises:
            TypeError: one of `lines` is no text.
            ValueError: the file is closed, or something cannot be encoded (`UnicodeEncodeError`).
            io.UnsupportedOperation: the file is not open for writing.
            OSError: something could not be written.

        """
        raise NotImplementedError

    async def seek(self, cookie: int, whence: int = 0) -> int:
        """Move to a position that `tell` has returned, or to the beginning or the end (2) of the file; return it.

        Raises:
            ValueError: the file is closed, or an argument is not of these.
            io.UnsupportedOperation: the file has no positions, or `cookie` is not zero where it has to be.
            OSError: there is no such position, or what was held back could not be written.

        """
        raise NotImplementedError

    async def tell(self) -> int:
        """Return the position. It is for `seek`; that it is an offset in bytes for most is not to be relied on.

        Raises:
            ValueError: the file is closed.
            io.UnsupportedOperation: the file has no positions.
            OSError: what was held back could not be written.

        """
        raise NotImplementedError

    async def truncate(self, size: int | None = None) -> int:
        """Make the file `size` bytes long, or end where the file of bytes stands; return its length.

        Raises:
            ValueError: the file is closed.
            io.UnsupportedOperation: the file is not open for writing.
            OSError: it cannot be done, or what was held back could not be written.

        """
        raise NotImplementedError

    async def flush(self) -> None:
        """Write what is held back, to the kernel.

        Raises:
            ValueError: the file is closed.
            OSError: it could not be written, and is still held.

        """
        raise NotImplementedError

    async def fsync(self, data_only: bool = False) -> None:
        """Write what is held back, and wait until everything is on the disk, or only the data and what reading needs.

        Raises:
            ValueError: the file is closed.
            OSError: something may not be on the disk. That is told once.

        """
        raise NotImplementedError

    async def close(self) -> None:
        """Write what is held back, and close the file, also if that fails. To close twice does nothing.

        One that is cancelled while it writes may leave the file open: to close it again does the rest.

        Raises:
            OSError: something could not be written, and is lost.

        """
        raise NotImplementedError

    async def detach(self) -> BinaryFile:
        """Write what is held back, and give the file of bytes away, which stands behind what has been decoded.

        After that the file of text raises `ValueError`, whatever is asked of it: also by `close`, and at the end of
        `async with`.

        Returns:
            The file of bytes.

        Raises:
            ValueError: the file is closed, or was detached before.
            OSError: what was held back could not be written.

        """
        raise NotImplementedError

    async def reconfigure(
        self,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | EllipsisType | None = ...,
        line_buffering: bool | None = None,
        write_through: bool | None = None,
    ) -> None:
        """Write what is held back, and go on with another encoding, other errors, ends of lines or flushing.

        What is not given, or None, stays; for `newline`, None is a way to end lines. Without `errors`, another
        encoding is strict.

        Raises:
            LookupError: the encoding is unknown, or not one of text.
            ValueError: the file is closed, or `newline` is unknown.
            io.UnsupportedOperation: something was read, and the encoding, the errors or `newline` are given.
            OSError: what was held back could not be written.

        """
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        """Return the file.

        Raises:
            ValueError: it is closed.

        """
        raise NotImplementedError

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Close the file.

        Raises:
            OSError: something could not be written, and is lost.

        """
        raise NotImplementedError
