"""`open`: the built-in one's arguments, checked as it checks them, and an open file of ours in the end."""

from __future__ import annotations

import errno
import io
import operator
import os
import stat
import warnings
from contextvars import copy_context
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, overload

from aioxide.files.binary import BinaryFile
from aioxide.files.hops import hop_and_take
from aioxide.files.text import TextFile
from aioxide.natives.templates import native

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from types import TracebackType
    from typing import TypeAlias

    from _typeshed import FileDescriptorOrPath, OpenBinaryMode, OpenTextMode

    Opener: TypeAlias = Callable[[str, int], int]

__all__ = ["Opening", "open"]

F = TypeVar("F", bound="BinaryFile | TextFile")

# What the built-in's files of text read at once, and hold back.
_PIECE = 8192

# The largest number that can be one: those of C's int.
_DESCRIPTOR_MAX = 2**31 - 1


class Opening(Generic[F]):
    """A file that is going to be opened: by `await`, or by `async with`, which closes it again.

    Args:
        begin: opens the file.

    """

    __slots__ = ("_begin", "_file")

    def __init__(self, begin: Callable[[], Coroutine[Any, Any, F]]) -> None:
        self._begin = begin
        self._file: F | None = None

    def __await__(self) -> Generator[Any, None, F]:
        return self._begin().__await__()

    async def __aenter__(self) -> F:
        self._file = file = await self._begin()
        return file

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        file, self._file = self._file, None
        if file is not None:
            await file.__aexit__(exc_type, exc, traceback)


@overload
def open(
    file: FileDescriptorOrPath,
    mode: OpenTextMode = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Opener | None = None,
) -> Opening[TextFile]: ...
@overload
def open(
    file: FileDescriptorOrPath,
    mode: OpenBinaryMode,
    buffering: int = -1,
    encoding: None = None,
    errors: None = None,
    newline: None = None,
    closefd: bool = True,
    opener: Opener | None = None,
) -> Opening[BinaryFile]: ...
@overload
def open(
    file: FileDescriptorOrPath,
    mode: str,
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Opener | None = None,
) -> Opening[Any]: ...
def open(
    file: FileDescriptorOrPath,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Opener | None = None,
) -> Opening[Any]:
    r"""Open a file, as the built-in `open` does.

        async with files.open(path, encoding="utf-8") as file:
            async for line in file:
                print(line)

    Args:
        file: its path, or the number of a descriptor that is open.
        mode: what for: `r`, `w`, `x` or `a`; with `+` for reading and writing; with `b` for bytes, not text.
        buffering: 0 for none, which only files of bytes can do without; 1 for lines of text; more for so many bytes.
        encoding: the text's encoding; None for that of the locale.
        errors: what becomes of what is no text in this encoding: `strict`, `ignore`, `replace` …
        newline: what ends a line of text: None for `\n`, `\r` or `\r\n`, which are read as `\n`; empty to read them
            as they are; or one of them.
        closefd: whether closing the file closes a descriptor that was given.
        opener: called in a thread, in a copy of the current context, with the path and the flags of `os.open`;
            returns a descriptor.

    Returns:
        What is to be awaited for the open file, or entered by `async with`: a `TextFile`, or a `BinaryFile`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: the mode makes no sense, or not with the other arguments.
        LookupError: there is no such encoding.
        OSError: when it is awaited, the file cannot be opened.

    """
    return open_blaming(
        2, file, mode, buffering, encoding, errors, newline, closefd=closefd, opener=opener
    )


def open_blaming(
    stacklevel: int,
    file: Any,
    mode: str,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
    *,
    closefd: bool = True,
    opener: Opener | None = None,
) -> Opening[Any]:
    """Open a file for somebody who is so many calls away, and is named where Python is to warn."""
    name = _name_of(file, closefd)
    is_binary = isinstance(mode, str) and "b" in mode
    if not is_binary:
        encoding = io.text_encoding(encoding, stacklevel + 1)
    elif buffering == 1:
        text = (
            "line buffering (buffering=1) isn't supported in binary mode, "
            "the default buffer size will be used"
        )
        warnings.warn(text, RuntimeWarning, stacklevel + 1)
        buffering = -1
    plan = plan_of(mode, buffering, encoding, errors, newline)
    return Opening(plan.begin(name, closefd, opener))


def _name_of(file: Any, closefd: bool) -> Any:
    """Return a path as text or bytes, or a descriptor's number. Refuses others as the built-in `open` does."""
    if isinstance(file, str | bytes):
        name: Any = file
    elif hasattr(type(file), "__fspath__"):
        name = os.fspath(file)
    else:
        try:
            name = operator.index(file)
        except TypeError:
            io.open(file).close()  # noqa: UP020 - the one of this module is not meant
            raise
        if not 0 <= name <= _DESCRIPTOR_MAX:
            io.FileIO(name).close()
        return name
    if not closefd:
        io.FileIO(os.devnull, closefd=False).close()
    if ("\0" if isinstance(name, str) else b"\0") in name:
        io.FileIO(name).close()
    return name


def plan_of(mode: str, buffering: int, encoding: Any, errors: Any, newline: Any) -> Plan:
    """Return how files are opened in this way. Raises what the built-in `open` raises if they cannot be."""
    arguments = mode, buffering, encoding, errors, newline
    try:
        hash(arguments)
    except TypeError:
        return _new_plan(*arguments)
    return _known_plan(*arguments)


def _new_plan(mode: str, buffering: int, encoding: Any, errors: Any, newline: Any) -> Plan:
    # Tried on a device, the built-in says what is wrong with it.
    null = os.open(os.devnull, os.O_RDWR)
    try:
        io.open(null, mode, buffering, encoding, errors, newline, closefd=False).close()  # noqa: UP020
    finally:
        os.close(null)
    # Every negative number stands for the usual size.
    return Plan(mode, _flags_of(mode), max(buffering, -1), encoding, errors, newline)


_known_plan = lru_cache(maxsize=256, typed=True)(_new_plan)


def _flags_of(mode: str) -> int:
    """Return the flags of `os.open` for a mode that is good."""
    if "r" in mode:
        access = os.O_RDWR if "+" in mode else os.O_RDONLY
    else:
        access = os.O_CREAT | (os.O_RDWR if "+" in mode else os.O_WRONLY)
    ways = {"w": os.O_TRUNC, "x": os.O_EXCL, "a": os.O_APPEND}
    return access | sum(flag for letter, flag in ways.items() if letter in mode)


class Plan(NamedTuple):
    """How a file is opened."""

    mode: str
    flags: int
    buffering: int
    encoding: str | None
    errors: str | None
    newline: str | None

    def begin(
        self, name: Any, closefd: bool, opener: Opener | None
    ) -> Callable[[], Coroutine[Any, Any, Any]]:
        """Return what opens a file: its path, or the number of a descriptor."""
        if isinstance(name, int):
            return partial(self._adopt, name, closefd)
        if opener is not None:
            return partial(self._open_by, opener, name)
        begin = partial(open_binary, name, self.flags, self.mode, self._binary_buffering())
        return begin if "b" in self.mode else partial(self._open_text, begin)

    def file(
        self,
        descriptor: int,
        name: Any,
        binary_class: type[BinaryFile] = BinaryFile,
        text_class: type[TextFile] = TextFile,
        *,
        closefd: bool = True,
    ) -> Any:
        """Make a file of a descriptor.

        Args:
            descriptor: the number of the descriptor, which is the file's from here on.
            name: what the file is called.
            binary_class: the class of files of bytes.
            text_class: the class of files of text.
            closefd: whether to close the descriptor with the file.

        """
        is_binary = "b" in self.mode
        binary = (binary_class if is_binary else BinaryFile)(
            descriptor, self.mode, self._binary_buffering(), name=name, closefd=closefd
        )
        return binary if is_binary else self._text(binary, text_class)

    async def _adopt(self, descriptor: int, closefd: bool) -> Any:
        _refuse_directory(descriptor, descriptor)
        return self.file(descriptor, descriptor, closefd=closefd)

    async def _open_by(self, opener: Opener, name: Any) -> Any:
        begin = partial(copy_context().run, _call_opener, opener, name, self.flags)
        return self.file(await hop_and_take(begin, os.close), name)

    async def _open_text(self, begin: Callable[[], Coroutine[Any, Any, BinaryFile]]) -> TextFile:
        return self._text(await begin(), TextFile)

    def _text(self, binary: BinaryFile, text_class: type[TextFile]) -> TextFile:
        by_lines = self.buffering == 1 or (self.buffering < 0 and binary.isatty())
        how = self.encoding, self.errors, self.newline, by_lines
        return text_class(binary, *how, mode=self.mode)

    def _binary_buffering(self) -> int:
        # Lines are for text, which is read and held in pieces of its own, however small the buffer below is to be.
        if self.buffering == 1:
            return -1
        return (
            self.buffering
            if "b" in self.mode or self.buffering < 0
            else max(self.buffering, _PIECE)
        )


@native
async def open_binary(path: str | bytes, flags: int, mode: str, buffering: int) -> BinaryFile:
    """Open a file of bytes.

    Args:
        path: its path.
        flags: those of `os.open`.
        mode: as for `open`, and in accordance with the flags.
        buffering: as for `BinaryFile`.

    Raises:
        OSError: the file cannot be opened.

    """
    raise NotImplementedError


def _call_opener(opener: Opener, name: Any, flags: int) -> int:
    """Have the caller's own function open a file. Runs in a thread."""
    descriptor = opener(name, flags | os.O_CLOEXEC)
    if not isinstance(descriptor, int):
        raise TypeError("expected integer from opener")
    if descriptor < 0:
        raise ValueError(f"opener returned {descriptor}")
    os.set_inheritable(descriptor, False)
    try:
        _refuse_directory(descriptor, name)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_directory(descriptor: int, name: Any) -> None:
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
