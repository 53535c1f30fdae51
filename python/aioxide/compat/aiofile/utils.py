"""What goes through an `AIOFile` in order: readers, writers, and files with a place that moves."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable
from io import BytesIO, StringIO
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aioxide.compat.aiofile.aio import AIOFile, FileIOType
from aioxide.natives.locks import Lock

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Self

    from typing_extensions import Buffer

__all__ = (
    "BinaryFileWrapper",
    "FileIOCloner",
    "FileIOWrapperBase",
    "LineReader",
    "Reader",
    "TextFileWrapper",
    "Writer",
    "async_open",
    "clone",
    "unicode_reader",
)

#: For an encoding, how many lengths of a chunk are tried until it ends with a character.
ENCODING_MAP = MappingProxyType({"utf-8": 4, "utf-16": 8, "UTF-8": 4, "UTF-16": 8})
_LENGTHS = 4


async def unicode_reader(
    afp: AIOFile, chunk_size: int, offset: int, encoding: str = "utf-8"
) -> tuple[int, str]:
    """Read a chunk of text, and as much more as its last character takes.

    Args:
        afp: the file.
        chunk_size: how many bytes; -1 for all from there on.
        offset: where, in bytes.
        encoding: how the text is encoded.

    Returns:
        How many bytes that was, and the text.

    Raises:
        UnicodeDecodeError: it is no text, whichever of the next bytes belong to it.
        OSError: the file cannot be read.

    """
    if chunk_size < 0:
        data = await afp.read_bytes(-1, offset)
        return len(data), data.decode(encoding)
    lengths = ENCODING_MAP.get(encoding, _LENGTHS)
    data = await afp.read_bytes(chunk_size + lengths - 1 if chunk_size else 0, offset)
    failure: UnicodeDecodeError | None = None
    for length in range(chunk_size, chunk_size + lengths):
        chunk = data[:length]
        try:
            return len(chunk), chunk.decode(encoding)
        except UnicodeDecodeError as error:
            failure = error
    assert failure is not None
    raise failure


class Reader(AsyncIterable[Any]):
    """A file in chunks, from a place of the reader's own: of text, none parts a character.

    Args:
        aio_file: the file.
        offset: where to begin, in bytes.
        chunk_size: how many bytes each chunk has, but for the last, and for the rest of a character.

    """

    CHUNK_SIZE = 32 * 1024

    __slots__ = ("_chunk_size", "_lock", "_offset", "encoding", "file")

    def __init__(self, aio_file: AIOFile, offset: int = 0, chunk_size: int = CHUNK_SIZE) -> None:
        self.file = aio_file
        self.encoding = aio_file.encoding
        self._offset = int(offset)
        self._chunk_size = int(chunk_size)
        self._lock = Lock()

    async def read_chunk(self) -> Any:
        """Return the next chunk, bytes or text; an empty one at the end.

        Raises:
            UnicodeDecodeError: it is no text.
            OSError: the file cannot be read.

        """
        async with self._lock:
            if self.file.mode.binary:
                data = await self.file.read_bytes(self._chunk_size, self._offset)
                self._offset += len(data)
                return data
            size, text = await unicode_reader(
                self.file, self._chunk_size, self._offset, self.encoding
            )
            self._offset += size
            return text

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        chunk = await self.read_chunk()
        if not chunk:
            raise StopAsyncIteration
        return chunk


class LineReader(AsyncIterable[Any]):
    """A file line by line, each with its end, from a place of the reader's own.

    Args:
        aio_file: the file.
        offset: where to begin, in bytes.
        chunk_size: how many bytes are read at a time.
        line_sep: what ends a line.

    """

    CHUNK_SIZE = 4192

    def __init__(
        self,
        aio_file: AIOFile,
        offset: int = 0,
        chunk_size: int = CHUNK_SIZE,
        line_sep: str = "\n",
    ) -> None:
        self._reader = Reader(aio_file, offset, chunk_size)
        self.linesep: Any = aio_file.encode_bytes(line_sep) if aio_file.mode.binary else line_sep
        #: Whole lines that were read, the next one last.
        self._lines: list[Any] = []
        #: What was read of the line after them, and of that the end, in which a separator may have begun.
        self._pieces: list[Any] = []
        self._end: Any = self._nothing

    @property
    def _nothing(self) -> Any:
        return self.linesep[:0]

    async def readline(self) -> Any:
        """Return the next line, bytes or text; what is empty after the last, which has perhaps no end.

        Raises:
            UnicodeDecodeError: it is no text.
            OSError: the file cannot be read.

        """
        return self._lines.pop() if self._lines else await self._read_line()

    async def _read_line(self) -> Any:
        """Read until there is a whole line, or no more."""
        while chunk := await self._reader.read_chunk():
            self._pieces.append(chunk)
            seen = self._end + chunk
            if self.linesep in seen:
                self._split()
                return self._lines.pop()
            self._end = seen[len(seen) - len(self.linesep) + 1 :]
        return self._take()

    def _split(self) -> None:
        """Make lines of what was read."""
        separator, text = self.linesep, self._take()
        lines: list[Any]
        if separator == "\n":
            # What `io` does with a text in memory is quicker than anything that can be said here.
            lines = [*StringIO(text, "\n")]
        elif separator == b"\n":
            lines = [*BytesIO(text)]
        else:
            *whole, rest = text.split(separator)
            lines = [line + separator for line in whole] + ([rest] if rest else [])
        if not lines[-1].endswith(separator):
            self._pieces.append(lines.pop())
            self._end = self._pieces[0][len(self._pieces[0]) - len(separator) + 1 :]
        lines.reverse()
        self._lines = lines

    def _take(self) -> Any:
        """Return what was read of a line, and forget it."""
        text = self._nothing.join(self._pieces)
        self._pieces.clear()
        self._end = self._nothing
        return text

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        line = self._lines.pop() if self._lines else await self._read_line()
        if not line:
            raise StopAsyncIteration
        return line


class Writer:
    """Writes one thing after the other, from a place of the writer's own.

    Args:
        aio_file: the file.
        offset: where to begin, in bytes.

    """

    __slots__ = ("_file", "_lock", "_offset")

    def __init__(self, aio_file: AIOFile, offset: int = 0) -> None:
        self._file = aio_file
        self._offset = int(offset)
        self._lock = Lock()

    async def __call__(self, data: str | Buffer) -> None:
        """Write.

        Args:
            data: bytes, or a text, which is encoded whatever the file's mode is.

        Raises:
            OSError: the file cannot be written to.

        """
        encoded = self._file.encode_bytes(data) if isinstance(data, str) else data
        async with self._lock:
            self._offset += await self._file.write_bytes(encoded, self._offset)


class FileIOWrapperBase(ABC):
    """A file with a place that moves, on top of an `AIOFile`.

    Args:
        afp: the file.
        offset: where to begin, in bytes; a file that is appended to begins at its end.

    """

    _READLINE_CHUNK_SIZE = 4192

    def __init__(self, afp: AIOFile, *, offset: int = 0) -> None:
        self.file = afp
        self._offset = offset
        self._lock = Lock()
        if afp.mode.appending:
            try:
                self._offset = os.stat(afp.name).st_size
            except FileNotFoundError:
                self._offset = 0

    @abstractmethod
    async def read(self, length: int = -1) -> Any:
        """Read so much, or to the end."""

    @abstractmethod
    async def write(self, data: Any) -> int:
        """Write, and return how many bytes that was."""

    @abstractmethod
    async def readline(self, size: int = -1, newline: Any = ...) -> Any:
        """Read a line with its end, or so much of it."""

    async def _read_line(self, size: int, newline: Any) -> Any:
        """Return the next line, or so much of it, and leave the place where it is."""
        lines = LineReader(self.file, self._offset, self._READLINE_CHUNK_SIZE)
        lines.linesep = newline or lines.linesep
        line = await lines.readline()
        return line[:size] if size > 0 else line

    def seek(self, offset: int) -> None:
        """Go elsewhere.

        Args:
            offset: where to, in bytes.

        """
        self._offset = offset

    def tell(self) -> int:
        """Return the place in the file, in bytes."""
        return self._offset

    @property
    def closed(self) -> bool:
        """Whether the file is closed, or not open yet."""
        return self.file.closed

    async def flush(self, sync_metadata: bool = False) -> None:
        """Have what was written on the disk.

        Args:
            sync_metadata: whether to have all there that is known of the file, too.

        Raises:
            OSError: it could not be put there.

        """
        await (self.file.fsync() if sync_metadata else self.file.fdsync())

    async def close(self) -> None:
        """Close the file, as `AIOFile.close` does."""
        await self.file.close()

    def __await__(self) -> Generator[Any, Any, Self]:
        yield from self.file.__await__()
        return self

    async def __aenter__(self) -> Self:
        await self.file.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __aiter__(self) -> LineReader:
        return LineReader(self.file, self._offset)

    def iter_chunked(self, chunk_size: int = Reader.CHUNK_SIZE) -> Reader:
        """Return an iterator over chunks from here on, which leaves the file's place where it is.

        Args:
            chunk_size: how many bytes each has.

        """
        return Reader(self.file, self._offset, chunk_size)


class BinaryFileWrapper(FileIOWrapperBase):
    """A file of bytes with a place that moves.

    Args:
        afp: the file.

    Raises:
        ValueError: it is one of text.

    """

    def __init__(self, afp: AIOFile) -> None:
        if not afp.mode.binary:
            raise ValueError("Expected file in binary mode")
        super().__init__(afp)

    async def read(self, length: int = -1) -> bytes:
        """Read so many bytes, or to the end.

        Args:
            length: how many; -1 for all.

        Raises:
            ValueError: the length is less than -1, or the file is closed.
            OSError: the file cannot be read.

        """
        async with self._lock:
            data = await self.file.read_bytes(length, self._offset)
            self._offset += len(data)
            return data

    async def write(self, data: Buffer) -> int:
        """Write bytes. Writes that are under way at once each have their own place.

        Args:
            data: what holds them.

        Returns:
            How many that was.

        Raises:
            ValueError: the file is closed.
            OSError: the file cannot be written to.

        """
        size = memoryview(data).nbytes
        async with self._lock:
            place = self._offset
            self._offset += size
        await self.file.write_bytes(data, place)
        return size

    async def readline(self, size: int = -1, newline: bytes = b"\n") -> bytes:
        """Read a line with its end, or so much of it.

        Args:
            size: how many bytes at most; without a limit unless above 0.
            newline: what ends a line.

        Raises:
            OSError: the file cannot be read.

        """
        async with self._lock:
            line: bytes = await self._read_line(size, newline)
            self._offset += len(line)
            return line


class TextFileWrapper(FileIOWrapperBase):
    """A file of text with a place that moves, which is counted in bytes.

    Args:
        afp: the file.

    Raises:
        ValueError: it is one of bytes.

    """

    def __init__(self, afp: AIOFile) -> None:
        if afp.mode.binary:
            raise ValueError("Expected file in text mode")
        super().__init__(afp)
        self.encoding = afp.encoding

    async def read(self, length: int = -1) -> str:
        """Read so many characters, or to the end.

        Args:
            length: how many; less than 0 for all.

        Raises:
            UnicodeDecodeError: it is no text.
            ValueError: the file is closed.
            OSError: the file cannot be read.

        """
        async with self._lock:
            text = ""
            while len(text) < length or length < 0:
                # A character has a byte at least, so that this is never too much.
                wanted = length - len(text) if length > 0 else -1
                size, piece = await unicode_reader(self.file, wanted, self._offset, self.encoding)
                if not size:
                    break
                self._offset += size
                text += piece
            return text

    async def write(self, data: str) -> int:
        """Write a text. Writes that are under way at once each have their own place.

        Args:
            data: the text.

        Returns:
            How many bytes that was.

        Raises:
            ValueError: the file is closed.
            OSError: the file cannot be written to.

        """
        encoded = data.encode(self.encoding)
        async with self._lock:
            place = self._offset
            self._offset += len(encoded)
        return await self.file.write_bytes(encoded, place)

    async def readline(self, size: int = -1, newline: str = "\n") -> str:
        """Read a line with its end, or so much of it.

        Args:
            size: how many characters at most; without a limit unless above 0.
            newline: what ends a line.

        Raises:
            UnicodeDecodeError: it is no text.
            OSError: the file cannot be read.

        """
        async with self._lock:
            line: str = await self._read_line(size, newline)
            self._offset += len(line.encode(self.encoding))
            return line


def async_open(
    file_specifier: str | os.PathLike[str] | FileIOType, mode: str = "r", *args: Any, **kwargs: Any
) -> BinaryFileWrapper | TextFileWrapper:
    """Return a file that is open once it is awaited, or entered with `async with`.

    Args:
        file_specifier: its path, or a file that is open already.
        mode: what it is opened for, as `open` has it; an open file has its own.
        args: what else `AIOFile` is made with.
        kwargs: the same, by name.

    Raises:
        ValueError: more than the file was given for one that is open.

    """
    if isinstance(file_specifier, str | os.PathLike):
        afp = AIOFile(file_specifier, mode, *args, **kwargs)
    elif args:
        raise ValueError("Arguments denied when IO[Any] opening.")
    else:
        afp = AIOFile.from_fp(file_specifier, **kwargs)
    return BinaryFileWrapper(afp) if afp.mode.binary else TextFileWrapper(afp)


FileT = TypeVar("FileT", bound=FileIOWrapperBase)


class FileIOCloner(Generic[FileT]):
    """What is to be awaited, or entered with `async with`, for a clone.

    Args:
        file: the file that is cloned.

    """

    def __init__(self, file: FileT) -> None:
        self.source_afp = file
        self.cloned_afp: FileT | None = None

    async def _clone(self) -> FileT:
        if self.cloned_afp is None:
            self.cloned_afp = type(self.source_afp)(await self.source_afp.file.clone())
        return self.cloned_afp

    def __await__(self) -> Generator[Any, Any, FileT]:
        return self._clone().__await__()

    async def __aenter__(self) -> FileT:
        return await self._clone()

    async def __aexit__(self, *_: object) -> None:
        if self.cloned_afp is not None:
            await self.cloned_afp.close()


def clone(afp: FileIOWrapperBase) -> FileIOCloner[FileIOWrapperBase]:
    """Return what comes to be a file with a place of its own in the same open one, closed when all are.

    Args:
        afp: the file.

    """
    return FileIOCloner(afp)
