"""A temporary file that stays in memory while it is small."""

from __future__ import annotations

import asyncio
import io
import os
from functools import partial
from typing import TYPE_CHECKING, Any, AnyStr, Generic, TypeVar, overload

from aioxide.files.hops import hop_and_take
from aioxide.files.opening import plan_of
from aioxide.files.temporary_files import make_unnamed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from types import TracebackType
    from typing import Self

    from _typeshed import GenericPath, OpenBinaryMode, OpenTextMode, ReadableBuffer, WriteableBuffer

T = TypeVar("T")


class SpooledTemporaryFile(Generic[AnyStr]):
    """A temporary file that stays in memory until it is longer than `max_size`, as `tempfile.SpooledTemporaryFile`.

        async with SpooledTemporaryFile(1 << 20) as file:
            await file.write(b"small")

    In memory nothing waits. Methods called by several tasks are carried out one after the other while it moves to
    the disk, and then as those of a file.

    Args:
        max_size: how many bytes may stay in memory; 0 for any number, until `fileno` or `rollover` is called.
        mode: as for `open`.
        buffering: as for `open`, of the file on the disk.
        encoding: as for `open`.
        newline: as for `open`.
        suffix: how the name that the file may have for a moment ends.
        prefix: how that name begins.
        dir: the directory that the file is to be in; None for that of `gettempdir`.
        errors: as for `open`.

    Raises:
        ValueError: the mode makes no sense, or not with the other arguments.

    """

    @overload
    def __init__(
        self: SpooledTemporaryFile[bytes],
        max_size: int = 0,
        mode: OpenBinaryMode = "w+b",
        buffering: int = -1,
        encoding: None = None,
        newline: None = None,
        suffix: str | None = None,
        prefix: str | None = None,
        dir: GenericPath[str] | None = None,
        *,
        errors: None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: SpooledTemporaryFile[str],
        max_size: int,
        mode: OpenTextMode,
        buffering: int = -1,
        encoding: str | None = None,
        newline: str | None = None,
        suffix: str | None = None,
        prefix: str | None = None,
        dir: GenericPath[str] | None = None,
        *,
        errors: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: SpooledTemporaryFile[str],
        max_size: int = 0,
        *,
        mode: OpenTextMode,
        buffering: int = -1,
        encoding: str | None = None,
        newline: str | None = None,
        suffix: str | None = None,
        prefix: str | None = None,
        dir: GenericPath[str] | None = None,
        errors: str | None = None,
    ) -> None: ...
    def __init__(
        self,
        max_size: int = 0,
        mode: str = "w+b",
        buffering: int = -1,
        encoding: Any = None,
        newline: Any = None,
        suffix: Any = None,
        prefix: Any = None,
        dir: Any = None,
        *,
        errors: Any = None,
    ) -> None:
        # What is in memory, and then the file on the disk.
        self._file: Any
        if "b" in mode:
            self._file = io.BytesIO()
        else:
            encoding = io.text_encoding(encoding)
            self._file = io.TextIOWrapper(io.BytesIO(), encoding, errors, newline)
        self._plan = plan_of(mode, buffering, encoding, errors, newline)
        self._make = partial(make_unnamed, suffix, prefix, dir)
        self._max_size = max_size
        # Under the name that `tempfile` has for it.
        self._rolled = False
        # Held while the file moves to the disk.
        self._moving = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} over {self._file!r}>"

    def __await__(self) -> Generator[Any, None, Self]:
        return _given(self).__await__()

    async def __aenter__(self) -> Self:
        if self.closed:
            raise ValueError("Cannot enter context with closed file")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AnyStr:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        closed: bool = self._file.closed
        return closed

    @property
    def mode(self) -> str:
        """The mode: the one that was asked for, or that of the file on the disk."""
        return str(self._file.mode) if self._rolled else self._plan.mode

    @property
    def name(self) -> Any:
        """None, or the number of the descriptor."""
        return self._file.name if self._rolled else None

    @property
    def encoding(self) -> str:
        """The text's encoding. Raises `AttributeError` for bytes."""
        encoding: str = self._file.encoding
        return encoding

    @property
    def errors(self) -> str | None:
        """What becomes of what is no text in this encoding. Raises `AttributeError` for bytes."""
        errors: str | None = self._file.errors
        return errors

    @property
    def newlines(self) -> Any:
        """The ends of lines that were seen. Raises `AttributeError` for bytes."""
        return self._file.newlines

    def readable(self) -> bool:
        """Tell whether it can be read. Raises `ValueError` if it is closed."""
        return bool(self._file.readable())

    def writable(self) -> bool:
        """Tell whether it can be written. Raises `ValueError` if it is closed."""
        return bool(self._file.writable())

    def seekable(self) -> bool:
        """Tell whether it has positions. Raises `ValueError` if it is closed."""
        return bool(self._file.seekable())

    def isatty(self) -> bool:
        """Tell whether it is a terminal. Raises `ValueError` if it is closed."""
        return bool(self._file.isatty())

    async def rollover(self) -> None:
        """Move the file to the disk.

        Raises:
            OSError: it cannot be made there, and stays in memory.

        """
        async with self._moving:
            if not self._rolled:
                await self._move()

    async def fileno(self) -> int:
        """Move the file to the disk, and return the number of its descriptor.

        Raises:
            ValueError: the file is closed.
            OSError: it cannot be made on the disk.

        """
        await self.rollover()
        return int(self._file.fileno())

    async def close(self) -> None:
        """Close the file, which is gone then."""
        await self._call("close")

    async def flush(self) -> None:
        """Write what is held back. Raises as files do."""
        await self._call("flush")

    async def read(self, size: int | None = -1) -> AnyStr:
        """Read `size` bytes or characters, or all up to the end. Raises as files do."""
        read: AnyStr = await self._call("read", size)
        return read

    async def read1(self: SpooledTemporaryFile[bytes], size: int = -1) -> bytes:
        """Read at most `size` bytes: what is at hand. Raises as files do."""
        read: bytes = await self._call("read1", size)
        return read

    async def readinto(self: SpooledTemporaryFile[bytes], b: WriteableBuffer) -> int:
        """Fill a buffer, and return with how many bytes. Raises as files do."""
        return int(await self._call("readinto", b))

    async def readinto1(self: SpooledTemporaryFile[bytes], b: WriteableBuffer) -> int:
        """Fill a buffer with what is at hand, and return with how many bytes. Raises as files do."""
        return int(await self._call("readinto1", b))

    async def readline(self, size: int = -1) -> AnyStr:
        """Read up to the end of the line, but at most `size`. Raises as files do."""
        read: AnyStr = await self._call("readline", size)
        return read

    async def readlines(self, hint: int = -1) -> list[AnyStr]:
        """Read all lines, or only so many that they have `hint` bytes or characters. Raises as files do."""
        return list(await self._call("readlines", hint))

    async def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position, and return it. Raises as files do."""
        return int(await self._call("seek", offset, whence))

    async def tell(self) -> int:
        """Return the position. Raises as files do."""
        return int(await self._call("tell"))

    async def truncate(self, size: int | None = None) -> int:
        """Make the file `size` bytes long, or end at the position; return its length. Raises as files do."""
        if size is not None and size > self._max_size:
            await self.rollover()
        return int(await self._call("truncate", size))

    @overload
    async def write(self: SpooledTemporaryFile[bytes], s: ReadableBuffer) -> int: ...
    @overload
    async def write(self: SpooledTemporaryFile[str], s: str) -> int: ...
    async def write(self, s: Any) -> int:
        """Write bytes or text, and return how much that is. It may move the file to the disk. Raises as files do."""
        written = await self._call("write", s)
        await self._check()
        return int(written)

    @overload
    async def writelines(
        self: SpooledTemporaryFile[bytes], iterable: Iterable[ReadableBuffer]
    ) -> None: ...
    @overload
    async def writelines(self: SpooledTemporaryFile[str], iterable: Iterable[str]) -> None: ...
    async def writelines(self, iterable: Iterable[Any]) -> None:
        """Write one after the other. It may move the file to the disk. Raises as files do."""
        await self._call("writelines", iterable)
        await self._check()

    async def _call(self, method: str, *args: Any) -> Any:
        if self._rolled:
            return await getattr(self._file, method)(*args)
        if self._moving.locked():
            async with self._moving:
                pass
            return await self._call(method, *args)
        return getattr(self._file, method)(*args)

    async def _check(self) -> None:
        """Move to the disk what has become too long for the memory."""
        if not self._rolled and self._max_size and self._file.tell() > self._max_size:
            await self.rollover()

    async def _move(self) -> None:
        memory = self._file
        position = memory.tell()
        # Positions in text are not counted alike in memory and on the disk, but its characters are.
        rest = memory.read() if isinstance(memory, io.TextIOWrapper) else None
        try:
            memory.flush()
            content = (memory if rest is None else memory.buffer).getvalue()
            descriptor = await hop_and_take(partial(_written, self._make, content), os.close)
            file = self._plan.file(descriptor, descriptor)
            if rest is None:
                await file.seek(position)
            elif not rest:
                await file.seek(0, os.SEEK_END)
            else:
                memory.seek(0)
                await file.read(len(memory.read()) - len(rest))
        except BaseException:
            memory.seek(position)
            raise
        self._file = file
        self._rolled = True


def _written(make: Callable[[], int], content: bytes) -> int:
    """Return the descriptor of a new file that has some content. Runs in a thread."""
    descriptor = make()
    try:
        with io.FileIO(descriptor, "w", closefd=False) as file, io.BufferedWriter(file) as writer:
            writer.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


async def _given(value: T) -> T:
    return value
