"""What a path says by itself, without the file system: as `pathlib.PurePath`."""

from __future__ import annotations

import os
import pathlib
import sys
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Self

    from _typeshed import StrPath

F = TypeVar("F", bound="Callable[..., Any]")


class Lexical:
    """A path, as far as nobody has to be asked.

    It is path-like, can be hashed, compared (also with paths of `pathlib`), pickled and derived from.

    Args:
        segments: its parts.

    """

    __slots__ = ("__weakref__", "_path")

    def __init__(self, *segments: StrPath) -> None:
        self._path: Final = pathlib.Path(*segments)

    def __fspath__(self) -> str:
        return self._path.__fspath__()

    def __str__(self) -> str:
        return str(self._path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._path.as_posix()!r})"

    def __bytes__(self) -> bytes:
        return bytes(self._path)

    def __hash__(self) -> int:
        return hash(self._path)

    def __eq__(self, other: object) -> bool:
        return self._path.__eq__(_bare(other))

    def __lt__(self, other: Lexical | pathlib.PurePath) -> bool:
        return self._path.__lt__(_bare(other))

    def __le__(self, other: Lexical | pathlib.PurePath) -> bool:
        return self._path.__le__(_bare(other))

    def __gt__(self, other: Lexical | pathlib.PurePath) -> bool:
        return self._path.__gt__(_bare(other))

    def __ge__(self, other: Lexical | pathlib.PurePath) -> bool:
        return self._path.__ge__(_bare(other))

    def __truediv__(self, key: StrPath) -> Self:
        try:
            return self.with_segments(self._path / key)
        except TypeError:
            return NotImplemented

    def __rtruediv__(self, key: StrPath) -> Self:
        try:
            return self.with_segments(key / self._path)
        except TypeError:
            return NotImplemented

    def with_segments(self, *pathsegments: StrPath) -> Self:
        """Return a path of the same class. Every path that is made from this one is made here.

        Args:
            pathsegments: its parts.

        """
        return type(self)(*pathsegments)

    if sys.version_info >= (3, 13):

        @classmethod
        def from_uri(cls, uri: str) -> Self:
            """Return the path that a `file:` URI names.

            Args:
                uri: the URI.

            Raises:
                ValueError: it is no `file:` URI, or not absolute.

            """
            return cls(pathlib.Path.from_uri(uri))

        @property
        def parser(self) -> ModuleType:
            """The module that reads and joins paths: `posixpath`."""
            return self._path.parser

        def full_match(self, pattern: StrPath, *, case_sensitive: bool | None = None) -> bool:
            """Tell whether the whole path matches a pattern, in which `**` stands for any number of parts.

            Args:
                pattern: the pattern.
                case_sensitive: whether `a` and `A` differ; None for what the system says.

            """
            return self._path.full_match(_bare(pattern), case_sensitive=case_sensitive)

    @property
    def parts(self) -> tuple[str, ...]:
        """The path's parts: the root, if it has one, and every name."""
        return self._path.parts

    @property
    def drive(self) -> str:
        """What only Windows has: an empty string."""
        return self._path.drive

    @property
    def root(self) -> str:
        """`/` of an absolute path, else an empty string."""
        return self._path.root

    @property
    def anchor(self) -> str:
        """The drive and the root."""
        return self._path.anchor

    @property
    def name(self) -> str:
        """The last part, if that is a name."""
        return self._path.name

    @property
    def suffix(self) -> str:
        """The end of the name from its last dot on."""
        return self._path.suffix

    @property
    def suffixes(self) -> list[str]:
        """The ends of the name, each from one of its dots to the next."""
        return self._path.suffixes

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return self._path.stem

    @property
    def parent(self) -> Self:
        """The path without its last part."""
        return self.with_segments(self._path.parent)

    @property
    def parents(self) -> Sequence[Self]:
        """The parent, its parent, and so on."""
        return tuple(self.with_segments(parent) for parent in self._path.parents)

    def as_posix(self) -> str:
        """Return the path with `/` between its parts."""
        return self._path.as_posix()

    def as_uri(self) -> str:
        """Return the path as a `file:` URI.

        Raises:
            ValueError: it is not absolute.

        """
        return self._path.as_uri()

    def is_absolute(self) -> bool:
        """Tell whether it starts from the root."""
        return self._path.is_absolute()

    def is_relative_to(self, other: StrPath) -> bool:
        """Tell whether it begins as another path does.

        Args:
            other: the other path.

        """
        return self._path.is_relative_to(_bare(other))

    if sys.version_info < (3, 15):

        def is_reserved(self) -> bool:
            """Tell whether the name means something else, as some do on Windows only."""
            return False

    def joinpath(self, *pathsegments: StrPath) -> Self:
        """Return the path with more parts at its end; it begins anew where one of them is absolute.

        Args:
            pathsegments: the parts.

        """
        return self.with_segments(self._path.joinpath(*pathsegments))

    if sys.version_info >= (3, 12):

        def match(self, path_pattern: StrPath, *, case_sensitive: bool | None = None) -> bool:
            """Tell whether the path, or its end, matches a pattern.

            Args:
                path_pattern: the pattern.
                case_sensitive: whether `a` and `A` differ; None for what the system says.

            Raises:
                ValueError: the pattern is empty.

            """
            pattern = os.fspath(path_pattern)
            return self._path.match(pattern, case_sensitive=case_sensitive)

        def relative_to(self, *other: StrPath, walk_up: bool = False) -> Self:
            """Return the path as it is seen from another one.

            Args:
                other: the other path.
                walk_up: whether it may begin with `..`.

            Raises:
                ValueError: it does not begin as the other one, or has no way to it.

            """
            others = [_bare(path) for path in other]
            return self.with_segments(self._path.relative_to(*others, walk_up=walk_up))

    else:

        def match(self, path_pattern: str) -> bool:
            """Tell whether the path, or its end, matches a pattern.

            Args:
                path_pattern: the pattern.

            Raises:
                ValueError: the pattern is empty.

            """
            return self._path.match(path_pattern)

        def relative_to(self, *other: StrPath) -> Self:
            """Return the path as it is seen from another one.

            Args:
                other: the other path.

            Raises:
                ValueError: it does not begin as the other one.

            """
            return self.with_segments(self._path.relative_to(*map(_bare, other)))

    def with_name(self, name: str) -> Self:
        """Return the path with another name.

        Args:
            name: the name.

        Raises:
            ValueError: the path has no name, or that is none.

        """
        return self.with_segments(self._path.with_name(name))

    def with_stem(self, stem: str) -> Self:
        """Return the path with another name that has the same suffix.

        Args:
            stem: the name without its suffix.

        Raises:
            ValueError: the path has no name, or that is none.

        """
        return self.with_segments(self._path.with_stem(stem))

    def with_suffix(self, suffix: str) -> Self:
        """Return the path with another suffix.

        Args:
            suffix: the suffix with its dot; empty to have none.

        Raises:
            ValueError: the path has no name, or that is no suffix.

        """
        return self.with_segments(self._path.with_suffix(suffix))


def _bare(path: Any) -> Any:
    """Return the path of `pathlib` in a path of ours, and all else as it is."""
    return path._path if isinstance(path, Lexical) else path


os.PathLike.register(Lexical)
