"""`aiofiles.tempfile`: files and folders that are gone afterwards."""

from __future__ import annotations

import os
import stat
import sys
from asyncio import AbstractEventLoop
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest


async def test_a_temporary_file_can_be_written_and_read(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    async with aiofiles.tempfile.TemporaryFile(dir=tmp_path) as file:
        assert await file.write(b"one\ntwo\n") == 8
        assert await file.seek(0) == 0
        assert [line async for line in file] == [b"one\n", b"two\n"]
        assert os.fstat(file.fileno()).st_nlink == 0
        assert list(tmp_path.iterdir()) == []
    assert file.closed


@pytest.mark.parametrize(
    ("mode", "buffering", "module", "name"),
    [
        ("w+b", -1, "binary", "AsyncBufferedReader"),
        ("w", -1, "text", "AsyncTextIOWrapper"),
        ("wb", -1, "binary", "AsyncBufferedIOBase"),
        ("wb", 0, "binary", "AsyncFileIO"),
    ],
)
async def test_the_mode_says_of_which_class_a_temporary_file_is(
    loop: AbstractEventLoop,
    aiofiles: ModuleType,
    tmp_path: Path,
    mode: str,
    buffering: int,
    module: str,
    name: str,
) -> None:
    kind = getattr(getattr(aiofiles.threadpool, module), name)
    async with aiofiles.tempfile.TemporaryFile(mode, buffering, dir=tmp_path) as file:
        assert isinstance(file, kind)
    async with aiofiles.tempfile.NamedTemporaryFile(mode, buffering, dir=tmp_path) as file:
        assert isinstance(file, kind)


async def test_a_temporary_text_has_an_encoding(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    make = aiofiles.tempfile.TemporaryFile
    async with make("w+", encoding="latin-1", newline="\r\n", dir=tmp_path) as file:
        await file.write("é\n")
        await file.flush()
        assert os.fstat(file.fileno()).st_size == 3
        await file.seek(0)
        assert await file.read() == "é\r\n"
        assert file.encoding == "latin-1"


async def test_a_named_file_is_there_until_it_is_closed(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    make = aiofiles.tempfile.NamedTemporaryFile
    async with make(prefix="pre-", suffix=".end", dir=tmp_path) as file:
        assert file.name.startswith(f"{tmp_path}/pre-")
        assert file.name.endswith(".end")
        await file.write(b"data")
        await file.flush()
        assert Path(file.name).read_bytes() == b"data"
        assert stat.S_IMODE(Path(file.name).stat().st_mode) == 0o600
    assert file.closed
    assert list(tmp_path.iterdir()) == []


async def test_a_named_file_can_be_awaited_and_goes_when_it_is_closed(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    file = await aiofiles.tempfile.NamedTemporaryFile("w", dir=tmp_path)
    await file.write("data")
    assert len(list(tmp_path.iterdir())) == 1
    await file.close()
    assert list(tmp_path.iterdir()) == []


async def test_a_named_file_can_be_kept(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    async with aiofiles.tempfile.NamedTemporaryFile("w", dir=tmp_path, delete=False) as file:
        await file.write("kept")
    assert Path(file.name).read_text() == "kept"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="delete_on_close came with Python 3.12")
async def test_a_named_file_can_outlive_its_closing_within_the_block(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    make = aiofiles.tempfile.NamedTemporaryFile
    async with make("w", dir=tmp_path, delete_on_close=False) as file:
        await file.write("data")
        await file.close()
        assert Path(file.name).read_text() == "data"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("max_size", [0, 5])
async def test_a_spooled_file_moves_to_the_disk_when_it_grows(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path, max_size: int
) -> None:
    async with aiofiles.tempfile.SpooledTemporaryFile(max_size, dir=tmp_path) as file:
        assert await file.write(b"four") == 4
        assert not file._file._rolled
        await file.writelines([b" and", b" more\n"])
        assert file._file._rolled is bool(max_size)
        assert await file.tell() == 14
        await file.seek(0)
        assert await file.readline() == b"four and more\n"
        await file.seek(0)
        assert await file.readlines() == [b"four and more\n"]
        await file.seek(0)
        assert [line async for line in file] == [b"four and more\n"]
        await file.truncate(4)
        await file.seek(0)
        assert await file.read() == b"four"
        assert await file.isatty() is False
    assert file.closed


async def test_a_spooled_file_can_be_sent_to_the_disk(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    async with aiofiles.tempfile.SpooledTemporaryFile(
        mode="w+", encoding="utf-8", dir=tmp_path
    ) as file:
        await file.write("é")
        await file.rollover()
        await file.write("!")
        await file.flush()
        assert os.fstat(await file.fileno()).st_size == 3
        assert (file.encoding, file.mode) == ("utf-8", "w+")
        await file.seek(0)
        assert await file.read() == "é!"


async def test_a_temporary_folder_is_gone_with_all_that_is_in_it(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    make = aiofiles.tempfile.TemporaryDirectory
    async with make(suffix=".end", prefix="pre-", dir=tmp_path) as name:
        folder = Path(name)
        assert folder.parent == tmp_path
        assert (folder.name[:4], folder.name[-4:]) == ("pre-", ".end")
        (folder / "below").mkdir()
        (folder / "below" / "file").touch()
    assert not folder.exists()


async def test_a_temporary_folder_can_be_awaited(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    folder = await aiofiles.tempfile.TemporaryDirectory(dir=tmp_path)
    assert isinstance(folder, aiofiles.tempfile.temptypes.AsyncTemporaryDirectory)
    assert Path(folder.name).is_dir()
    await folder.close()
    assert list(tmp_path.iterdir()) == []
    folder = await aiofiles.tempfile.TemporaryDirectory(dir=tmp_path)
    await folder.cleanup()
    assert list(tmp_path.iterdir()) == []


async def test_a_place_that_is_not_there_is_said(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    missing = tmp_path / "missing"
    for name in ("TemporaryFile", "NamedTemporaryFile", "TemporaryDirectory"):
        with pytest.raises(FileNotFoundError) as failure:
            async with getattr(aiofiles.tempfile, name)(dir=missing):
                pass
        assert str(missing) in str(failure.value)


async def test_temporary_files_can_have_an_executor_and_a_loop(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(1) as executor:
        make = aiofiles.tempfile.NamedTemporaryFile
        async with make(dir=tmp_path, executor=executor, loop=loop) as file:
            await file.write(b"data")
        async with aiofiles.tempfile.TemporaryDirectory(
            dir=tmp_path, executor=executor, loop=loop
        ) as name:
            assert Path(name).is_dir()
    assert list(tmp_path.iterdir()) == []
