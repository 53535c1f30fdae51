"""Opening files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioxide.natives.templates import native

if TYPE_CHECKING:
    from aioxide.files.binary import BinaryFile


@native
async def open_binary(path: str | bytes, flags: int, mode: str, buffering: int) -> BinaryFile:
    """Open a file of bytes.

    Args:
        path: its path.
        flags: those of `os.open`.
        mode: as for the built-in `open`, and in accordance with the flags.
        buffering: as for `BinaryFile`.

    Raises:
        OSError: the file cannot be opened.

    """
    raise NotImplementedError
