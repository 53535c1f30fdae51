"""What is below a path: iterators that read directories in threads, many entries with each hop."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from aioxide.files.batches import Batches
from aioxide.files.directories import Walk
from aioxide.files.hops import keywords
from aioxide.files.paths.lexical import Lexical

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator
    from typing import Self

    from _typeshed import StrPath

T = TypeVar("T", bound=Lexical)


class Found(Batches["pathlib.Path", T]):
    """Paths that were found, as `Path.iterdir` and `Path.glob` return them: an asynchronous iterator.

    It is also a context manager, which closes what is read.
    """

    __slots__ = ("_below",)

    def __init__(self, below: T, begin: Callable[[], Iterator[pathlib.Path]]) -> None:
        super().__init__(begin)
        self._below = below

    def _given_out(self, drawn: pathlib.Path) -> T:
        return self._below.with_segments(drawn)


class Searches(Lexical):
    """What looks into directories."""

    __slots__ = ()

    def iterdir(self) -> Found[Self]:
        """Go through the paths in a directory, in its own order, without `.` and `..`.

        Returns:
            An asynchronous iterator. Its first step reads the directory.

        Raises:
            OSError: at that time, there is no such directory, or it may not be read.

        """
        return Found(self, lambda: iter(self._path.iterdir()))

    def glob(
        self,
        pattern: StrPath,
        *,
        case_sensitive: bool | None = None,
        recurse_symlinks: bool | None = None,
    ) -> Found[Self]:
        """Go through the paths below a directory that match a pattern.

        Args:
            pattern: the pattern, in which `**` stands for any number of directories. Path-like ones from Python
                3.13 on.
            case_sensitive: whether `a` and `A` differ; None for what the system says. Given from Python 3.12 on.
            recurse_symlinks: whether `**` stands for directories that links lead to. Given from Python 3.13 on.

        Returns:
            An asynchronous iterator.

        Raises:
            ValueError: at the first step, the pattern is empty.
            NotImplementedError: at the first step, the pattern is absolute.

        """
        given = keywords(case_sensitive=case_sensitive, recurse_symlinks=recurse_symlinks)
        return Found(self, lambda: iter(self._path.glob(_pattern(pattern), **given)))

    def rglob(
        self,
        pattern: StrPath,
        *,
        case_sensitive: bool | None = None,
        recurse_symlinks: bool | None = None,
    ) -> Found[Self]:
        """Go through the paths anywhere below a directory that match a pattern.

        Args:
            pattern: the pattern. Path-like ones from Python 3.13 on.
            case_sensitive: whether `a` and `A` differ; None for what the system says. Given from Python 3.12 on.
            recurse_symlinks: whether directories are looked into that links lead to. Given from Python 3.13 on.

        Returns:
            An asynchronous iterator.

        Raises:
            NotImplementedError: at the first step, the pattern is absolute.

        """
        given = keywords(case_sensitive=case_sensitive, recurse_symlinks=recurse_symlinks)
        return Found(self, lambda: iter(self._path.rglob(_pattern(pattern), **given)))

    if sys.version_info >= (3, 12):

        def walk(
            self,
            top_down: bool = True,
            on_error: Callable[[OSError], object] | None = None,
            follow_symlinks: bool = False,
        ) -> Walk[tuple[Self, list[str], list[str]]]:
            """Go through the directories of a tree, with a hop for each.

            Args:
                top_down: whether a directory comes before those in it. Whoever changes its list of directories
                    then, in place, says what is gone into.
                on_error: called on the loop with the `OSError` for a directory that cannot be read; what it raises
                    ends the walk. None to skip such directories.
                follow_symlinks: whether to go into directories that symbolic links lead to.

            Returns:
                An asynchronous iterator of triples: a directory's path, the names of directories in it, all
                other names in it.

            """
            return Walk(
                lambda unread: self._path.walk(top_down, unread, follow_symlinks),
                on_error,
                top_down,
                self._as_visit,
            )

        def _as_visit(self, visit: Any) -> tuple[Self, list[str], list[str]]:
            root, directories, files = visit
            return self.with_segments(root), directories, files


def _pattern(pattern: StrPath) -> Any:
    return os.fspath(pattern) if isinstance(pattern, Lexical) else pattern
