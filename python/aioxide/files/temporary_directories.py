"""Directories that are removed again, and where they are made."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from functools import partial
from typing import TYPE_CHECKING, Any, AnyStr, Generic, overload

from aioxide.files.hops import hop, hop_and_take

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType
    from typing import Self

    from _typeshed import GenericPath


async def gettempdir() -> str:
    """Return the directory in which temporary files are made.

    Raises:
        FileNotFoundError: there is none that can be written to.

    """
    # Known once it was looked for.
    if tempfile.tempdir is not None:
        return tempfile.gettempdir()
    return await hop(tempfile.gettempdir)


async def gettempdirb() -> bytes:
    """Return the directory in which temporary files are made, as bytes.

    Raises:
        FileNotFoundError: there is none that can be written to.

    """
    return os.fsencode(await gettempdir())


@overload
async def mkdtemp(suffix: None = None, prefix: None = None, dir: None = None) -> str: ...
@overload
async def mkdtemp(
    suffix: AnyStr | None = None,
    prefix: AnyStr | None = None,
    dir: GenericPath[AnyStr] | None = None,
) -> AnyStr: ...
async def mkdtemp(suffix: Any = None, prefix: Any = None, dir: Any = None) -> Any:
    """Make a directory that nobody else may look into. It stays until somebody removes it.

    Args:
        suffix: how its name ends.
        prefix: how its name begins.
        dir: the directory that it is to be in; None for that of `gettempdir`.

    Returns:
        Its path.

    Raises:
        OSError: it cannot be made.

    """
    return await hop_and_take(partial(tempfile.mkdtemp, suffix, prefix, dir), shutil.rmtree)


class TemporaryDirectory(Generic[AnyStr]):
    """A directory that is removed with all that is in it, as `tempfile.TemporaryDirectory`.

        async with TemporaryDirectory() as path:
            ...

    It is made when it is entered, or awaited, and removed when it is left, or by `cleanup`. One that is forgotten is
    removed when it is collected, or at exit, with a `ResourceWarning`.

    Args:
        suffix: how its name ends.
        prefix: how its name begins.
        dir: the directory that it is to be in; None for that of `gettempdir`.
        ignore_cleanup_errors: whether to leave what cannot be removed.
        delete: whether it is removed when it is left.

    """

    @overload
    def __init__(
        self: TemporaryDirectory[str],
        suffix: str | None = None,
        prefix: str | None = None,
        dir: GenericPath[str] | None = None,
        ignore_cleanup_errors: bool = False,
        *,
        delete: bool = True,
    ) -> None: ...
    @overload
    def __init__(
        self: TemporaryDirectory[bytes],
        suffix: bytes | None = None,
        prefix: bytes | None = None,
        dir: GenericPath[bytes] | None = None,
        ignore_cleanup_errors: bool = False,
        *,
        delete: bool = True,
    ) -> None: ...
    def __init__(
        self,
        suffix: Any = None,
        prefix: Any = None,
        dir: Any = None,
        ignore_cleanup_errors: bool = False,
        *,
        delete: bool = True,
    ) -> None:
        self._make = partial(_make, suffix, prefix, dir, ignore_cleanup_errors, delete)
        self._delete = delete
        # None until it was made.
        self._made: tempfile.TemporaryDirectory[Any] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._made and self._made.name!r}>"

    @property
    def name(self) -> AnyStr:
        """The directory's path. Raises `ValueError` before it was made."""
        if self._made is None:
            raise ValueError("the directory has not been made yet")
        name: AnyStr = self._made.name
        return name

    def __await__(self) -> Generator[Any, None, Self]:
        return self._begin().__await__()

    async def __aenter__(self) -> AnyStr:
        return (await self._begin()).name

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._delete:
            await self.cleanup()

    async def cleanup(self) -> None:
        """Remove the directory with all that is in it.

        Raises:
            OSError: something cannot be removed, and that is not to be ignored.

        """
        if self._made is not None:
            await hop(self._made.cleanup)

    async def _begin(self) -> Self:
        if self._made is None:
            self._made = await hop_and_take(self._make, _cleanup)
        return self


if sys.version_info >= (3, 12):

    def _make(
        suffix: Any, prefix: Any, directory: Any, ignore_cleanup_errors: bool, delete: bool
    ) -> tempfile.TemporaryDirectory[Any]:
        return tempfile.TemporaryDirectory(
            suffix, prefix, directory, ignore_cleanup_errors, delete=delete
        )

else:

    def _make(
        suffix: Any, prefix: Any, directory: Any, ignore_cleanup_errors: bool, delete: bool
    ) -> tempfile.TemporaryDirectory[Any]:
        made: tempfile.TemporaryDirectory[Any] = tempfile.TemporaryDirectory(
            suffix, prefix, directory, ignore_cleanup_errors
        )
        if not delete:
            # As on newer ones: nobody removes it unasked.
            vars(made)["_finalizer"].detach()
        return made


def _cleanup(directory: tempfile.TemporaryDirectory[Any]) -> None:
    directory.cleanup()
