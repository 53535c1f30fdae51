"""Files of ours, opened by descriptor: for tests that are not about opening."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from aioxide.files.binary import BinaryFile
from aioxide.files.text import TextFile

if TYPE_CHECKING:
    from pathlib import Path


def flags_of(mode: str) -> int:
    """Return what `os.open` is given for a mode of the built-in `open`."""
    access = os.O_RDONLY if "r" in mode else os.O_WRONLY
    return (
        (os.O_RDWR if "+" in mode else access)
        | (os.O_CREAT | os.O_TRUNC if "w" in mode else 0)
        | (os.O_CREAT | os.O_APPEND if "a" in mode else 0)
        | (os.O_CREAT | os.O_EXCL if "x" in mode else 0)
    )


def binary(path: Path | str, mode: str = "rb", buffering: int = -1) -> BinaryFile:
    """Open a file of bytes."""
    fd = os.open(path, flags_of(mode), 0o666)
    return BinaryFile(fd, mode, buffering, name=os.fspath(path))


def text(path: Path | str, mode: str = "r", buffering: int = -1, **how: Any) -> TextFile:
    """Open a file of text."""
    return TextFile(binary(path, mode, buffering), mode=mode, **how)


def pipe() -> tuple[BinaryFile, BinaryFile]:
    """Open both ends of a pipe."""
    reader, writer = os.pipe()
    return BinaryFile(reader, "rb"), BinaryFile(writer, "wb")


def theirs(path: Path | str, mode: str = "rb", buffering: int = -1) -> Any:
    """Open a file of bytes as Python does."""
    return open(path, mode, buffering)


def theirs_of_text(path: Path | str, mode: str = "r", **how: Any) -> Any:
    """Open a file of text as Python does."""
    return open(path, mode, **how)
