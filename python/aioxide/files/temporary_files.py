"""Files that are removed again.

Whatever is made is removed if whoever waited for it was cancelled. What has a name and is never closed is removed when
it is collected, or when the interpreter exits.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, AnyStr, overload

from aioxide.files import names
from aioxide.files.binary import BinaryFile
from aioxide.files.hops import hop_and_take
from aioxide.files.opening import Opening, plan_of
from aioxide.files.text import TextFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from _typeshed import GenericPath, OpenBinaryMode, OpenTextMode

    from aioxide.files.opening import Plan


@overload
async def mkstemp(
    suffix: None = None,
    prefix: None = None,
    dir: None = None,
    text: bool = False,
) -> tuple[int, str]: ...
@overload
async def mkstemp(
    suffix: AnyStr | None = None,
    prefix: AnyStr | None = None,
    dir: GenericPath[AnyStr] | None = None,
    text: bool = False,
) -> tuple[int, AnyStr]: ...
async def mkstemp(
    suffix: Any = None,
    prefix: Any = None,
    dir: Any = None,
    text: bool = False,
) -> tuple[int, Any]:
    """Make a file that nobody else may open. It stays until somebody removes it.

    Args:
        suffix: how its name ends.
        prefix: how its name begins.
        dir: the directory that it is to be in; None for that of `gettempdir`.
        text: without a meaning but on Windows.

    Returns:
        A descriptor of the file, open for reading and writing, and its path.

    Raises:
        OSError: it cannot be made.

    """
    return await hop_and_take(partial(tempfile.mkstemp, suffix, prefix, dir, text), _undo)


def _undo(made: tuple[int, Any]) -> None:
    os.close(made[0])
    os.unlink(made[1])


@overload
def TemporaryFile(
    mode: OpenTextMode,
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: AnyStr | None = None,
    prefix: AnyStr | None = None,
    dir: GenericPath[AnyStr] | None = None,
    *,
    errors: str | None = None,
) -> Opening[TextFile]: ...
@overload
def TemporaryFile(
    mode: OpenBinaryMode = "w+b",
    buffering: int = -1,
    encoding: None = None,
    newline: None = None,
    suffix: AnyStr | None = None,
    prefix: AnyStr | None = None,
    dir: GenericPath[AnyStr] | None = None,
    *,
    errors: None = None,
) -> Opening[BinaryFile]: ...
@overload
def TemporaryFile(
    mode: str,
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: AnyStr | None = None,
    prefix: AnyStr | None = None,
    dir: GenericPath[AnyStr] | None = None,
    *,
    errors: str | None = None,
) -> Opening[Any]: ...
def TemporaryFile(  # noqa: N802 - tempfile's name
    mode: str = "w+b",
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: Any = None,
    prefix: Any = None,
    dir: Any = None,
    *,
    errors: str | None = None,
) -> Opening[Any]:
    """Open a file that has no name, and is gone when it is closed.

        async with TemporaryFile() as file:
            await file.write(b"for a while")

    Args:
        mode: as for `open`.
        buffering: as for `open`.
        encoding: as for `open`.
        newline: as for `open`.
        suffix: how the name that it may have for a moment ends.
        prefix: how that name begins.
        dir: the directory that it is to be in; None for that of `gettempdir`.
        errors: as for `open`.

    Returns:
        What is to be awaited for the open file, or entered by `async with`: a `TextFile`, or a `BinaryFile`.

    Raises:
        ValueError: the mode makes no sense, or not with the other arguments.
        OSError: when it is awaited, the file cannot be made.

    """
    if "b" not in mode:
        encoding = io.text_encoding(encoding)
    plan = plan_of(mode, buffering, encoding, errors, newline)
    return Opening(partial(_open_unnamed, plan, partial(make_unnamed, suffix, prefix, dir)))


async def _open_unnamed(plan: Plan, make: Callable[[], int]) -> Any:
    descriptor = await hop_and_take(make, os.close)
    return plan.file(descriptor, descriptor)


def make_unnamed(suffix: Any, prefix: Any, directory: Any) -> int:
    """Return a descriptor of a file without a name. Runs in a thread."""
    flags = os.O_RDWR | os.O_EXCL | os.O_TMPFILE
    if suffix is prefix is None and isinstance(directory, str | bytes | os.PathLike | None):
        place = tempfile.gettempdir() if directory is None else directory
        # Not every file system has such files, and what else is wrong is told with the others.
        with contextlib.suppress(OSError):
            return os.open(place, flags, 0o600)
    descriptor: int
    descriptor, path = tempfile.mkstemp(suffix, prefix, directory)
    try:
        os.unlink(path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@overload
def NamedTemporaryFile(
    mode: OpenTextMode,
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: AnyStr | None = None,
    prefix: AnyStr | None = None,
    dir: GenericPath[AnyStr] | None = None,
    delete: bool = True,
    *,
    errors: str | None = None,
    delete_on_close: bool = True,
) -> Opening[NamedTextFile]: ...
@overload
def NamedTemporaryFile(
    mode: OpenBinaryMode = "w+b",
    buffering: int = -1,
    encoding: None = None,
    newline: None = None,
    suffix: AnyStr | None = None,
    prefix: AnyStr | None = None,
    dir: GenericPath[AnyStr] | None = None,
    delete: bool = True,
    *,
    errors: None = None,
    delete_on_close: bool = True,
) -> Opening[NamedBinaryFile]: ...
@overload
def NamedTemporaryFile(
    mode: str,
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: AnyStr | None = None,
    prefix: AnyStr | None = None,
    dir: GenericPath[AnyStr] | None = None,
    delete: bool = True,
    *,
    errors: str | None = None,
    delete_on_close: bool = True,
) -> Opening[Any]: ...
def NamedTemporaryFile(  # noqa: N802 - tempfile's name
    mode: str = "w+b",
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: Any = None,
    prefix: Any = None,
    dir: Any = None,
    delete: bool = True,
    *,
    errors: str | None = None,
    delete_on_close: bool = True,
) -> Opening[Any]:
    """Open a file that has a name, which is its `name`, until it is closed.

        async with NamedTemporaryFile("w", delete_on_close=False) as file:
            await file.write("for a while")
            await file.close()
            await somebody_who_opens(file.name)

    Args:
        mode: as for `open`.
        buffering: as for `open`.
        encoding: as for `open`.
        newline: as for `open`.
        suffix: how the name ends.
        prefix: how the name begins.
        dir: the directory that it is to be in; None for that of `gettempdir`.
        delete: whether the name is removed.
        errors: as for `open`.
        delete_on_close: whether it is removed when the file is closed, and not only when `async with` is left.

    Returns:
        What is to be awaited for the open file, or entered by `async with`: a `NamedTextFile`, or a `NamedBinaryFile`.

    Raises:
        ValueError: the mode makes no sense, or not with the other arguments.
        OSError: when it is awaited, the file cannot be made.

    """
    if "b" not in mode:
        encoding = io.text_encoding(encoding)
    plan = plan_of(mode, buffering, encoding, errors, newline)
    make = partial(tempfile.mkstemp, suffix, prefix, dir)

    async def open_named() -> Any:
        descriptor, path = await hop_and_take(make, _undo)
        try:
            file = plan.file(descriptor, path, NamedBinaryFile, NamedTextFile)
        except BaseException:
            _remove(path)
            raise
        file._removal = _Removal(file, path, delete=delete, delete_on_close=delete_on_close)
        return file

    return Opening(open_named)


class NamedBinaryFile(BinaryFile):
    """A file of bytes whose name is removed with it, as `NamedTemporaryFile` opens it."""

    _removal: _Removal

    async def close(self) -> None:
        """Write what is held back, close the file, and remove its name if that is to be done now.

        Raises:
            OSError: something could not be written, and is lost; or the name is gone already.

        """
        try:
            await super().close()
        finally:
            await self._removal.after_closing()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Close the file, and remove its name."""
        try:
            await self.close()
        finally:
            await self._removal.after_leaving()


class NamedTextFile(TextFile):
    """A file of text whose name is removed with it, as `NamedTemporaryFile` opens it."""

    _removal: _Removal

    async def close(self) -> None:
        """Write what is held back, close the file, and remove its name if that is to be done now.

        Raises:
            OSError: something could not be written, and is lost; or the name is gone already.

        """
        try:
            await super().close()
        finally:
            await self._removal.after_closing()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Close the file, and remove its name."""
        try:
            await self.close()
        finally:
            await self._removal.after_leaving()


class _Removal:
    """Who removes a name, and when."""

    def __init__(self, file: Any, path: Any, *, delete: bool, delete_on_close: bool) -> None:
        self._path = path
        self._on_close = delete_on_close
        # Alive until the name is removed; dead from the beginning if it is to stay.
        self._finalizer = weakref.finalize(file, _remove, path)
        if not delete:
            self._finalizer.detach()

    async def after_closing(self) -> None:
        """Remove the name if it goes with the open file."""
        if self._on_close:
            await self.after_leaving()

    async def after_leaving(self) -> None:
        """Remove the name."""
        if self._finalizer.detach():
            await names.unlink(self._path)


def _remove(path: Any) -> None:
    """Remove the name of a file that was forgotten, in whatever thread it is collected."""
    with contextlib.suppress(OSError):
        os.unlink(path)
