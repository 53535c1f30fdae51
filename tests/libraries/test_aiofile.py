"""`AIOFile`: opening, positional reads and writes, syncing, closing, and what it says when that cannot be done."""

from __future__ import annotations

import asyncio
import os
from asyncio import AbstractEventLoop
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

MODES = ("r", "w", "a", "x", "r+", "w+", "a+", "x+", "rb", "wb", "ab", "xb", "rb+", "+br", "w+b")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


async def test_opening_returns_the_descriptor_once_and_then_nothing(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.touch()
    file = aiofile.AIOFile(path)
    descriptor = await file.open()
    assert descriptor == file.fileno()
    assert os.path.samestat(os.fstat(descriptor), path.stat())
    assert await file.open() is None
    await file.close()


async def test_opening_at_once_from_many_tasks_opens_one_file(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.touch()
    file = aiofile.AIOFile(path)
    opened = await asyncio.gather(*[file.open() for _ in range(5)])
    assert sorted(opened, key=str) == [file.fileno(), None, None, None, None]
    await file.close()


async def test_a_file_can_be_awaited_and_is_what_comes_of_it(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_text("text")
    file = aiofile.AIOFile(path)
    assert await file is file
    assert await file.read() == "text"
    await file.close()


async def test_a_file_is_closed_until_it_is_opened_and_after_it_is_closed(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    file = aiofile.AIOFile(path, "w")
    assert file.closed
    await file.open()
    assert not file.closed
    assert await file.close() is None
    assert file.closed
    assert await file.close() is None


async def test_a_block_closes_the_file_even_when_it_fails(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with aiofile.AIOFile(path, "w") as file:
            raise ZeroDivisionError
    assert file.closed


async def test_a_closed_file_is_not_opened_again(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.AIOFile(path, "w") as file:
        pass
    with pytest.raises(asyncio.InvalidStateError, match="^AIOFile closed$"):
        await file.open()


async def test_an_unopened_file_has_no_descriptor_and_does_nothing(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    file = aiofile.AIOFile(path, "w+b")
    with pytest.raises(asyncio.InvalidStateError, match="^AIOFile closed$"):
        file.fileno()
    with pytest.raises(asyncio.InvalidStateError, match="^AIOFile closed$"):
        await file.read()
    with pytest.raises(asyncio.InvalidStateError, match="^AIOFile closed$"):
        await file.write(b"data")
    with pytest.raises(asyncio.InvalidStateError, match="^AIOFile closed$"):
        await file.fsync()
    with pytest.raises(asyncio.InvalidStateError, match="^AIOFile closed$"):
        await file.truncate()
    assert await file.close() is None


async def test_a_closed_file_does_nothing_any_more(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.AIOFile(path, "w+b") as file:
        pass
    with pytest.raises(ValueError, match="closed file"):
        file.fileno()
    with pytest.raises(ValueError, match="closed file"):
        await file.read()
    with pytest.raises(ValueError, match="closed file"):
        await file.write(b"data")
    with pytest.raises(ValueError, match="closed file"):
        await file.fdsync()


@pytest.mark.parametrize("mode", ["rb", "wb", "ab"])
async def test_a_closed_file_says_so_before_it_says_what_its_mode_forbids(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path, mode: str
) -> None:
    path.touch()
    async with aiofile.AIOFile(path, mode) as file:
        pass
    with pytest.raises(ValueError, match="closed file"):
        await file.read()
    with pytest.raises(ValueError, match="closed file"):
        await file.write(b"data")


@pytest.mark.parametrize("mode", MODES)
async def test_a_mode_is_taken_apart(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path, mode: str
) -> None:
    parsed = aiofile.AIOFile(path, mode).mode
    kind = next(letter for letter in mode if letter in "rwax")
    assert parsed._fields == (
        "readable",
        "writable",
        "plus",
        "appending",
        "created",
        "flags",
        "binary",
    )
    created = {"w": os.O_CREAT | os.O_TRUNC, "a": os.O_CREAT | os.O_APPEND, "r": 0}
    access = os.O_RDWR if "+" in mode else {"r": os.O_RDONLY}.get(kind, os.O_WRONLY)
    assert tuple(parsed) == (
        kind == "r" or "+" in mode,
        kind != "r" or "+" in mode,
        "+" in mode,
        kind == "a",
        kind == "x",
        access | created.get(kind, os.O_EXCL | os.O_CREAT),
        "b" in mode,
    )


@pytest.mark.parametrize("mode", ["rw", "wa", "ar", "r++"])
async def test_a_mode_that_contradicts_itself_is_refused_at_once(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path, mode: str
) -> None:
    with pytest.raises(Exception, match="^Bad mode$"):
        aiofile.AIOFile(path, mode)


async def test_a_mode_that_open_does_not_know_is_refused_when_opening(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    file = aiofile.AIOFile(path, "rz")
    with pytest.raises(ValueError, match="^invalid mode: 'rz'$"):
        await file.open()


@pytest.mark.parametrize(
    ("name", "mode", "error"),
    [
        ("missing", "r", FileNotFoundError),
        ("missing/file", "w", FileNotFoundError),
        (".", "w", IsADirectoryError),
        (".", "r", IsADirectoryError),
        ("present", "x", FileExistsError),
        ("present/file", "r", NotADirectoryError),
    ],
)
async def test_what_cannot_be_opened_is_said_as_open_says_it(
    loop: AbstractEventLoop,
    aiofile: ModuleType,
    tmp_path: Path,
    name: str,
    mode: str,
    error: type[OSError],
) -> None:
    (tmp_path / "present").touch()
    with pytest.raises(error) as expected:
        open(tmp_path / name, mode)
    with pytest.raises(error) as failure:
        await aiofile.AIOFile(tmp_path / name, mode)
    assert failure.value.args == expected.value.args
    assert failure.value.filename == str(tmp_path / name)


async def test_a_file_can_be_opened_after_it_could_not(
    loop: AbstractEventLoop, our_aiofile: ModuleType, path: Path
) -> None:
    file = our_aiofile.AIOFile(path)
    with pytest.raises(FileNotFoundError):
        await file.open()
    path.write_text("here")
    await file.open()
    assert await file.read() == "here"
    await file.close()


async def test_a_read_has_its_own_place_and_size(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_bytes(bytes(range(256)))
    async with aiofile.AIOFile(path, "rb") as file:
        assert await file.read() == bytes(range(256))
        assert await file.read(10, 20) == bytes(range(20, 30))
        assert await file.read(10) == bytes(range(10))
        assert await file.read(10, 250) == bytes(range(250, 256))
        assert await file.read(-1, 250) == bytes(range(250, 256))
        assert await file.read(10, 256) == b""
        assert await file.read(0) == b""
        assert await file.read_bytes(4, offset=8) == bytes(range(8, 12))


async def test_a_text_is_read_by_bytes_and_decoded(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_text("hé", encoding="utf-8")
    async with aiofile.AIOFile(path) as file:
        assert await file.read() == "hé"
        assert await file.read(1) == "h"
        assert await file.read_bytes(2) == b"h\xc3"
        with pytest.raises(UnicodeDecodeError):
            await file.read(2)


async def test_an_encoding_is_kept_to(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.AIOFile(path, "w+", encoding="latin-1") as file:
        assert file.encoding == "latin-1"
        assert await file.write("hé") == 2
        assert await file.read() == "hé"
        assert file.encode_bytes("é") == b"\xe9"
        assert file.decode_bytes(b"\xe9") == "é"
    assert path.read_bytes() == b"h\xe9"


async def test_line_ends_stay_as_they_are(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.AIOFile(path, "w+") as file:
        await file.write("a\r\nb\n")
        assert await file.read() == "a\r\nb\n"
    assert path.read_bytes() == b"a\r\nb\n"


async def test_reading_less_than_nothing_is_refused(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.AIOFile(path, "w+b") as file:
        with pytest.raises(ValueError, match="^Unsupported value -2 for size$"):
            await file.read(-2)


async def test_a_write_returns_the_bytes_written_at_its_place(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.AIOFile(path, "wb") as file:
        assert await file.write(b"hello") == 5
        assert await file.write(b"J") == 1
        assert await file.write(b"!", offset=8) == 1
        assert await file.write(b"") == 0
        assert await file.write_bytes(b"o", 5) == 1
    assert path.read_bytes() == b"Jelloo\0\0!"


async def test_a_text_write_returns_bytes_too(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.AIOFile(path, "w") as file:
        assert await file.write("hé") == 3


async def test_many_writes_go_side_by_side_to_their_places(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.AIOFile(path, "w+b") as file:
        blocks = [bytes([n]) * 1000 for n in range(50)]
        sizes = await asyncio.gather(
            *[file.write(block, n * 1000) for n, block in enumerate(blocks)]
        )
        assert sizes == [1000] * 50
        read = await asyncio.gather(*[file.read(1000, n * 1000) for n in reversed(range(50))])
        assert read == blocks[::-1]


async def test_what_is_appended_goes_to_the_end_whatever_its_place(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_bytes(b"old ")
    async with aiofile.AIOFile(path, "ab") as file:
        await file.write(b"new ")
        await file.write(b"newer", offset=1)
    assert path.read_bytes() == b"old new newer"


@pytest.mark.parametrize(
    ("mode", "data", "text"),
    [
        ("wb", "text", "Data must be bytes in binary mode"),
        ("wb", 1, "Data must be bytes in binary mode"),
        ("w", b"bytes", "Data must be str in text mode"),
        ("w", None, "Data must be str in text mode"),
    ],
)
async def test_data_of_the_wrong_kind_is_refused(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path, mode: str, data: Any, text: str
) -> None:
    async with aiofile.AIOFile(path, mode) as file:
        with pytest.raises(ValueError, match=f"^{text}$"):
            await file.write(data)


async def test_what_the_mode_does_not_allow_fails_as_the_kernel_says(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path, flavour: str
) -> None:
    # The package's ring knows no better class for it.
    error = (OSError, SystemError) if flavour == "real" else OSError
    path.write_bytes(b"data")
    async with aiofile.AIOFile(path, "ab") as file:
        with pytest.raises(error, match="Bad file descriptor"):
            await file.read(1)
    async with aiofile.AIOFile(path, "rb") as file:
        with pytest.raises(error, match="Bad file descriptor"):
            await file.write(b"x")


async def test_syncing_returns_nothing(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.AIOFile(path, "w") as file:
        await file.write("data")
        assert await file.fsync() is None
        assert await file.fdsync() is None


async def test_truncating_cuts_and_fills_with_zeros(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_bytes(b"content")
    async with aiofile.AIOFile(path, "r+b") as file:
        assert await file.truncate(4) is None
        assert path.read_bytes() == b"cont"
        await file.truncate(6)
        assert path.read_bytes() == b"cont\0\0"
        await file.truncate()
        assert path.read_bytes() == b""


async def test_a_file_knows_its_name_and_loop(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    file = aiofile.AIOFile(path, "w")
    assert file.name == str(path)
    assert file.loop is loop
    assert repr(file) == f"<AIOFile: {str(path)!r}>"


async def test_an_open_file_of_the_user_is_used_and_left_open(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    with path.open("w+b") as fp:
        file = aiofile.AIOFile.from_fp(fp)
        assert (file.name, file.fileno(), file.closed) == (fp.name, fp.fileno(), False)
        assert await file.open() is None
        await file.write(b"data")
        assert await file.read() == b"data"
        await file.close()
        assert not fp.closed
        assert await file.read() == b"data"
    assert file.closed
    with pytest.raises(asyncio.InvalidStateError, match="^AIOFile closed$"):
        await file.open()


async def test_an_open_file_of_the_user_keeps_its_place(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    path.write_bytes(b"0123456789")
    with path.open("rb", buffering=0) as fp:
        fp.seek(3)
        file = aiofile.AIOFile.from_fp(fp)
        assert await file.read(4, 5) == b"5678"
        assert fp.tell() == 3


async def test_clones_share_a_file_until_the_last_is_closed(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    file = aiofile.AIOFile(path, "w")
    await file.open()
    assert await file.clone() is file
    await file.clone()
    for _ in range(2):
        await file.close()
        assert not file.closed
    await file.close()
    assert file.closed


async def test_closing_what_was_written_to_leaves_it_written(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    async with aiofile.AIOFile(path, "w") as file:
        await file.write("data")
    assert path.read_text() == "data"


async def test_there_is_one_default_context_for_a_loop(
    loop: AbstractEventLoop, aiofile: ModuleType, path: Path
) -> None:
    module = aiofile.aio
    context = module.get_default_context()
    assert module.get_default_context() is context
    assert context.loop is loop
    path.write_text("data")
    async with aiofile.AIOFile(path, context=context) as file:
        assert await file.read() == "data"


@pytest.mark.parametrize("kind", [bytearray, memoryview])
async def test_whatever_holds_bytes_can_be_written(
    loop: AbstractEventLoop, our_aiofile: ModuleType, path: Path, kind: type
) -> None:
    async with our_aiofile.AIOFile(path, "wb") as file:
        assert await file.write(kind(b"data")) == 4
        assert await file.write_bytes(kind(b"more"), 4) == 4
    assert path.read_bytes() == b"datamore"


async def test_a_file_of_the_kernels_is_read_to_its_end(
    loop: AbstractEventLoop, our_aiofile: ModuleType
) -> None:
    async with our_aiofile.AIOFile("/proc/self/status") as file:
        assert f"Pid:\t{os.getpid()}\n" in await file.read()


async def test_a_context_of_another_package_is_accepted(
    loop: AbstractEventLoop, our_aiofile: ModuleType, path: Path
) -> None:
    path.write_text("data")
    async with our_aiofile.AIOFile(path, context=object()) as file:
        assert await file.read() == "data"
