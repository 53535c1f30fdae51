"""Directories: what is in them, and in all below them. Read in batches: never a hop for each entry."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, AnyStr, Generic, TypeVar, overload

from aioxide.files import names
from aioxide.files.batches import Batches
from aioxide.files.hops import hop

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import Self, TypeAlias

    from _typeshed import GenericPath, StrPath

__all__ = ["DirEntry", "Scan", "Walk", "listdir", "scandir", "walk"]

# What a walk gives out: a directory's path, the names of directories in it, all other names in it.
V = TypeVar("V")


class DirEntry(Generic[AnyStr]):
    """An entry of a directory, as `scandir` gives it out.

    What the directory itself says of its entries is known: the name, the inode, and unless the entry is a symbolic
    link, what it is. All else the file system is asked once, and the answer is remembered, as `os.DirEntry` does.

    It is path-like.
    """

    __slots__ = ("_dir_fd", "_entry", "_is_link", "_lstat", "_stat")

    def __init__(
        self, entry: os.DirEntry[AnyStr], is_link: bool | None, dir_fd: int | None
    ) -> None:
        self._entry: os.DirEntry[AnyStr] = entry
        # None if nobody could say.
        self._is_link = is_link
        # What the path starts from, where it is but a name.
        self._dir_fd = dir_fd
        # What was answered.
        self._stat: os.stat_result | None = None
        self._lstat: os.stat_result | None = None

    @property
    def name(self) -> AnyStr:
        """The entry's name, without the directory's."""
        return self._entry.name

    @property
    def path(self) -> AnyStr:
        """The entry's path: what `scandir` was given, and the name."""
        return self._entry.path

    def __fspath__(self) -> AnyStr:
        return self._entry.path

    def __repr__(self) -> str:
        return f"<DirEntry {self._entry.name!r}>"

    def inode(self) -> int:
        """Return the entry's inode number."""
        return self._entry.inode()

    async def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a directory, or a symbolic link to one.

        Args:
            follow_symlinks: whether symbolic links count as what they lead to.

        Raises:
            OSError: the file system could not say. That there is no such file any more is an answer: False.

        """
        if self._is_known(follow_symlinks):
            return self._entry.is_dir(follow_symlinks=follow_symlinks)
        return stat.S_ISDIR(await self._mode(follow_symlinks))

    async def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a plain file, or a symbolic link to one.

        Args:
            follow_symlinks: whether symbolic links count as what they lead to.

        Raises:
            OSError: the file system could not say. That there is no such file any more is an answer: False.

        """
        if self._is_known(follow_symlinks):
            return self._entry.is_file(follow_symlinks=follow_symlinks)
        return stat.S_ISREG(await self._mode(follow_symlinks))

    async def is_symlink(self) -> bool:
        """Tell whether it is a symbolic link, be it broken.

        Raises:
            OSError: the file system could not say.

        """
        if self._is_link is None:
            return stat.S_ISLNK(await self._mode(follow_symlinks=False))
        return self._is_link

    async def is_junction(self) -> bool:
        """Tell whether it is a junction, which only Windows has."""
        return False

    async def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return what the file system knows of it, as `os.stat` does.

        Args:
            follow_symlinks: whether to ask about what a symbolic link leads to.

        Raises:
            OSError: there is no such file any more, or the file system could not say.

        """
        known = self._stat if follow_symlinks else self._lstat
        if known is not None:
            return known
        found = await names.stat(
            self._entry.path, dir_fd=self._dir_fd, follow_symlinks=follow_symlinks
        )
        # What is no link is the same in both ways.
        if follow_symlinks or self._is_link is False:
            self._stat = found
        if not follow_symlinks or self._is_link is False:
            self._lstat = found
        return found

    def _is_known(self, follow_symlinks: bool) -> bool:
        """Tell whether the directory itself has said what the entry is."""
        return self._is_link is False or (self._is_link is True and not follow_symlinks)

    async def _mode(self, follow_symlinks: bool) -> int:
        """Return the mode, or 0 if the file is gone, or the link leads nowhere."""
        try:
            return (await self.stat(follow_symlinks=follow_symlinks)).st_mode
        except FileNotFoundError:
            return 0


if TYPE_CHECKING:
    Read: TypeAlias = tuple[os.DirEntry[AnyStr], bool | None, int | None]


class Scan(Batches["Read[AnyStr]", DirEntry[AnyStr]], Generic[AnyStr]):
    """The entries of a directory, as `scandir` returns them: an asynchronous iterator and context manager.

    Entries come in the directory's own order, without `.` and `..`. `await` opens the directory, and returns the scan.
    """

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, Self]:
        return self._opened().__await__()

    async def __aenter__(self) -> Self:
        return await self._opened()

    def _given_out(self, drawn: Read[AnyStr]) -> DirEntry[AnyStr]:
        return DirEntry(*drawn)

    async def _opened(self) -> Self:
        if self._source is None and not self._has_ended:
            await hop(self._draw)
            if not self._drawn:
                self._raise_failure()
        return self


@overload
def scandir(path: None = None) -> Scan[str]: ...
@overload
def scandir(path: int) -> Scan[str]: ...
@overload
def scandir(path: GenericPath[AnyStr]) -> Scan[AnyStr]: ...
def scandir(path: Any = None) -> Scan[Any]:
    """Go through the entries of a directory.

        async with scandir(path) as entries:
            async for entry in entries:
                print(entry.name, await entry.is_dir())

    The directory is open from the first entry until the last, or until the scan is closed.

    Args:
        path: the directory, or a descriptor of one; None for the working directory.

    Returns:
        The scan. Nothing is opened yet: who awaits it, enters it or takes its first entry hears of what is wrong.

    Raises:
        OSError: at that time, there is no such directory, or it may not be read.

    """
    return Scan(lambda: _entries(path))


def _entries(path: Any) -> Iterator[Read[Any]]:
    """Read a directory. Runs in a thread, and asks there what the directory does not say."""
    dir_fd = path if isinstance(path, int) else None
    with os.scandir(path) as entries:
        for entry in entries:
            try:
                is_link = entry.is_symlink()
            except OSError:
                is_link = None
            yield entry, is_link, dir_fd


@overload
async def listdir(path: StrPath | None = None) -> list[str]: ...
@overload
async def listdir(path: bytes) -> list[bytes]: ...
@overload
async def listdir(path: int) -> list[str]: ...
async def listdir(path: Any = None) -> list[Any]:
    """Return the names in a directory, in its own order, without `.` and `..`.

    Args:
        path: the directory, or a descriptor of one; None for the working directory.

    Raises:
        OSError: there is no such directory, or it may not be read.

    """
    return await hop(os.listdir, path)


# What is below a directory is settled once it was given out: who walks from the top may change the list.
_FROM_THE_TOP = 1
_FROM_BELOW = 256


class _Unread:
    """A directory that could not be read, in the place where it would have come."""

    __slots__ = ("error",)

    def __init__(self, error: OSError) -> None:
        self.error = error


class Walk(Batches[Any, V]):
    """The directories of a tree, as `walk` and `Path.walk` return them: an asynchronous iterator and context manager.

    Leaving its context closes what it reads.
    """

    __slots__ = ("_as_visit", "_onerror")

    def __init__(
        self,
        begin: Callable[[Callable[[OSError], object] | None], Iterator[Any]],
        onerror: Callable[[OSError], object] | None,
        topdown: bool,
        as_visit: Callable[[Any], V],
    ) -> None:
        unread = None if onerror is None else self._note_unread
        super().__init__(lambda: begin(unread), _FROM_THE_TOP if topdown else _FROM_BELOW)
        self._onerror = onerror
        self._as_visit = as_visit

    async def __anext__(self) -> V:
        while True:
            drawn = await self._next()
            if not isinstance(drawn, _Unread):
                return self._as_visit(drawn)
            await self._tell(drawn.error)

    def _note_unread(self, error: OSError) -> None:
        """Note a directory that could not be read. Runs in a thread."""
        self._drawn.append(_Unread(error))

    async def _tell(self, error: OSError) -> None:
        """Call `onerror`, whose exception ends the walk."""
        if self._onerror is None:
            return
        try:
            self._onerror(error)
        except BaseException:
            await self.aclose()
            raise


def walk(
    top: GenericPath[AnyStr],
    topdown: bool = True,
    onerror: Callable[[OSError], object] | None = None,
    followlinks: bool = False,
) -> Walk[tuple[AnyStr, list[AnyStr], list[AnyStr]]]:
    """Go through the directories of a tree, with a hop for each.

        async for root, directories, files in walk(top):
            directories.remove("skipped")

    Args:
        top: the uppermost directory.
        topdown: whether a directory comes before those in it. Whoever changes its list of directories then, in
            place, says what is gone into.
        onerror: called on the loop with the `OSError` for a directory that cannot be read; what it raises ends the
            walk. None to skip such directories.
        followlinks: whether to go into directories that symbolic links lead to.

    Returns:
        An asynchronous iterator of triples: a directory's path, the names of directories in it, all other names in it.

    """
    return Walk(
        lambda unread: os.walk(top, topdown, unread, followlinks),
        onerror,
        topdown,
        lambda visit: visit,
    )
