"""`os.path` for loops: the questions that the file system has to be asked.

Every function here is the one of the same name in `os.path`, awaited. What `os.path` works out from the names alone,
without the file system, needs no await, and is not here.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, overload

from aioxide.files import names
from aioxide.files.hops import hop

if TYPE_CHECKING:
    from _typeshed import BytesPath, FileDescriptorOrPath, StrOrBytesPath, StrPath

__all__ = [
    "exists",
    "getatime",
    "getctime",
    "getmtime",
    "getsize",
    "isdir",
    "isfile",
    "islink",
    "ismount",
    "lexists",
    "realpath",
    "samefile",
]


async def exists(path: FileDescriptorOrPath) -> bool:
    """Tell whether there is a file or directory of this name; a broken symbolic link is none.

    Args:
        path: its path, or a descriptor.

    """
    return await _mode_of(path) is not None


async def lexists(path: StrOrBytesPath) -> bool:
    """Tell whether the name exists, if only as a broken symbolic link.

    Args:
        path: the path.

    """
    return await _own_mode_of(path) is not None


async def isfile(path: FileDescriptorOrPath) -> bool:
    """Tell whether it is a plain file, or a symbolic link to one.

    Args:
        path: its path, or a descriptor.

    """
    return stat.S_ISREG(await _mode_of(path) or 0)


async def isdir(s: FileDescriptorOrPath) -> bool:
    """Tell whether it is a directory, or a symbolic link to one.

    Args:
        s: its path, or a descriptor.

    """
    return stat.S_ISDIR(await _mode_of(s) or 0)


async def islink(path: StrOrBytesPath) -> bool:
    """Tell whether it is a symbolic link, be it broken.

    Args:
        path: its path.

    """
    return stat.S_ISLNK(await _own_mode_of(path) or 0)


async def ismount(path: FileDescriptorOrPath) -> bool:
    """Tell whether another file system begins there.

    Args:
        path: its path, or a descriptor.

    """
    return await hop(os.path.ismount, path)


async def getsize(filename: FileDescriptorOrPath) -> int:
    """Return how long a file is, in bytes.

    Args:
        filename: its path, or a descriptor.

    Raises:
        OSError: there is no such file, or the file system could not say.

    """
    return (await names.stat(filename)).st_size


async def getmtime(filename: FileDescriptorOrPath) -> float:
    """Return when a file was last changed, in seconds since 1970.

    Args:
        filename: its path, or a descriptor.

    Raises:
        OSError: there is no such file, or the file system could not say.

    """
    return (await names.stat(filename)).st_mtime


async def getatime(filename: FileDescriptorOrPath) -> float:
    """Return when a file was last read, in seconds since 1970.

    Args:
        filename: its path, or a descriptor.

    Raises:
        OSError: there is no such file, or the file system could not say.

    """
    return (await names.stat(filename)).st_atime


async def getctime(filename: FileDescriptorOrPath) -> float:
    """Return when what is known of a file last changed, in seconds since 1970.

    Args:
        filename: its path, or a descriptor.

    Raises:
        OSError: there is no such file, or the file system could not say.

    """
    return (await names.stat(filename)).st_ctime


async def samefile(f1: FileDescriptorOrPath, f2: FileDescriptorOrPath) -> bool:
    """Tell whether two names are of one file.

    Args:
        f1: a path, or a descriptor.
        f2: the other.

    Raises:
        OSError: one of them does not exist.

    """
    return await hop(os.path.samefile, f1, f2)


@overload
async def realpath(filename: StrPath, *, strict: bool = False) -> str: ...
@overload
async def realpath(filename: BytesPath, *, strict: bool = False) -> bytes: ...
async def realpath(filename: Any, *, strict: bool = False) -> Any:
    """Return the absolute path of a file, without symbolic links.

    Args:
        filename: its path.
        strict: whether it must exist, and links may lead nowhere but to what exists.

    Raises:
        OSError: strict, and something on the way does not exist, or links lead in a circle.

    """
    return await hop(os.path.realpath, filename, strict=strict)


async def _mode_of(path: FileDescriptorOrPath) -> int | None:
    """Return the mode of what a path leads to, or None if the file system cannot tell."""
    try:
        return (await names.stat(path)).st_mode
    except (OSError, ValueError):
        return None


async def _own_mode_of(path: StrOrBytesPath) -> int | None:
    """Return the mode of a file or of a symbolic link itself, or None if the file system cannot tell."""
    try:
        return (await names.lstat(path)).st_mode
    except (OSError, ValueError):
        return None
