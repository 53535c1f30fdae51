"""What the file system knows of a path."""

from __future__ import annotations

import os
import pathlib
import stat
import sys
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from aioxide.files import names
from aioxide.files.hops import hop
from aioxide.files.paths.lexical import Lexical

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from _typeshed import StrPath

    if sys.version_info >= (3, 14):
        from pathlib.types import PathInfo

T = TypeVar("T")


def _not_following(method: Callable[..., T]) -> Callable[[], T]:
    """Return what a method asks without following links. Not every Python lets it."""
    return partial(method, follow_symlinks=False)


class Questions(Lexical):
    """The questions that a path answers."""

    __slots__ = ()

    @classmethod
    async def cwd(cls) -> Self:
        """Return the working directory.

        Raises:
            FileNotFoundError: it was removed.

        """
        # The kernel knows it without asking any file system.
        return cls(pathlib.Path.cwd())

    @classmethod
    async def home(cls) -> Self:
        """Return the user's home directory.

        Raises:
            RuntimeError: nobody knows it.

        """
        return cls(await hop(pathlib.Path.home))

    async def absolute(self) -> Self:
        """Return the path from the root on; links and `..` stay in it.

        Raises:
            FileNotFoundError: the path is relative, and the working directory was removed.

        """
        return self.with_segments(self._path.absolute())

    async def expanduser(self) -> Self:
        """Return the path with the home directory in the place of `~` or `~user` at its beginning.

        Raises:
            RuntimeError: nobody knows that home directory.

        """
        return self.with_segments(await hop(self._path.expanduser))

    async def resolve(self, strict: bool = False) -> Self:
        """Return the absolute path, without symbolic links and `..`.

        Args:
            strict: whether it must exist.

        Raises:
            OSError: strict, and something on the way does not exist; from Python 3.13 on, links lead in a circle.
            RuntimeError: before, links lead in a circle.

        """
        return self.with_segments(await hop(self._path.resolve, strict))

    async def readlink(self) -> Self:
        """Return what a symbolic link leads to, as it says itself.

        Raises:
            OSError: there is no such link, or it is something else.

        """
        return self.with_segments(await names.readlink(self._path))

    async def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return what the file system knows of it.

        Args:
            follow_symlinks: whether to ask about what a symbolic link leads to.

        Raises:
            OSError: there is no such file, or the file system could not say.

        """
        return await names.stat(self._path, follow_symlinks=follow_symlinks)

    async def lstat(self) -> os.stat_result:
        """Return what the file system knows of it, of a symbolic link itself.

        Raises:
            OSError: there is no such file, or the file system could not say.

        """
        if sys.version_info >= (3, 14):
            return await names.lstat(self._path)
        else:  # noqa: RET505 - so that type checkers see one of them only
            # Refused in the words of `stat`.
            return await self.stat(follow_symlinks=False)

    if sys.version_info >= (3, 14):

        @property
        def info(self) -> PathInfo:
            """What `pathlib` finds out about the path and remembers. Its methods block when they are first called."""
            return self._path.info

    async def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it exists.

        Args:
            follow_symlinks: whether to ask about what a symbolic link leads to (False from Python 3.12 on).

        Raises:
            OSError: the file system could not say (before Python 3.14).

        """
        if not follow_symlinks:
            return await hop(_not_following(self._path.exists))
        return await self._is(self._path.exists, lambda mode: True)

    async def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a directory.

        Args:
            follow_symlinks: whether to ask about what a symbolic link leads to (False from Python 3.13 on).

        Raises:
            OSError: the file system could not say (before Python 3.14).

        """
        if not follow_symlinks:
            return await hop(_not_following(self._path.is_dir))
        return await self._is(self._path.is_dir, stat.S_ISDIR)

    async def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a plain file.

        Args:
            follow_symlinks: whether to ask about what a symbolic link leads to (False from Python 3.13 on).

        Raises:
            OSError: the file system could not say (before Python 3.14).

        """
        if not follow_symlinks:
            return await hop(_not_following(self._path.is_file))
        return await self._is(self._path.is_file, stat.S_ISREG)

    async def is_symlink(self) -> bool:
        """Tell whether it is a symbolic link.

        Raises:
            OSError: the file system could not say (before Python 3.14).

        """
        return await hop(self._path.is_symlink)

    if sys.version_info >= (3, 12):

        async def is_junction(self) -> bool:
            """Tell whether it is a junction, which only Windows has."""
            return False

    async def is_mount(self) -> bool:
        """Tell whether another file system begins there."""
        return await hop(self._path.is_mount)

    async def is_socket(self) -> bool:
        """Tell whether it is a socket.

        Raises:
            OSError: the file system could not say.

        """
        return await self._is(self._path.is_socket, stat.S_ISSOCK)

    async def is_fifo(self) -> bool:
        """Tell whether it is a FIFO.

        Raises:
            OSError: the file system could not say.

        """
        return await self._is(self._path.is_fifo, stat.S_ISFIFO)

    async def is_block_device(self) -> bool:
        """Tell whether it is a block device.

        Raises:
            OSError: the file system could not say.

        """
        return await self._is(self._path.is_block_device, stat.S_ISBLK)

    async def is_char_device(self) -> bool:
        """Tell whether it is a character device.

        Raises:
            OSError: the file system could not say.

        """
        return await self._is(self._path.is_char_device, stat.S_ISCHR)

    async def owner(self, *, follow_symlinks: bool = True) -> str:
        """Return the name of the user whose it is.

        Args:
            follow_symlinks: whether to ask about what a symbolic link leads to (False from Python 3.13 on).

        Raises:
            KeyError: nobody knows the user's name.
            OSError: there is no such file, or the file system could not say.

        """
        owner = self._path.owner
        return await hop(owner if follow_symlinks else _not_following(owner))

    async def group(self, *, follow_symlinks: bool = True) -> str:
        """Return the name of the group whose it is.

        Args:
            follow_symlinks: whether to ask about what a symbolic link leads to (False from Python 3.13 on).

        Raises:
            KeyError: nobody knows the group's name.
            OSError: there is no such file, or the file system could not say.

        """
        group = self._path.group
        return await hop(group if follow_symlinks else _not_following(group))

    async def samefile(self, other_path: StrPath) -> bool:
        """Tell whether two paths lead to one file.

        Args:
            other_path: the other path.

        Raises:
            OSError: one of them does not exist.

        """
        return await hop(self._path.samefile, os.fspath(other_path))

    async def _is(self, method: Callable[[], bool], is_kind: Callable[[int], bool]) -> bool:
        """Ask for the mode, and answer by it. Which errors are answers is for the method of `pathlib` to say."""
        try:
            mode = (await names.stat(self._path)).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return False
        except (OSError, ValueError):
            return await hop(method)
        return is_kind(mode)
