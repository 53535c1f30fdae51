"""`os` for loops: each function is the one of its name, awaited, with `loop` and `executor` besides."""

from __future__ import annotations

import os

from aioxide import files
from aioxide.compat.aiofiles import ospath as path
from aioxide.compat.aiofiles.base import wrap
from aioxide.compat.aiofiles.serving import served

__all__ = [
    "access",
    "getcwd",
    "link",
    "listdir",
    "makedirs",
    "mkdir",
    "path",
    "readlink",
    "remove",
    "removedirs",
    "rename",
    "renames",
    "replace",
    "rmdir",
    "scandir",
    "sendfile",
    "stat",
    "statvfs",
    "symlink",
    "unlink",
    "wrap",
]

access = served(os.access, files.access)
getcwd = wrap(os.getcwd)
link = served(os.link, files.link)
listdir = served(os.listdir, files.listdir)
makedirs = served(os.makedirs, files.makedirs)
mkdir = served(os.mkdir, files.mkdir)
readlink = served(os.readlink, files.readlink)
remove = served(os.remove, files.remove)
removedirs = served(os.removedirs, files.removedirs)
rename = served(os.rename, files.rename)
renames = served(os.renames, files.renames)
replace = served(os.replace, files.replace)
rmdir = served(os.rmdir, files.rmdir)
# The iterator that comes of it is not async, as in the package.
scandir = wrap(os.scandir)
sendfile = wrap(os.sendfile)
stat = served(os.stat, files.stat)
statvfs = served(os.statvfs, files.statvfs)
symlink = served(os.symlink, files.symlink)
unlink = served(os.unlink, files.unlink)
