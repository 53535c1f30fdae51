"""What paths read and write: what `pathlib` does, in one call."""

from __future__ import annotations

import asyncio
import pathlib
import sys
from typing import Any

import pytest

from aioxide.files import Path

from .outcomes import awaited, blocking

CONTENTS = (
    b"",
    b"a",
    b"one\ntwo\r\nthree\rend",
    "ä\u20ac\U0001f600".encode(),
    b"\xff\xfe\xfa",
    b"\0" * 100,
)


@pytest.mark.parametrize("content", CONTENTS, ids=repr)
async def test_bytes_and_text_are_read_as_by_pathlib(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path, content: bytes
) -> None:
    theirs = tmp_path / "file"
    theirs.write_bytes(content)
    ours = Path(theirs)
    assert await ours.read_bytes() == content
    options: dict[str, Any]
    for options in (
        {},
        {"encoding": "utf-8"},
        {"encoding": "utf-16"},
        {"encoding": "ascii", "errors": "replace"},
        {"encoding": "none"},
        {"errors": "none"},
        {"encoding": 1},
    ):
        assert await awaited(ours.read_text, **options) == blocking(theirs.read_text, **options)
    assert await awaited((ours / "below").read_text, "none") == blocking(
        (theirs / "below").read_text, "none"
    )


@pytest.mark.skipif(sys.version_info < (3, 13), reason="pathlib has it from Python 3.13 on")
@pytest.mark.parametrize("newline", [None, "", "\n", "\r", "\r\n", "x"])
async def test_lines_end_as_they_are_told(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path, newline: str | None
) -> None:
    theirs = tmp_path / "file"
    theirs.write_bytes(CONTENTS[2])
    given = (None, None, newline)
    assert await awaited(Path(theirs).read_text, *given) == blocking(theirs.read_text, *given)


@pytest.mark.parametrize(
    "data", [b"", b"abc", bytearray(b"abc"), memoryview(b"abc"), "text", 5, None], ids=repr
)
async def test_bytes_are_written_as_by_pathlib(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path, data: Any
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    assert await awaited(Path(ours).write_bytes, data) == blocking(theirs.write_bytes, data)
    assert ours.exists() == theirs.exists()
    assert not theirs.exists() or ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize("data", ["", "one\ntwo", "ä\u20ac", "\udc80", b"bytes", 5], ids=repr)
async def test_text_is_written_as_by_pathlib(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path, data: Any
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    options: dict[str, Any]
    for options in (
        {},
        {"encoding": "utf-16"},
        {"encoding": "ascii", "errors": "replace"},
        {"encoding": "none"},
        {"newline": "\r\n"},
        {"newline": "x"},
    ):
        assert await awaited(Path(ours).write_text, data, **options) == blocking(
            theirs.write_text, data, **options
        )
        assert ours.exists() == theirs.exists()
        assert not theirs.exists() or ours.read_bytes() == theirs.read_bytes()


async def test_a_large_file_is_read_and_written_whole(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path
) -> None:
    content = bytes(range(256)) * 40_000
    path = Path(tmp_path / "file")
    assert await path.write_bytes(content) == len(content)
    assert await path.read_bytes() == content
    # It has no length, and is read nevertheless.
    assert await Path("/proc/version").read_bytes() == pathlib.Path("/proc/version").read_bytes()
