"""`Reader`, `LineReader` and `Writer`: a file from one end to the other, each with a place of its own."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from pathlib import Path
from types import ModuleType

import pytest

# Every character takes another number of bytes.
TEXT = "aé€\N{GRINNING FACE}" * 50


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


async def test_a_reader_brings_the_file_in_chunks(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_bytes(bytes(range(10)))
    async with aiofile.AIOFile(path, "rb") as file:
        chunks = [chunk async for chunk in aiofile.Reader(file, chunk_size=4)]
    assert chunks == [bytes(range(4)), bytes(range(4, 8)), bytes(range(8, 10))]


async def test_a_reader_begins_where_it_is_told(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_bytes(b"0123456789")
    async with aiofile.AIOFile(path, "rb") as file:
        reader = aiofile.Reader(file, 7)
        assert await reader.read_chunk() == b"789"
        assert await reader.read_chunk() == b""
        assert [chunk async for chunk in reader] == []
        assert (reader.file, reader.encoding) == (file, "utf-8")


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 4, 5, 7, 64])
async def test_a_reader_never_parts_a_character(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path, chunk_size: int
) -> None:
    path.write_text(TEXT, encoding="utf-8")
    async with aiofile.AIOFile(path) as file:
        chunks = [chunk async for chunk in aiofile.Reader(file, chunk_size=chunk_size)]
    assert "".join(chunks) == TEXT
    sizes = [len(chunk.encode()) for chunk in chunks]
    # As many bytes as were asked for, and those that the last character takes more.
    assert all(chunk_size <= size <= chunk_size + 3 for size in sizes[:-1])


async def test_a_reader_gives_up_on_what_is_no_text(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_bytes(b"fine" + b"\xff" * 20)
    async with aiofile.AIOFile(path) as file:
        reader = aiofile.Reader(file, chunk_size=4)
        assert await reader.read_chunk() == "fine"
        with pytest.raises(UnicodeDecodeError):
            await reader.read_chunk()


async def test_readers_of_one_file_do_not_disturb_each_other(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_bytes(bytes(range(100)))
    async with aiofile.AIOFile(path, "rb") as file:

        async def read(size: int) -> bytes:
            return b"".join([chunk async for chunk in aiofile.Reader(file, chunk_size=size)])

        assert await asyncio.gather(*map(read, (3, 10, 33))) == [bytes(range(100))] * 3


async def test_a_chunk_has_a_size_by_default(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_bytes(bytes(40_000))
    async with aiofile.AIOFile(path, "rb") as file:
        assert [len(chunk) async for chunk in aiofile.Reader(file)] == [32_768, 7_232]


@pytest.mark.parametrize("mode", ["r", "rb"])
@pytest.mark.parametrize("chunk_size", [1, 2, 5, 4192])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "one",
        "one\n",
        "one\ntwo",
        "one\n\ntwo\n",
        "é\n€\n",
        "a\r\nb\r\n",
        "a\rb\n",
        "\n\n",
    ],
    ids=repr,
)
async def test_a_line_reader_brings_lines_with_their_ends(
    loop: AbstractEventLoop,
    aiofile: ModuleType,
    path: Path,
    mode: str,
    chunk_size: int,
    text: str,
) -> None:
    path.write_bytes(text.encode())
    lines = [line + b"\n" for line in text.encode().split(b"\n")]
    lines[-1] = lines[-1][:-1]
    expected = [line for line in lines if line]
    async with aiofile.AIOFile(path, mode) as file:
        found = [line async for line in aiofile.LineReader(file, chunk_size=chunk_size)]
    assert found == (expected if mode == "rb" else [line.decode() for line in expected])


async def test_a_line_may_be_longer_than_a_chunk(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_text("x" * 100_000 + "\n" + "y" * 100_000)
    async with aiofile.AIOFile(path) as file:
        lines = [line async for line in aiofile.LineReader(file)]
    assert lines == ["x" * 100_000 + "\n", "y" * 100_000]


async def test_a_line_reader_begins_where_it_is_told(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_text("one\ntwo\nthree\n")
    async with aiofile.AIOFile(path) as file:
        reader = aiofile.LineReader(file, 4)
        assert await reader.readline() == "two\n"
        assert [line async for line in reader] == ["three\n"]


async def test_a_line_reader_has_nothing_at_the_end_and_says_so_again(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_text("one")
    async with aiofile.AIOFile(path) as file:
        reader = aiofile.LineReader(file)
        assert [await reader.readline() for _ in range(3)] == ["one", "", ""]


async def test_a_line_reader_sees_what_is_appended_after_the_end(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_text("one\n")
    async with aiofile.AIOFile(path) as file:
        reader = aiofile.LineReader(file)
        assert [await reader.readline(), await reader.readline()] == ["one\n", ""]
        with path.open("a") as more:
            more.write("two\n")
        assert await reader.readline() == "two\n"


async def test_windows_lines_end_with_both_characters(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_bytes(b"one\r\ntwo\r\nthree")
    async with aiofile.AIOFile(path) as file:
        reader = aiofile.LineReader(file, line_sep="\r\n", chunk_size=4)
        assert reader.linesep == "\r\n"
        assert [line async for line in reader] == ["one\r\n", "two\r\n", "three"]
    async with aiofile.AIOFile(path, "rb") as file:
        reader = aiofile.LineReader(file, line_sep="\r\n")
        assert reader.linesep == b"\r\n"
        assert [line async for line in reader] == [b"one\r\n", b"two\r\n", b"three"]


@pytest.mark.parametrize("mode", ["r", "rb"])
@pytest.mark.parametrize("chunk_size", [1, 3, 4192])
async def test_lines_may_end_with_anything(
    loop: AbstractEventLoop, our_aiofile: ModuleType, path: Path, mode: str, chunk_size: int
) -> None:
    path.write_bytes(b"a, b\n, c\n")
    async with our_aiofile.AIOFile(path, mode) as file:
        reader = our_aiofile.LineReader(file, line_sep=", ", chunk_size=chunk_size)
        lines = [line async for line in reader]
    expected = ["a, ", "b\n, ", "c\n"]
    assert lines == (expected if mode == "r" else [line.encode() for line in expected])


async def test_a_writer_writes_one_thing_after_the_other(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.AIOFile(path, "w") as file:
        writer = aiofile.Writer(file)
        assert await writer("Hé") is None
        await writer("llo")
        await writer(b" bytes")
    assert path.read_text(encoding="utf-8") == "Héllo bytes"


async def test_a_writer_begins_where_it_is_told_and_encodes_for_binary_files(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_bytes(b"0123456789")
    async with aiofile.AIOFile(path, "rb+") as file:
        writer = aiofile.Writer(file, 3)
        await writer(b"abc")
        await writer("d")
    assert path.read_bytes() == b"012abcd789"


async def test_a_writer_keeps_the_order_of_its_callers(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.AIOFile(path, "wb") as file:
        writer = aiofile.Writer(file)
        await asyncio.gather(*[writer(bytes([n]) * (n + 1)) for n in range(30)])
    assert path.read_bytes() == b"".join(bytes([n]) * (n + 1) for n in range(30))


async def test_what_was_written_can_be_read_beside_the_writer(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.AIOFile(path, "w+") as file:
        writer, reader = aiofile.Writer(file), aiofile.Reader(file, chunk_size=8)
        for piece in ("Hello", " ", "World"):
            await writer(piece)
        await file.fsync()
        assert [chunk async for chunk in reader] == ["Hello Wo", "rld"]
        async with asyncio.timeout(20):
            await writer("!")
        assert await reader.read_chunk() == "!"


async def test_a_text_is_read_in_bytes_and_comes_with_their_number(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_text("aé€", encoding="utf-8")
    reader = aiofile.utils.unicode_reader
    async with aiofile.AIOFile(path) as file:
        assert await reader(file, 1, 0) == (1, "a")
        assert await reader(file, 2, 0) == (3, "aé")
        assert await reader(file, 4, 3) == (3, "€")
        assert await reader(file, -1, 1) == (5, "é€")
        assert await reader(file, 10, 6) == (0, "")
        assert await reader(file, 2, 1, encoding="latin-1") == (2, "Ã©")
