"""`Path`, which is to `pathlib.Path` what a loop is to a thread. Put together from one class for each idea.

What needs the file system is a coroutine function, or returns an asynchronous iterator, under the name that `pathlib`
has for it on the running Python; all else is as there.
"""

from __future__ import annotations

from aioxide.files.paths.changes import Changes
from aioxide.files.paths.contents import Contents
from aioxide.files.paths.questions import Questions
from aioxide.files.paths.searches import Searches

__all__ = ["Path"]


class Path(Questions, Contents, Searches, Changes):
    """A path in the file system, with the methods of `pathlib.Path`.

        async for path in Path("photos").glob("*.jpg"):
            print(path.name, (await path.stat()).st_size)

    It is path-like, can be hashed, compared (also with paths of `pathlib`), pickled and derived from. It is no
    `pathlib.Path`.

    Args:
        segments: its parts.

    """

    __slots__ = ()
