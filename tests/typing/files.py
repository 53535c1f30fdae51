"""What a type checker knows of files. Read by mypy in `make lint`, and never run."""

import asyncio
import os
import pathlib
from typing import Any, assert_type

import aioxide
from aioxide import files
from aioxide.files import tempfile


async def names() -> None:
    assert_type(await files.stat("a"), os.stat_result)
    assert_type(await aioxide.files.exists(pathlib.Path("a")), bool)
    assert_type(await files.getsize(b"a"), int)
    assert_type(await files.readlink("a"), str)
    assert_type(await files.readlink(b"a"), bytes)
    assert_type(await files.rename("a", b"b"), None)
    await files.mkdir(1)  # type: ignore[arg-type]


async def directories() -> None:
    async with files.scandir("a") as entries:
        async for entry in entries:
            assert_type(entry, files.DirEntry[str])
            assert_type(entry.name, str)
            assert_type(await entry.is_dir(), bool)
            assert_type(await entry.stat(), os.stat_result)
    async for other in await files.scandir(b"a"):
        assert_type(other.path, bytes)
    assert_type(await files.listdir(), list[str])
    assert_type(await files.listdir(b"a"), list[bytes])
    async for root, below, others in files.walk("a"):
        assert_type(root, str)
        assert_type(below, list[str])
        assert_type(others, list[str])


async def copies(path: pathlib.Path) -> None:
    assert_type(await files.copyfile("a", path), pathlib.Path)
    await files.copy("a", "b", progress=lambda copied, total: print(copied / total))
    await files.copytree("a", "b", copy_function=files.copyfile)
    assert_type(await files.rmtree("a"), None)


class Own(files.Path):
    """A path of somebody else's."""


async def paths(path: files.Path, own: Own) -> None:
    assert_type(path / "a", files.Path)
    assert_type("a" / own, Own)
    assert_type(own.parent.with_suffix(".txt"), Own)
    assert_type(await Own.cwd(), Own)
    assert_type(await own.rename(path), Own)
    assert_type(await path.read_text(), str)
    assert_type(await path.write_bytes(bytearray(1)), int)
    assert_type(await path.exists(), bool)
    async for found in own.glob("*"):
        assert_type(found, Own)
    async for found in own.iterdir():
        assert_type(found, Own)
    assert_type(os.fspath(path), str)


async def opened(path: files.Path, mode: str) -> None:
    async with files.open("a") as text:
        assert_type(text, files.TextFile)
    async with files.open(path, "rb", buffering=0) as binary:
        assert_type(binary, files.BinaryFile)
        assert_type(await binary.read(), bytes)
    assert_type(await path.open("w"), files.TextFile)
    assert_type(await path.open("r+b"), files.BinaryFile)
    assert_type(await files.open("a", mode), Any)


async def temporary() -> None:
    async with tempfile.TemporaryFile() as binary:
        assert_type(binary, files.BinaryFile)
    async with tempfile.NamedTemporaryFile("w", suffix=".txt") as text:
        await text.write("a")
    async with tempfile.TemporaryDirectory() as path:
        assert_type(path, str)
    async with tempfile.TemporaryDirectory(prefix=b"a") as raw:
        assert_type(raw, bytes)
    async with tempfile.SpooledTemporaryFile() as spooled:
        assert_type(await spooled.read(), bytes)
    async with tempfile.SpooledTemporaryFile(mode="w+") as spooled_text:
        assert_type(await spooled_text.read(), str)
    assert_type(await tempfile.mkstemp(), tuple[int, str])
    assert_type(await tempfile.mkdtemp(b"a"), bytes)


async def sent(writer: asyncio.StreamWriter, file: files.BinaryFile) -> None:
    assert_type(await files.sendfile(writer, file), int)
    assert_type(await files.sendfile(writer.transport, file, 1, 2), int)
