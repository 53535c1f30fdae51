"""Dropping a file from the page cache, and making sure that it has gone."""

import os
from pathlib import Path

from suite.files.material import BLOCK


class StillHotError(Exception):
    """The pages of a file stay in the cache, so that nothing can be said about reading it cold."""


def drop(path: Path) -> None:
    """Drop the pages of the file at *path* and of no other; StillHotError if they stay."""
    with path.open("rb", buffering=0) as file:
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if any(_is_hot(file.fileno(), size * eighth // 8) for eighth in range(8)):
            raise StillHotError("the file system keeps the file's pages in the cache")


def _is_hot(descriptor: int, offset: int) -> bool:
    try:
        # Answers from the cache or refuses, and reads nothing in.
        return bool(os.preadv(descriptor, [bytearray(BLOCK)], offset, os.RWF_NOWAIT))
    except BlockingIOError:
        return False
    except OSError as refusal:
        raise StillHotError(f"whether they went cannot be asked here ({refusal})") from None
