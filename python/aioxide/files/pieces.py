"""The contents of a file copied in pieces, so that somebody can watch and put an end to it. For threads.

`copy_file` is what `shutil.copyfile` is, with a report between the pieces; `shutil` copies a file in one go.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from _typeshed import StrOrBytesPath

# One system call's worth: long enough to cost nothing, short enough to be waited for.
_PIECE_BYTES = 8 << 20

# What goes through memory where the kernel does not copy by itself.
_THROUGH_MEMORY_BYTES = 256 << 10


class Report(Protocol):
    """Whom a copy tells how far it is."""

    def expect(self, count: int) -> None:
        """Say that `count` bytes are going to be copied."""

    def advance(self, count: int) -> None:
        """Say that `count` more bytes were copied. What it raises ends the copy."""


def copy_file(
    src: StrOrBytesPath, dst: StrOrBytesPath, *, follow_symlinks: bool = True, report: Report
) -> Any:
    """Copy a file's contents.

    Args:
        src: the file.
        dst: its copy; a file that exists is overwritten.
        follow_symlinks: whether to copy what a symbolic link leads to, and not the link.
        report: is told of every piece.

    Returns:
        `dst`.

    Raises:
        shutil.SameFileError: both are one file.
        shutil.SpecialFileError: one of them is a FIFO.
        OSError: the file cannot be read, or the copy cannot be written.

    """
    sys.audit("shutil.copyfile", src, dst)
    if _are_same(src, dst):
        raise shutil.SameFileError(f"{src!r} and {dst!r} are the same file")
    _refuse_fifo(src)
    _refuse_fifo(dst)
    if not follow_symlinks and os.path.islink(src):
        link: Any = src
        os.symlink(os.readlink(link), dst)
        return dst
    with open(src, "rb", buffering=0) as source:
        try:
            with open(dst, "wb", buffering=0) as copy:
                report.expect(os.fstat(source.fileno()).st_size)
                _copy_contents(source, copy, report)
        except IsADirectoryError as exc:
            if os.path.exists(dst):
                raise
            raise FileNotFoundError(f"Directory does not exist: {dst!s}") from exc
    return dst


def _are_same(src: StrOrBytesPath, dst: StrOrBytesPath) -> bool:
    try:
        return os.path.samefile(src, dst)
    except OSError:
        return False


def _refuse_fifo(path: StrOrBytesPath) -> None:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return
    if stat.S_ISFIFO(mode):
        raise shutil.SpecialFileError(f"`{path!s}` is a named pipe")


def _copy_contents(source: Any, copy: Any, report: Report) -> None:
    """Copy from file to file in the kernel, or through memory where it says that it cannot."""
    copied = 0
    while True:
        try:
            count = os.copy_file_range(source.fileno(), copy.fileno(), _PIECE_BYTES)
        except OSError as exc:
            if copied == 0:
                break
            exc.filename, exc.filename2 = source.name, copy.name
            raise
        if count == 0:
            # A file without a length of its own, as those under /proc, looks empty to this call.
            if copied == 0:
                break
            return
        copied += count
        report.advance(count)
    _copy_through_memory(source, copy, report)


def _copy_through_memory(source: Any, copy: Any, report: Report) -> None:
    with memoryview(bytearray(_THROUGH_MEMORY_BYTES)) as memory:
        while count := source.readinto(memory):
            written = 0
            while written < count:
                try:
                    written += copy.write(memory[written:count])
                except OSError as exc:
                    exc.filename, exc.filename2 = source.name, copy.name
                    raise
            report.advance(count)


def tree_bytes(src: Any, *, symlinks: bool, ignore: Any) -> int:
    """Return how many bytes a copy of a tree has to copy, as far as that can be told beforehand.

    Args:
        src: the uppermost directory.
        symlinks: whether links are copied as links.
        ignore: called with a directory and the names in it, returns those that are not copied; or None.

    """
    try:
        with os.scandir(src) as found:
            entries = list(found)
    except OSError:
        return 0
    ignored = ignore(os.fspath(src), [entry.name for entry in entries]) if ignore else ()
    return sum(
        _entry_bytes(entry, symlinks=symlinks, ignore=ignore)
        for entry in entries
        if entry.name not in ignored
    )


def _entry_bytes(entry: os.DirEntry[Any], *, symlinks: bool, ignore: Any) -> int:
    try:
        if symlinks and entry.is_symlink():
            return 0
        if entry.is_dir():
            return tree_bytes(entry.path, symlinks=symlinks, ignore=ignore)
        return entry.stat().st_size
    except OSError:
        return 0
