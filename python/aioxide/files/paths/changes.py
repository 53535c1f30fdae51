"""What can be done with a path."""

from __future__ import annotations

import pathlib
import sys
from functools import partial
from typing import TYPE_CHECKING

from aioxide.files import names
from aioxide.files.hops import hop
from aioxide.files.paths.lexical import Lexical

if TYPE_CHECKING:
    from typing import Self

    from _typeshed import StrOrBytesPath, StrPath


class Changes(Lexical):
    """What the file system does for a path."""

    __slots__ = ()

    async def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Make a directory.

        Args:
            mode: its mode, of which the umask is taken.
            parents: whether to make those that it is in, too.
            exist_ok: whether it may be there already.

        Raises:
            OSError: the name exists, or the directory that it is to be in does not.

        """
        try:
            await names.mkdir(self._path, mode)
        except OSError:
            if not (parents or exist_ok):
                raise
            await hop(self._path.mkdir, mode, parents, exist_ok)

    async def touch(self, mode: int = 0o666, exist_ok: bool = True) -> None:
        """Make an empty file, or tell a file that it was changed now.

        Args:
            mode: the mode of a new file, of which the umask is taken.
            exist_ok: whether it may be there already.

        Raises:
            OSError: the file cannot be made, or exists.

        """
        await hop(self._path.touch, mode, exist_ok)

    async def rename(self, target: StrPath) -> Self:
        """Give it another name in the same file system, in place of a file of that name.

        Args:
            target: the name.

        Returns:
            The new path.

        Raises:
            OSError: there is no such file, or it cannot have that name.

        """
        await names.rename(self._path, target)
        return self.with_segments(target)

    async def replace(self, target: StrPath) -> Self:
        """Give it another name in the same file system, in place of a file of that name.

        Args:
            target: the name.

        Returns:
            The new path.

        Raises:
            OSError: there is no such file, or it cannot have that name.

        """
        await names.replace(self._path, target)
        return self.with_segments(target)

    async def unlink(self, missing_ok: bool = False) -> None:
        """Remove the name of a file.

        Args:
            missing_ok: whether it may be missing.

        Raises:
            OSError: there is no such file, it is a directory, or it may not be removed.

        """
        try:
            await names.unlink(self._path)
        except FileNotFoundError:
            if not missing_ok:
                raise

    async def rmdir(self) -> None:
        """Remove an empty directory.

        Raises:
            OSError: there is no such directory, or it is not empty.

        """
        await names.rmdir(self._path)

    async def symlink_to(self, target: StrOrBytesPath, target_is_directory: bool = False) -> None:
        """Make a symbolic link of this name.

        Args:
            target: what it leads to.
            target_is_directory: without a meaning but on Windows.

        Raises:
            OSError: the name exists, or the directory that it is to be in does not.

        """
        await names.symlink(target, self._path, target_is_directory)

    async def hardlink_to(self, target: StrOrBytesPath) -> None:
        """Give a file this name, too.

        Args:
            target: a name that it has.

        Raises:
            OSError: there is no such file, or this name exists or is in another file system.

        """
        await names.link(target, self._path)

    async def chmod(self, mode: int, *, follow_symlinks: bool = True) -> None:
        """Set its mode.

        Args:
            mode: the mode, as `stat` has it.
            follow_symlinks: whether it is what a symbolic link leads to that gets the mode.

        Raises:
            OSError: there is no such file, or it is somebody else's.
            NotImplementedError: links have no modes here.

        """
        await names.chmod(self._path, mode, follow_symlinks=follow_symlinks)

    async def lchmod(self, mode: int) -> None:
        """Set its mode, of a symbolic link its own.

        Args:
            mode: the mode, as `stat` has it.

        Raises:
            OSError: there is no such file, or it is somebody else's.
            NotImplementedError: links have no modes here.

        """
        await hop(self._path.lchmod, mode)

    if sys.version_info >= (3, 14):

        async def copy(
            self,
            target: StrPath,
            *,
            follow_symlinks: bool = True,
            preserve_metadata: bool = False,
        ) -> Self:
            """Copy a file, or a directory with all that is in it, as `pathlib.Path.copy` does.

            Once begun it goes on to its end, also if its awaiter is cancelled; `aioxide.files.copy` and
            `aioxide.files.copytree` can be stopped, and tell how far they are.

            Args:
                target: the copy's path.
                follow_symlinks: whether to copy what symbolic links lead to.
                preserve_metadata: whether modes, times and extended attributes are copied, too.

            Returns:
                The copy's path.

            Raises:
                OSError: the file cannot be read, or the copy cannot be made.

            """
            copied = partial(self._path.copy, follow_symlinks=follow_symlinks)
            await hop(copied, pathlib.Path(target), preserve_metadata=preserve_metadata)
            return self.with_segments(target)

        async def copy_into(
            self,
            target_dir: StrPath,
            *,
            follow_symlinks: bool = True,
            preserve_metadata: bool = False,
        ) -> Self:
            """Copy a file, or a directory with all that is in it, into a directory.

            Once begun it goes on to its end, also if its awaiter is cancelled.

            Args:
                target_dir: the directory.
                follow_symlinks: whether to copy what symbolic links lead to.
                preserve_metadata: whether modes, times and extended attributes are copied, too.

            Returns:
                The copy's path.

            Raises:
                ValueError: the path has no name.
                OSError: the file cannot be read, or the copy cannot be made.

            """
            copied = partial(self._path.copy_into, follow_symlinks=follow_symlinks)
            directory = pathlib.Path(target_dir)
            return self.with_segments(
                await hop(copied, directory, preserve_metadata=preserve_metadata)
            )

        async def move(self, target: StrPath) -> Self:
            """Move a file or directory, by its name or by a copy.

            Once begun it goes on to its end, also if its awaiter is cancelled.

            Args:
                target: the new path.

            Returns:
                The new path.

            Raises:
                OSError: there is no such file, or it cannot be moved.

            """
            await hop(self._path.move, pathlib.Path(target))
            return self.with_segments(target)

        async def move_into(self, target_dir: StrPath) -> Self:
            """Move a file or directory into a directory.

            Once begun it goes on to its end, also if its awaiter is cancelled.

            Args:
                target_dir: the directory.

            Returns:
                The new path.

            Raises:
                ValueError: the path has no name.
                OSError: there is no such file, or it cannot be moved.

            """
            directory = pathlib.Path(target_dir)
            return self.with_segments(await hop(self._path.move_into, directory))
