"""`os.path` for loops: each function is the one of its name, awaited, with `loop` and `executor` besides."""

from __future__ import annotations

from os import path

from aioxide import files
from aioxide.compat.aiofiles.base import wrap
from aioxide.compat.aiofiles.serving import served

__all__ = [
    "abspath",
    "exists",
    "getatime",
    "getctime",
    "getmtime",
    "getsize",
    "isdir",
    "isfile",
    "islink",
    "ismount",
    "samefile",
    "sameopenfile",
]

abspath = wrap(path.abspath)
exists = served(path.exists, files.exists)
getatime = served(path.getatime, files.getatime)
getctime = served(path.getctime, files.getctime)
getmtime = served(path.getmtime, files.getmtime)
getsize = served(path.getsize, files.getsize)
isdir = served(path.isdir, files.isdir)
isfile = served(path.isfile, files.isfile)
islink = served(path.islink, files.islink)
ismount = served(path.ismount, files.ismount)
samefile = served(path.samefile, files.samefile)
sameopenfile = wrap(path.sameopenfile)
