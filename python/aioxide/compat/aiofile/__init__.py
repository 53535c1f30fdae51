"""The names of aiofile 3.12, served by `aioxide.files`: change the import, and nothing else of a program.

Differences, all of which let a program do more, or lose less:

* `async for` over what `async_open` returns begins at the file's place, not always at 0.
* `readline` of those files keeps to `size`, loses nothing of a line that it returns in parts, and splits at `newline`;
  `LineReader` splits at any `line_sep`.
* Whatever holds bytes can be written where bytes can, and any path can be opened.
* Files whose size the kernel does not know beforehand, those of `/proc` for one, are read to their end.
* An operation that the file's mode does not allow fails with the kernel's `OSError`.
* An `AIOFile` can be opened once more after it could not be, and used on any loop.
* Contexts are made and accepted, and do nothing: there is one service of file operations for each loop.
"""

from aioxide.compat.aiofile.aio import AIOFile
from aioxide.compat.aiofile.utils import (
    BinaryFileWrapper,
    FileIOCloner,
    FileIOWrapperBase,
    LineReader,
    Reader,
    TextFileWrapper,
    Writer,
    async_open,
    clone,
)
from aioxide.compat.aiofile.version import (
    __author__,
    __version__,
    author_info,
    package_info,
    package_license,
    project_home,
    team_email,
    version_info,
)

__all__ = (
    "AIOFile",
    "BinaryFileWrapper",
    "FileIOCloner",
    "FileIOWrapperBase",
    "LineReader",
    "Reader",
    "TextFileWrapper",
    "Writer",
    "__author__",
    "__version__",
    "async_open",
    "author_info",
    "clone",
    "package_info",
    "package_license",
    "project_home",
    "team_email",
    "version_info",
)
