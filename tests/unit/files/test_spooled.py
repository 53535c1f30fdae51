"""Spooled files: what `tempfile`'s does in memory and on the disk, awaited."""

from __future__ import annotations

import asyncio
import os
import pathlib
import tempfile as blocking_tempfile
from typing import Any

import pytest

from aioxide.files.tempfile import SpooledTemporaryFile

STEPS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("tell", ()),
    ("read", ()),
    ("seek", (0,)),
    ("readline", ()),
    ("readline", (2,)),
    ("read", (3,)),
    ("tell", ()),
    ("seek", (1,)),
    ("readlines", ()),
    ("truncate", (4,)),
    ("seek", (0,)),
    ("read", ()),
    ("truncate", (0,)),
    ("flush", ()),
)

TEXT = "one\ntwo ä\nthree\n"


@pytest.mark.parametrize("max_size", [0, 5, 100])
async def test_bytes_are_kept_as_there(loop: asyncio.AbstractEventLoop, max_size: int) -> None:
    with blocking_tempfile.SpooledTemporaryFile(max_size) as theirs:
        async with SpooledTemporaryFile(max_size) as ours:
            for data in (b"one\n", bytearray(b"two\n"), memoryview(b"three")):
                assert await ours.write(data) == theirs.write(data)
                assert await ours.tell() == theirs.tell()
                assert (ours.name is None) == (theirs.name is None)
            await ours.writelines([b"a\n", b"b"])
            theirs.writelines([b"a\n", b"b"])
            for step, args in STEPS:
                assert await getattr(ours, step)(*args) == getattr(theirs, step)(*args), step
            assert ours.readable() and ours.writable() and ours.seekable() and not ours.isatty()


@pytest.mark.parametrize("max_size", [0, 5])
async def test_buffers_are_filled_as_there(loop: asyncio.AbstractEventLoop, max_size: int) -> None:
    with blocking_tempfile.SpooledTemporaryFile(max_size) as theirs:
        async with SpooledTemporaryFile(max_size) as ours:
            for file in (theirs, ours):
                written = file.write(b"0123456789"), file.seek(0)
                for call in written if file is ours else ():
                    await call
            for method in ("readinto", "readinto1"):
                here, there = bytearray(6), bytearray(6)
                count = await getattr(ours, method)(here)
                assert (count, here) == (getattr(theirs, method)(there), there)


@pytest.mark.parametrize("max_size", [0, 5, 100])
@pytest.mark.parametrize("newline", [None, "", "\r\n"])
async def test_text_is_kept_as_there(
    loop: asyncio.AbstractEventLoop, max_size: int, newline: str | None
) -> None:
    options: Any = {"mode": "w+", "encoding": "utf-8", "newline": newline}
    with blocking_tempfile.SpooledTemporaryFile(max_size, **options) as theirs:
        async with SpooledTemporaryFile(max_size, **options) as ours:
            assert await ours.write(TEXT) == theirs.write(TEXT)
            assert await ours.write("more") == theirs.write("more")
            for step, args in (("seek", (0,)), ("readline", ()), ("read", (3,)), ("read", ())):
                assert await getattr(ours, step)(*args) == getattr(theirs, step)(*args), step
            await ours.seek(0)
            theirs.seek(0)
            assert [line async for line in ours] == list(theirs)
            assert (ours.encoding, ours.errors) == (theirs.encoding, theirs.errors)
            assert ours.newlines == theirs.newlines


@pytest.mark.parametrize("read", [0, 1, 5, 9, 16])
async def test_text_goes_on_where_it_was_when_it_moves(
    loop: asyncio.AbstractEventLoop, read: int
) -> None:
    async with SpooledTemporaryFile(mode="w+", encoding="utf-16") as file:
        await file.write(TEXT)
        await file.seek(0)
        assert await file.read(read) == TEXT[:read]
        await file.rollover()
        assert file.name is not None
        assert await file.read() == TEXT[read:]


async def test_in_memory_there_is_no_file(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SpooledTemporaryFile(10) as file:
        assert (file.name, file.mode, file.closed) == (None, "w+b", False)
        await file.write(b"0123456789")
        assert file.name is None
        await file.write(b"0")
        assert file.name is not None
        number = await file.fileno()
        assert os.fstat(number).st_size >= 0
        assert file.mode == "rb+"
    assert file.closed
    with pytest.raises(ValueError, match="closed file"):
        async with file:
            pass
    with pytest.raises(ValueError, match="closed file"):
        await file.read()
    async with await SpooledTemporaryFile() as file:
        assert await file.truncate(3) == 3
        assert file.name is not None


async def test_a_file_that_cannot_move_stays(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path
) -> None:
    async with SpooledTemporaryFile(4, dir=str(tmp_path / "missing")) as file:
        await file.write(b"0123")
        with pytest.raises(FileNotFoundError):
            await file.write(b"4567")
        assert file.name is None
        await file.seek(0)
        assert await file.read() == b"01234567"


async def test_several_tasks_write_while_the_file_moves(loop: asyncio.AbstractEventLoop) -> None:
    async with SpooledTemporaryFile(50) as file:
        await asyncio.gather(*(file.write(bytes([number]) * 7) for number in range(40)))
        await file.seek(0)
        content = await file.read()
    assert sorted(content) == sorted(bytes(number for number in range(40) for _ in range(7)))
    assert all(len(set(content[start : start + 7])) == 1 for start in range(0, 280, 7))


def test_what_makes_no_sense_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="invalid mode"):
        SpooledTemporaryFile(mode="z")  # type: ignore[call-overload]
    with pytest.raises(LookupError, match="unknown encoding"):
        SpooledTemporaryFile(mode="w+", encoding="none")
