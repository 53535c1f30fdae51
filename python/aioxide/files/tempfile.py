"""`tempfile` for loops: files and directories that are removed again."""

from __future__ import annotations

from aioxide.files.spooled import SpooledTemporaryFile
from aioxide.files.temporary_directories import (
    TemporaryDirectory,
    gettempdir,
    gettempdirb,
    mkdtemp,
)
from aioxide.files.temporary_files import NamedTemporaryFile, TemporaryFile, mkstemp

__all__ = [
    "NamedTemporaryFile",
    "SpooledTemporaryFile",
    "TemporaryDirectory",
    "TemporaryFile",
    "gettempdir",
    "gettempdirb",
    "mkdtemp",
    "mkstemp",
]
