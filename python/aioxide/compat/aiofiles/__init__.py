"""The names of aiofiles 25.1, served by `aioxide.files`: change the import, and nothing else of a program.

`open` gives files of the same classes with the same methods. What they do goes through the loop's own file operations:
what the page cache has is there at once, and lines are split in memory. With an `executor`, with an `opener`, with
`sync_open` replaced, and for whatever `wrap` is given, every call hops to a thread, as it does in the package.

Differences:

* A file from `open` is no wrapper of one that blocks. `raw` and `buffer` are there only where a call hops, as said
  above; otherwise they, and `detach`, raise `io.UnsupportedOperation`.
* `tell` knows the place after `readlines(hint)` of a text, too.
* Operations on one file wait for each other in the order of their calls.
* Leaving a block closes the file where its calls are made, and in the `executor` that was given.
* `aiofiles.os` and `aiofiles.ospath` are imported with the package.
"""

from aioxide.compat.aiofiles import base as base
from aioxide.compat.aiofiles import os as os
from aioxide.compat.aiofiles import ospath as ospath
from aioxide.compat.aiofiles import tempfile
from aioxide.compat.aiofiles import threadpool as threadpool
from aioxide.compat.aiofiles.threadpool import (
    open,  # noqa: A004 - its name in the package
    stderr,
    stderr_bytes,
    stdin,
    stdin_bytes,
    stdout,
    stdout_bytes,
)

__all__ = [
    "open",
    "stderr",
    "stderr_bytes",
    "stdin",
    "stdin_bytes",
    "stdout",
    "stdout_bytes",
    "tempfile",
]
