"""`async_open` and `clone`: files with a place that moves, as `open` has them, on top of `AIOFile`."""

from __future__ import annotations

import asyncio
import os
from asyncio import AbstractEventLoop
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


async def test_the_mode_says_of_which_kind_a_file_is(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.async_open(path, "w") as file:
        assert type(file) is aiofile.TextFileWrapper
        assert isinstance(file, aiofile.FileIOWrapperBase)
        assert file.encoding == "utf-8"
        assert type(file.file) is aiofile.AIOFile
    async with aiofile.async_open(str(path), "rb") as file:
        assert type(file) is aiofile.BinaryFileWrapper


async def test_a_wrapper_refuses_a_file_of_the_other_kind(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    with pytest.raises(ValueError, match="^Expected file in binary mode$"):
        aiofile.BinaryFileWrapper(aiofile.AIOFile(path, "w"))
    with pytest.raises(ValueError, match="^Expected file in text mode$"):
        aiofile.TextFileWrapper(aiofile.AIOFile(path, "wb"))
    with pytest.raises(TypeError, match="abstract"):
        aiofile.FileIOWrapperBase(aiofile.AIOFile(path, "wb"))


async def test_a_file_can_be_awaited_or_entered(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    file = aiofile.async_open(path, "w")
    assert file.closed
    assert await file is file
    await file.write("text")
    await file.close()
    assert file.closed
    async with aiofile.async_open(path) as file:
        assert await file.read() == "text"
    assert file.closed


async def test_reads_and_writes_go_on_where_the_last_ended(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.async_open(path, "wb+") as file:
        assert await file.write(b"Hello ") == 6
        assert await file.write(b"world") == 5
        assert file.tell() == 11
        assert file.seek(6) is None
        assert await file.read(3) == b"wor"
        assert await file.read() == b"ld"
        assert await file.read() == b""
        assert file.tell() == 11
        file.seek(0)
        assert await file.read(0) == b""
        assert await file.read(-1) == b"Hello world"


async def test_a_text_is_read_by_characters_and_its_place_is_in_bytes(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.async_open(path, "w+") as file:
        assert await file.write("aé€\N{GRINNING FACE}z") == 11
        assert file.tell() == 11
        file.seek(0)
        places = []
        for character in "aé€\N{GRINNING FACE}z":
            assert await file.read(1) == character
            places.append(file.tell())
        assert places == [1, 3, 6, 10, 11]
        assert await file.read(5) == ""
        file.seek(1)
        assert await file.read(2) == "é€"
        assert await file.read(100) == "\N{GRINNING FACE}z"
        file.seek(0)
        assert await file.read() == "aé€\N{GRINNING FACE}z"
        assert await file.read(0) == ""


async def test_an_encoding_is_kept_to(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.async_open(path, "w+", encoding="latin-1") as file:
        assert await file.write("hé") == 2
        file.seek(0)
        assert await file.read() == "hé"
    assert path.read_bytes() == b"h\xe9"


@pytest.mark.parametrize("mode", ["a", "ab", "a+"])
async def test_a_file_to_append_to_begins_at_its_end(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path, mode: str
) -> None:
    async with aiofile.async_open(path, mode) as file:
        assert file.tell() == 0
        await file.write(b"new" if "b" in mode else "new")
    async with aiofile.async_open(path, mode) as file:
        assert file.tell() == 3
        await file.write(b"er" if "b" in mode else "er")
        assert file.tell() == 5
    assert path.read_bytes() == b"newer"


@pytest.mark.parametrize("mode", ["r", "rb"])
async def test_lines_are_read_one_by_one(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path, mode: str
) -> None:
    text = "one\né\n\n" + "x" * 10_000 + "\nlast"
    path.write_text(text, encoding="utf-8")
    expected: list[Any] = [*text.splitlines(keepends=True), "", ""]
    if mode == "rb":
        expected = [line.encode() for line in expected]
    async with aiofile.async_open(path, mode) as file:
        places = []
        for line in expected:
            assert await file.readline() == line
            places.append(file.tell())
    assert places == [4, 7, 8, 10_009, 10_013, 10_013, 10_013]


async def test_reading_goes_on_after_a_line(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_text("one\ntwo\nthree\n")
    async with aiofile.async_open(path) as file:
        assert await file.readline() == "one\n"
        assert await file.read(2) == "tw"
        assert await file.readline() == "o\n"
        assert await file.read() == "three\n"


async def test_iterating_from_the_beginning_brings_all_lines_each_time(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_text("one\ntwo\n")
    async with aiofile.async_open(path) as file:
        for _ in range(2):
            assert [line async for line in file] == ["one\n", "two\n"]
            assert file.tell() == 0
        assert isinstance(file.__aiter__(), aiofile.LineReader)


async def test_chunks_begin_at_the_file_s_place_and_leave_it(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_bytes(bytes(range(10)))
    async with aiofile.async_open(path, "rb") as file:
        file.seek(2)
        chunks = file.iter_chunked(4)
        assert isinstance(chunks, aiofile.Reader)
        assert [chunk async for chunk in chunks] == [bytes(range(2, 6)), bytes(range(6, 10))]
        assert file.tell() == 2
        assert [len(chunk) async for chunk in file.iter_chunked()] == [8]


async def test_writes_at_once_lie_one_after_the_other(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.async_open(path, "wb") as file:
        sizes = await asyncio.gather(*[file.write(bytes([n]) * 100) for n in range(30)])
        assert (sizes, file.tell()) == ([100] * 30, 3000)
    content = path.read_bytes()
    assert sorted(content[n * 100] for n in range(30)) == list(range(30))
    assert all(len(set(content[n * 100 : n * 100 + 100])) == 1 for n in range(30))


async def test_flushing_syncs_and_returns_nothing(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.async_open(path, "w") as file:
        await file.write("data")
        assert await file.flush() is None
        assert await file.flush(sync_metadata=True) is None


async def test_an_open_file_is_used_and_left_open(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    with path.open("w+") as fp:
        async with aiofile.async_open(fp) as file:
            assert type(file) is aiofile.TextFileWrapper
            await file.write("Hello from\nelsewhere")
            file.seek(0)
            assert await file.readline() == "Hello from\n"
        assert not fp.closed
        with pytest.raises(ValueError, match=r"^Arguments denied when IO\[Any\] opening.$"):
            aiofile.async_open(fp, "r", "utf-8")


async def test_what_cannot_be_opened_is_said_when_it_is_entered(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    file = aiofile.async_open(path)
    with pytest.raises(FileNotFoundError) as failure:
        async with file:
            pass
    assert failure.value.filename == str(path)


async def test_a_clone_has_a_place_of_its_own_in_the_same_file(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_bytes(bytes(range(100)))
    async with aiofile.async_open(path, "rb") as file:
        await file.read(50)
        clones = [await aiofile.clone(file) for _ in range(3)]
        assert [clone.file for clone in clones] == [file.file] * 3
        assert [clone.tell() for clone in clones] == [0] * 3
        assert await asyncio.gather(*[clone.read() for clone in clones]) == [bytes(range(100))] * 3
        assert file.tell() == 50
        for clone in clones:
            await clone.close()
            assert not file.closed
    assert file.closed


async def test_a_cloner_makes_one_clone_and_closes_it_in_the_end(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.async_open(path, "w+") as file:
        cloner = aiofile.clone(file)
        assert isinstance(cloner, aiofile.FileIOCloner)
        assert await cloner is await cloner
        await cloner.cloned_afp.close()
        async with aiofile.clone(file) as clone:
            await clone.write("by the clone")
        assert not file.closed
        assert await file.read() == "by the clone"


async def test_a_class_of_the_user_s_needs_three_methods(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    base: Any = aiofile.FileIOWrapperBase

    class Numbers(base):  # type: ignore[misc]
        async def read(self, length: int = -1) -> list[int]:
            async with self._lock:
                data = await self.file.read_bytes(length, self._offset)
                self._offset += len(data)
                return list(data)

        async def write(self, data: Any) -> int:
            written: int = await self.file.write_bytes(bytes(data), self._offset)
            return written

        async def readline(self, size: int = -1, newline: Any = b"\n") -> Any:
            raise NotImplementedError

    async with Numbers(aiofile.AIOFile(path, "w+b"), offset=1) as file:
        assert await file.write([1, 2, 3]) == 3
        assert await file.read(2) == [1, 2]
        assert await file.read() == [3]
        assert file.tell() == 4
    assert path.read_bytes() == b"\0\1\2\3"


async def test_iterating_goes_on_after_a_line(
    loop: AbstractEventLoop, our_aiofile: ModuleType, path: Path
) -> None:
    path.write_text("head\none\ntwo\n")
    async with our_aiofile.async_open(path) as file:
        await file.readline()
        assert [line async for line in file] == ["one\n", "two\n"]


@pytest.mark.parametrize("mode", ["r", "rb"])
async def test_a_line_can_be_read_in_parts(
    loop: AbstractEventLoop, our_aiofile: ModuleType, path: Path, mode: str
) -> None:
    path.write_text("aéb\ncd\n", encoding="utf-8")
    expected: list[Any] = ["aé", "b\n", "cd", "\n", ""]
    if mode == "rb":
        expected = [b"a\xc3", b"\xa9b", b"\n", b"cd", b"\n", b""]
    async with our_aiofile.async_open(path, mode) as file:
        assert [await file.readline(2) for _ in expected] == expected


async def test_a_line_may_end_with_anything(
    loop: AbstractEventLoop, our_aiofile: ModuleType, path: Path
) -> None:
    path.write_text("a;b\n;c")
    async with our_aiofile.async_open(path) as file:
        assert [await file.readline(newline=";") for _ in range(4)] == ["a;", "b\n;", "c", ""]
    async with our_aiofile.async_open(path, "rb") as file:
        assert [await file.readline(newline=b";") for _ in range(4)] == [b"a;", b"b\n;", b"c", b""]


async def test_any_path_can_be_opened(
    loop: AbstractEventLoop, our_aiofile: ModuleType, path: Path
) -> None:
    path.write_text("text")

    class Named:
        def __fspath__(self) -> str:
            return os.fspath(path)

    async with our_aiofile.async_open(Named()) as file:
        assert await file.read() == "text"
