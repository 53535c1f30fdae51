"""`os` for loops: what is done with names in the file system.

Every function here is the one of the same name in `os`, awaited: it takes the same arguments, returns the same and
raises the same. The native ones are operations of the loop, the others hops. What was begun is not undone when its
awaiter is cancelled: what it does, it does.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, overload

from aioxide.files.hops import hop, keywords
from aioxide.natives.templates import native

if TYPE_CHECKING:
    from typing import TypeAlias

    from _typeshed import BytesPath, FileDescriptorOrPath, StrOrBytesPath, StrPath

    StatvfsResult: TypeAlias = os.statvfs_result

__all__ = [
    "access",
    "chmod",
    "chown",
    "link",
    "lstat",
    "makedirs",
    "mkdir",
    "readlink",
    "remove",
    "removedirs",
    "rename",
    "renames",
    "replace",
    "rmdir",
    "stat",
    "statvfs",
    "symlink",
    "truncate",
    "unlink",
    "utime",
]


@native
async def stat(
    path: FileDescriptorOrPath, *, dir_fd: int | None = None, follow_symlinks: bool = True
) -> os.stat_result:
    """Return what the file system knows of a file.

    Args:
        path: its path, or a descriptor of it.
        dir_fd: a descriptor of the directory that a relative path starts from.
        follow_symlinks: whether to ask about what a symbolic link leads to.

    Raises:
        OSError: there is no such file, or the file system could not say.

    """
    raise NotImplementedError


@native
async def lstat(path: StrOrBytesPath, *, dir_fd: int | None = None) -> os.stat_result:
    """Return what the file system knows of a file or of a symbolic link itself.

    Args:
        path: its path.
        dir_fd: a descriptor of the directory that a relative path starts from.

    Raises:
        OSError: there is no such file, or the file system could not say.

    """
    raise NotImplementedError


async def statvfs(path: FileDescriptorOrPath) -> StatvfsResult:
    """Return what is known of the file system that a file is in.

    Args:
        path: the file's path, or a descriptor of it.

    Raises:
        OSError: there is no such file, or the file system could not say.

    """
    return await hop(os.statvfs, path)


async def access(
    path: FileDescriptorOrPath,
    mode: int,
    *,
    dir_fd: int | None = None,
    effective_ids: bool = False,
    follow_symlinks: bool = True,
) -> bool:
    """Tell whether this process may use a file in some way, as far as its modes say.

    Args:
        path: its path.
        mode: `os.F_OK` to ask whether it exists, or a sum of `os.R_OK`, `os.W_OK`, `os.X_OK`.
        dir_fd: a descriptor of the directory that a relative path starts from.
        effective_ids: whether to ask for the effective user and group, not the real ones.
        follow_symlinks: whether to ask about what a symbolic link leads to.

    """
    return await hop(
        os.access,
        path,
        mode,
        dir_fd=dir_fd,
        effective_ids=effective_ids,
        follow_symlinks=follow_symlinks,
    )


@native
async def rename(
    src: StrOrBytesPath,
    dst: StrOrBytesPath,
    *,
    src_dir_fd: int | None = None,
    dst_dir_fd: int | None = None,
) -> None:
    """Give a file or directory another name in the same file system, in place of a file of that name.

    Args:
        src: the name that it has.
        dst: the name that it gets.
        src_dir_fd: a descriptor of the directory that a relative `src` starts from.
        dst_dir_fd: a descriptor of the directory that a relative `dst` starts from.

    Raises:
        OSError: there is no such file, or it cannot have that name.

    """
    raise NotImplementedError


@native
async def replace(
    src: StrOrBytesPath,
    dst: StrOrBytesPath,
    *,
    src_dir_fd: int | None = None,
    dst_dir_fd: int | None = None,
) -> None:
    """Give a file or directory another name in the same file system, in place of a file of that name.

    Args:
        src: the name that it has.
        dst: the name that it gets.
        src_dir_fd: a descriptor of the directory that a relative `src` starts from.
        dst_dir_fd: a descriptor of the directory that a relative `dst` starts from.

    Raises:
        OSError: there is no such file, or it cannot have that name.

    """
    raise NotImplementedError


@overload
async def renames(old: StrPath, new: StrPath) -> None: ...
@overload
async def renames(old: BytesPath, new: BytesPath) -> None: ...
async def renames(old: Any, new: Any) -> None:
    """Rename, make the directories that the new name needs, and remove those that the old one leaves empty.

    Args:
        old: the name that it has.
        new: the name that it gets.

    Raises:
        OSError: there is no such file, or it cannot have that name.

    """
    await hop(os.renames, old, new)


@native
async def remove(path: StrOrBytesPath, *, dir_fd: int | None = None) -> None:
    """Remove a name of a file.

    Args:
        path: the name.
        dir_fd: a descriptor of the directory that a relative path starts from.

    Raises:
        OSError: there is no such file, it is a directory, or it may not be removed.

    """
    raise NotImplementedError


@native
async def unlink(path: StrOrBytesPath, *, dir_fd: int | None = None) -> None:
    """Remove a name of a file, as `remove` does.

    Args:
        path: the name.
        dir_fd: a descriptor of the directory that a relative path starts from.

    Raises:
        OSError: there is no such file, it is a directory, or it may not be removed.

    """
    raise NotImplementedError


@native
async def mkdir(path: StrOrBytesPath, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
    """Make a directory.

    Args:
        path: its name.
        mode: its mode, of which the umask is taken.
        dir_fd: a descriptor of the directory that a relative path starts from.

    Raises:
        OSError: the name exists, or the directory that it is to be in does not.

    """
    raise NotImplementedError


async def makedirs(name: StrOrBytesPath, mode: int = 0o777, exist_ok: bool = False) -> None:
    """Make a directory, and those that it is in.

    Args:
        name: its name.
        mode: its mode, of which the umask is taken; those that it is in get the usual one.
        exist_ok: whether it may be there already.

    Raises:
        OSError: the name exists, or the directory cannot be made.

    """
    await hop(os.makedirs, name, mode, exist_ok)


@native
async def rmdir(path: StrOrBytesPath, *, dir_fd: int | None = None) -> None:
    """Remove an empty directory.

    Args:
        path: its name.
        dir_fd: a descriptor of the directory that a relative path starts from.

    Raises:
        OSError: there is no such directory, or it is not empty.

    """
    raise NotImplementedError


async def removedirs(name: StrOrBytesPath) -> None:
    """Remove an empty directory, and those that it is in as far as they become empty.

    Args:
        name: its name.

    Raises:
        OSError: there is no such directory, or it is not empty.

    """
    await hop(os.removedirs, name)


async def link(
    src: StrOrBytesPath,
    dst: StrOrBytesPath,
    *,
    src_dir_fd: int | None = None,
    dst_dir_fd: int | None = None,
    follow_symlinks: bool = True,
) -> None:
    """Give a file one more name.

    Args:
        src: a name that it has.
        dst: its new name.
        src_dir_fd: a descriptor of the directory that a relative `src` starts from.
        dst_dir_fd: a descriptor of the directory that a relative `dst` starts from.
        follow_symlinks: whether it is what a symbolic link leads to that gets the name, as far as `os.link` of this
            Python follows.

    Raises:
        OSError: there is no such file, or the new name exists or is in another file system.

    """
    # Newer Pythons follow links unless they are told not to, older ones do not; `os` knows which this one is.
    await hop(
        os.link,
        src,
        dst,
        src_dir_fd=src_dir_fd,
        dst_dir_fd=dst_dir_fd,
        follow_symlinks=follow_symlinks,
    )


@native
async def symlink(
    src: StrOrBytesPath,
    dst: StrOrBytesPath,
    target_is_directory: bool = False,
    *,
    dir_fd: int | None = None,
) -> None:
    """Make a symbolic link.

    Args:
        src: what it leads to.
        dst: its name.
        target_is_directory: without a meaning but on Windows.
        dir_fd: a descriptor of the directory that a relative `dst` starts from.

    Raises:
        OSError: the name exists, or the directory that it is to be in does not.

    """
    raise NotImplementedError


@overload
async def readlink(path: StrPath, *, dir_fd: int | None = None) -> str: ...
@overload
async def readlink(path: BytesPath, *, dir_fd: int | None = None) -> bytes: ...
async def readlink(path: Any, *, dir_fd: int | None = None) -> Any:
    """Return what a symbolic link leads to, as it says itself.

    Args:
        path: the link's name.
        dir_fd: a descriptor of the directory that a relative path starts from.

    Raises:
        OSError: there is no such link, or it is something else.

    """
    return await hop(os.readlink, path, dir_fd=dir_fd)


async def truncate(path: FileDescriptorOrPath, length: int) -> None:
    """Cut a file, or let it grow with zeros.

    Args:
        path: its path, or a descriptor of it.
        length: how many bytes it is to have.

    Raises:
        OSError: there is no such file, or it cannot have that length.

    """
    await hop(os.truncate, path, length)


async def chmod(
    path: FileDescriptorOrPath,
    mode: int,
    *,
    dir_fd: int | None = None,
    follow_symlinks: bool = True,
) -> None:
    """Set a file's mode.

    Args:
        path: its path, or a descriptor of it.
        mode: the mode, as `stat` has it.
        dir_fd: a descriptor of the directory that a relative path starts from.
        follow_symlinks: whether it is what a symbolic link leads to that gets the mode.

    Raises:
        OSError: there is no such file, or it is somebody else's.
        NotImplementedError: links have no modes here.

    """
    await hop(os.chmod, path, mode, dir_fd=dir_fd, follow_symlinks=follow_symlinks)


async def chown(
    path: FileDescriptorOrPath,
    uid: int,
    gid: int,
    *,
    dir_fd: int | None = None,
    follow_symlinks: bool = True,
) -> None:
    """Set a file's owner and group.

    Args:
        path: its path, or a descriptor of it.
        uid: the owner's number; -1 to leave it.
        gid: the group's number; -1 to leave it.
        dir_fd: a descriptor of the directory that a relative path starts from.
        follow_symlinks: whether it is what a symbolic link leads to that is given away.

    Raises:
        OSError: there is no such file, or it may not be given away.

    """
    await hop(os.chown, path, uid, gid, dir_fd=dir_fd, follow_symlinks=follow_symlinks)


async def utime(
    path: FileDescriptorOrPath,
    times: tuple[float, float] | None = None,
    *,
    ns: tuple[int, int] | None = None,
    dir_fd: int | None = None,
    follow_symlinks: bool = True,
) -> None:
    """Set the times at which a file was last read and changed.

    Args:
        path: its path, or a descriptor of it.
        times: both, in seconds; None for now, unless `ns` is given.
        ns: both, in nanoseconds.
        dir_fd: a descriptor of the directory that a relative path starts from.
        follow_symlinks: whether it is what a symbolic link leads to that gets the times.

    Raises:
        OSError: there is no such file, or it is somebody else's.
        ValueError: both `times` and `ns` are given.

    """
    # None is no value for ns.
    given = keywords(ns=ns)
    await hop(os.utime, path, times, dir_fd=dir_fd, follow_symlinks=follow_symlinks, **given)
