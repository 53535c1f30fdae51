"""`AIOFile`, a file without a place of its own: each read and each write says where."""

from __future__ import annotations

import asyncio
import os
from errno import EBADF
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TextIO, TypeAlias, TypeGuard
from weakref import WeakKeyDictionary, ref

from aioxide import files
from aioxide.natives.locks import Lock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator
    from concurrent.futures import Executor
    from typing import Self

    from typing_extensions import Buffer

#: What stands in for a descriptor where there is none, in programs that ask.
AIO_FILE_NOT_OPENED = -1
AIO_FILE_CLOSED = -2

FileIOType: TypeAlias = TextIO | BinaryIO

#: Bytes of one read of a file whose size the kernel does not know.
_PIECE = 64 * 1024

_LETTERS = frozenset("rwaxbt+")
_FLAGS = {
    "r": 0,
    "w": os.O_CREAT | os.O_TRUNC,
    "a": os.O_CREAT | os.O_APPEND,
    "x": os.O_CREAT | os.O_EXCL,
}

_NOT_OPEN = "AIOFile closed"


class FileMode(NamedTuple):
    """What a mode says of a file."""

    readable: bool
    writable: bool
    plus: bool
    appending: bool
    created: bool
    flags: int
    binary: bool


@lru_cache(maxsize=64)
def parse_mode(mode: str) -> FileMode:
    """Take a mode apart.

    Args:
        mode: the mode, as `open` has it.

    Raises:
        Exception: it names two ways of opening a file, or one thing twice. Letters that mean nothing are let pass, and
            so is `x` after another: that is refused when the file is opened.

    """
    kinds = [letter for letter in mode if letter in "rwax"]
    plus = mode.count("+")
    if plus > 1 or not {"x"}.issuperset(kinds[1:]):
        raise Exception("Bad mode")
    is_readable = "r" in kinds or bool(plus)
    is_writable = not {"r"}.issuperset(kinds) or bool(plus)
    flags = 0
    for kind in kinds:
        flags |= _FLAGS[kind]
    if is_readable and is_writable:
        flags |= os.O_RDWR
    elif not is_readable:
        flags |= os.O_WRONLY
    return FileMode(
        readable=is_readable,
        writable=is_writable,
        plus=bool(plus),
        appending="a" in kinds,
        created="x" in kinds,
        flags=flags,
        binary="b" in mode,
    )


class Context:
    """What a context of the package's is to a program: something to hand to files. It does nothing."""

    def __init__(self, max_requests: int, loop: asyncio.AbstractEventLoop) -> None:
        self.max_requests = max_requests
        self._loop = ref(loop)

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop that it was made for; None once that is gone."""
        return self._loop()

    def close(self) -> None:
        """Do nothing: the loop has the operations, and ends them."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


_contexts: WeakKeyDictionary[asyncio.AbstractEventLoop, Context] = WeakKeyDictionary()


def create_context(max_requests: int = 512) -> Context:
    """Make the context that files of the current loop get from now on.

    Args:
        max_requests: kept, and otherwise without a meaning.

    Raises:
        RuntimeError: there is no current loop.

    """
    loop = asyncio.get_event_loop()
    context = _contexts[loop] = Context(max_requests, loop)
    return context


def get_default_context() -> Context:
    """Return the context of the current loop.

    Raises:
        RuntimeError: there is no current loop.

    """
    return _contexts.get(asyncio.get_event_loop()) or create_context()


class AIOFile:
    """A file that is read and written at places which each call names.

    Args:
        filename: its path.
        mode: what it is opened for, as `open` has it. Without "b", `read` and `write` decode and encode.
        encoding: how they do.
        context: accepted as the package accepts it, and not used.
        executor: the same: no thread is needed.

    Raises:
        Exception: the mode contradicts itself.

    """

    mode: FileMode

    def __init__(
        self,
        filename: str | os.PathLike[str],
        mode: str = "r",
        encoding: str = "utf-8",
        context: Any = None,
        executor: Executor | None = None,
    ) -> None:
        self.mode = parse_mode(mode)
        is_path = isinstance(filename, bytes | os.PathLike)
        self._fname = os.fsdecode(filename) if is_path else str(filename)
        self._open_mode = mode
        self._encoding = encoding
        self._context = context
        self._executor = executor
        #: What does the work, once it is open.
        self._file: files.BinaryFile | None = None
        #: The open file that was given, which stays the user's.
        self._given: FileIOType | None = None
        self._opening = Lock()
        self._clones = 0

    @classmethod
    def from_fp(cls, fp: FileIOType, **kwargs: Any) -> Self:
        """Return a file on one that is open already, and that is not closed with it.

        Args:
            fp: the open file. Its own place stays where it is.
            kwargs: what else the class is made with.

        """
        made = cls(fp.name, fp.mode, **kwargs)
        made._given = fp
        return made

    @property
    def name(self) -> str:
        """The path."""
        return self._fname

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the context that it was given, or else the current one."""
        loop: asyncio.AbstractEventLoop | None = getattr(self._context, "loop", None)
        return loop or asyncio.get_event_loop()

    @property
    def encoding(self) -> str:
        """How texts are encoded."""
        return self._encoding

    @property
    def closed(self) -> bool:
        """Whether the file is closed, or not open yet."""
        file = self._given or self._file
        return file is None or file.closed

    def fileno(self) -> int:
        """Return the descriptor.

        Raises:
            asyncio.InvalidStateError: it was not opened.
            ValueError: it is closed.

        """
        file = self._given or self._file
        if file is None:
            raise asyncio.InvalidStateError(_NOT_OPEN)
        return file.fileno()

    def __repr__(self) -> str:
        return f"<AIOFile: {self._fname!r}>"

    async def open(self) -> int | None:
        """Open the file.

        Returns:
            The descriptor; None if it was open already.

        Raises:
            OSError: it cannot be opened.
            ValueError: the mode means nothing.
            asyncio.InvalidStateError: it is closed.

        """
        if self._file is None and self._given is None:
            async with self._opening:
                if self._file is None:
                    self._file = await files.open(self._fname, _binary_mode(self._open_mode), 0)
                    return self._file.fileno()
        if self.closed:
            raise asyncio.InvalidStateError(_NOT_OPEN)
        return None

    async def clone(self) -> Self:
        """Return this file, which is to be closed once more from now on."""
        self._clones += 1
        return self

    async def close(self) -> None:
        """Close the file, and have what was written on the disk before; do nothing for all clones but the last.

        Raises:
            OSError: what was written could not be put on the disk. The file is closed all the same.

        """
        file = self._file
        if file is None or self._given is not None or file.closed:
            return
        if self._clones:
            self._clones -= 1
            return
        try:
            if self.mode.writable:
                await file.fsync(data_only=True)
        finally:
            await file.close()

    def __await__(self) -> Generator[Any, Any, Self]:
        yield from self.open().__await__()
        return self

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def read(self, size: int = -1, offset: int = 0) -> bytes | str:
        """Read, and decode if it is a file of text.

        Args:
            size: how many bytes; -1 for all from there on.
            offset: where, in bytes.

        Raises:
            ValueError: the size is less than -1, or the file is closed.
            UnicodeDecodeError: the bytes are no text, or begin or end within a character.
            OSError: the file cannot be read.

        """
        data = await self.read_bytes(size, offset)
        return data if self.mode.binary else self.decode_bytes(data)

    async def read_bytes(self, size: int = -1, offset: int = 0) -> bytes:
        """Read bytes, whatever the mode.

        Args:
            size: how many; -1 for all from there on.
            offset: where, in bytes.

        Raises:
            ValueError: the size is less than -1, or the file is closed.
            OSError: the file cannot be read.

        """
        if size < -1:
            raise ValueError(f"Unsupported value {size} for size")
        file = self._for(self.mode.readable)
        if size >= 0:
            return await file.read_at(size, offset)
        # The kernel has it in memory, since the file is open.
        size = os.fstat(file.fileno()).st_size
        if size:
            return await file.read_at(max(size - offset, 0), offset)
        pieces = []
        while piece := await file.read_at(_PIECE, offset):
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    async def write(self, data: str | Buffer, offset: int = 0) -> int:
        """Write, encoded if it is a file of text.

        Args:
            data: a text, or, of a binary file, whatever holds bytes.
            offset: where, in bytes. What is appended goes to the end all the same.

        Returns:
            How many bytes that was.

        Raises:
            ValueError: the data are of the wrong kind, or the file is closed.
            OSError: the file cannot be written to.

        """
        if self.mode.binary:
            if not _holds_bytes(data):
                raise ValueError("Data must be bytes in binary mode")
            return await self.write_bytes(data, offset)
        if not isinstance(data, str):
            raise ValueError("Data must be str in text mode")
        return await self.write_bytes(self.encode_bytes(data), offset)

    async def write_bytes(self, data: Buffer, offset: int = 0) -> int:
        """Write bytes, whatever the mode, and all of them.

        Args:
            data: what holds them.
            offset: where, in bytes.

        Returns:
            How many bytes that was.

        Raises:
            ValueError: the file is closed.
            OSError: the file cannot be written to.

        """
        file = self._for(self.mode.writable)
        return await file.write_at(data, offset)

    def encode_bytes(self, data: str) -> bytes:
        """Return a text as the file has it."""
        return data.encode(self._encoding)

    def decode_bytes(self, data: bytes) -> str:
        """Return the text that bytes of the file are."""
        return data.decode(self._encoding)

    async def fsync(self) -> None:
        """Have what was written, and what is known of the file, on the disk.

        Raises:
            OSError: it could not be put there.

        """
        await self._for(True).fsync()

    async def fdsync(self) -> None:
        """Have what was written on the disk, and of what is known of the file as much as reading it needs.

        Raises:
            OSError: it could not be put there.

        """
        await self._for(True).fsync(data_only=True)

    def truncate(self, length: int = 0) -> Awaitable[None]:
        """Give the file a length, with zeros where it grows. This is under way before it is awaited.

        Args:
            length: in bytes.

        """
        return asyncio.ensure_future(files.truncate(self.fileno(), length))

    def _for(self, is_allowed: bool) -> files.BinaryFile:
        """Return what does the work, if the mode allows it."""
        file = self._file
        if file is None or self._given is not None:
            # Asked of the open file that was given, and raises if there is none.
            descriptor = self.fileno()
            if file is None:
                # For reading and writing, whatever the mode: to append to it would move the file's own place.
                file = self._file = files.BinaryFile(descriptor, "rb+", 0, closefd=False)
        if not is_allowed:
            # A closed file says that it is closed.
            file.fileno()
            raise OSError(EBADF, os.strerror(EBADF), self._fname)
        return file


@lru_cache(maxsize=64)
def _binary_mode(mode: str) -> str:
    """Return the mode that opens a file for bytes in the same way; raises as `open` does for the one that is given."""
    if not _LETTERS.issuperset(mode):
        raise ValueError(f"invalid mode: {mode!r}")
    return mode if "b" in mode else mode.replace("t", "", 1) + "b"


def _holds_bytes(data: object) -> TypeGuard[Buffer]:
    if isinstance(data, bytes):
        return True
    try:
        memoryview(data)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True
