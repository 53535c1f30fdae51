"""Open files of bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aioxide import _core
from aioxide.natives.templates import native_methods

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable
    from types import TracebackType
    from typing import Self

    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["BinaryFile"]


@native_methods(_core.BinaryFile)
class BinaryFile:
    """An open file of bytes, as `io.BufferedReader` and its like, or `io.FileIO` if it is not buffered.

    Methods called by several tasks are carried out one after the other, in the order of the calls; those whose names
    end in `_at` side by side. One that is cancelled while it reads has not moved the position; one that
    is cancelled while it writes is completed all the same, before the next one begins.

    It is an asynchronous iterator over its lines, and an asynchronous context manager that closes it.

    Args:
        raw: the number of an open descriptor, which is the file's from here on, to be closed by it.
        mode: what the descriptor was opened for, as for the built-in `open`.
        buffering: 0 for none, or how many bytes to hold back and to read ahead; by default as is thought best.
        name: what the file is called; by default the number.
        closefd: False if somebody else will close the descriptor.

    """

    if TYPE_CHECKING:

        def __init__(
            self,
            raw: int,
            mode: str = "rb",
            buffering: int = -1,
            *,
            name: Any = None,
            closefd: bool = True,
        ) -> None: ...

        @property
        def name(self) -> Any:
            """What the file was opened by: a path, or the number of a descriptor."""

        @property
        def mode(self) -> str:
            """What the file was opened for, as `io.FileIO` says it."""

        @property
        def closed(self) -> bool:
            """Whether the file has been closed, or is being closed."""

        @property
        def closefd(self) -> bool:
            """Whether closing the file closes the descriptor."""

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
        def __anext__(self) -> Awaitable[bytes]: ...

    async def read(self, size: int | None = -1) -> bytes:
        """Read `size` bytes, or all up to the end of the file; fewer only at its end.

        An unbuffered file that is no plain one returns what comes first.

        Raises:
            ValueError: the file is closed, or `size` is below -1.
            io.UnsupportedOperation: the file is not open for reading.

        """
        raise NotImplementedError

    async def read1(self, size: int | None = -1) -> bytes:
        """Read at most `size` bytes: what was read ahead, or else what asking once brings.

        Raises:
            ValueError: the file is closed.
            io.UnsupportedOperation: the file is not open for reading.

        """
        raise NotImplementedError

    async def readall(self) -> bytes:
        """Read everything up to the end of the file.

        Raises:
            ValueError: the file is closed.
            io.UnsupportedOperation: the file is not open for reading.

        """
        raise NotImplementedError

    async def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill `buffer`, and return with how many bytes: fewer than it holds only at the end of the file.

        Raises:
            TypeError: `buffer` cannot be written to.
            ValueError: the file is closed.
            io.UnsupportedOperation: the file is not open for reading.

        """
        raise NotImplementedError

    async def readinto1(self, buffer: WriteableBuffer) -> int:
        """Fill `buffer` with what was read ahead, or else with what asking once brings; return with how many bytes.

        Raises:
            TypeError: `buffer` cannot be written to.
            ValueError: the file is closed.
            io.UnsupportedOperation: the file is not open for reading.

        """
        raise NotImplementedError

    async def peek(self, size: int | None = 0) -> bytes:
        """Return what was read ahead, or else what asking once brings; the position stays. `size` is a hint.

        Raises:
            ValueError: the file is closed.
            io.UnsupportedOperation: the file is not open for reading.

        """
        raise NotImplementedError

    async def readline(self, size: int | None = -1) -> bytes:
        r"""Read up to and with the next `b"\n"`, but at most `size` bytes; nothing at the end of the file.

        Raises:
            ValueError: the file is closed.
            io.UnsupportedOperation: the file is not open for reading.

        """
        raise NotImplementedError

    async def readlines(self, hint: int | None = -1) -> list[bytes]:
        """Read all lines, or only so many that they have `hint` bytes together.

        Raises:
            ValueError: the file is closed.
            io.UnsupportedOperation: the file is not open for reading.

        """
        raise NotImplementedError

    def chunks(self, size: int) -> AsyncIterator[bytes]:
        """Return an asynchronous iterator over pieces of `size` bytes, of which the last may be shorter.

        Raises:
            ValueError: `size` is zero.

        """
        raise NotImplementedError

    async def write(self, data: ReadableBuffer) -> int:
        """Write all of `data`, and return how many bytes that are. They may be held back until the next flush.

        Raises:
            TypeError: `data` is not bytes-like.
            ValueError: the file is closed.
            io.UnsupportedOperation: the file is not open for writing.
            OSError: something could not be written: what was held still is, and of `data` nothing is held.

        """
        raise NotImplementedError

    async def writelines(self, lines: Iterable[ReadableBuffer]) -> None:
        """Write one after the other.

        Raises:
            TypeError: one of `lines` is not bytes-like.
            ValueError: the file is closed.
            io.UnsupportedOperation: the file is not open for writing.
            OSError: something could not be written.

        """
        raise NotImplementedError

    async def seek(self, offset: int, whence: int = 0) -> int:
        """Move the position, and return it: bytes from the beginning, the position (1) or the end of the file (2).

        Raises:
            ValueError: the file is closed, or `whence` is unknown.
            io.UnsupportedOperation: the file has no positions.
            OSError: the position would be before the beginning, or what was held back could not be written.

        """
        raise NotImplementedError

    async def tell(self) -> int:
        """Return the position, in bytes from the beginning.

        Raises:
            ValueError: the file is closed.
            OSError: the file has no positions.

        """
        raise NotImplementedError

    async def truncate(self, size: int | None = None) -> int:
        """Make the file `size` bytes long, or end at the position, which stays; return its length.

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

    async def read_at(self, size: int, offset: int) -> bytes:
        """Read `size` bytes from `offset` on; fewer only at the end of the file. The position stays.

        Raises:
            ValueError: the file is closed, or `size` is negative.
            io.UnsupportedOperation: the file is not open for reading.
            OSError: the file has no positions, or `offset` is negative.

        """
        raise NotImplementedError

    async def readinto_at(self, buffer: WriteableBuffer, offset: int) -> int:
        """Fill `buffer` from `offset` on, and return with how many bytes. The position stays.

        Raises:
            TypeError: `buffer` cannot be written to.
            ValueError: the file is closed.
            io.UnsupportedOperation: the file is not open for reading.
            OSError: the file has no positions, or `offset` is negative.

        """
        raise NotImplementedError

    async def write_at(self, data: ReadableBuffer, offset: int) -> int:
        """Write all of `data` from `offset` on, to the kernel, and return how many bytes that are. The position stays.

        Linux writes to the end of a file that was opened for appending, wherever `offset` is.

        Raises:
            TypeError: `data` is not bytes-like.
            ValueError: the file is closed.
            io.UnsupportedOperation: the file is not open for writing.
            OSError: the file has no positions, `offset` is negative, or something could not be written.

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
