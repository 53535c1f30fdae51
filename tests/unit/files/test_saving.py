"""`fsync`: what is held goes to the disk with all that was written before, once; and errors are told once."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.files.opened import binary, pipe, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIMIT = 64 * 1024


@pytest.mark.parametrize("buffering", [-1, 0, 16])
@pytest.mark.parametrize("data_only", [False, True])
def test_records_are_there_one_after_the_other(
    run: Callable[..., Any], tmp_path: Path, buffering: int, data_only: bool
) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"before\n")

    async def main() -> None:
        expected = b"before\n"
        async with binary(path, "ab", buffering) as file:
            for number in range(8):
                record = b"%d " % number * number
                assert await file.write(record) == len(record)
                await file.fsync(data_only=data_only)
                expected += record
                assert path.read_bytes() == expected
                assert await file.tell() == len(expected)
            await file.fsync()
        assert path.read_bytes() == expected

    run(main())


def test_what_is_saved_goes_where_the_position_is(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")

    async def main() -> None:
        async with binary(path, "r+b") as file:
            assert await file.read(2) == b"01"
            await file.write(b"ab")
            await file.fsync()
            assert path.read_bytes() == b"01ab456789"
            assert await file.read(2) == b"45"
            await file.seek(8)
            await file.write(b"cdef")
            await asyncio.gather(file.fsync(), file.write(b"g"), file.fsync(), file.tell())
            assert path.read_bytes() == b"01ab4567cdefg"

    run(main())


def test_text_is_encoded_and_saved(run: Callable[..., Any], tmp_path: Path) -> None:
    async def main() -> None:
        async with text(tmp_path / "file", "w", encoding="utf-8") as file:
            await file.write("caf\N{LATIN SMALL LETTER E WITH ACUTE}")
            await file.fsync()
            assert (tmp_path / "file").read_bytes() == b"caf\xc3\xa9"

    run(main())


def test_what_a_full_disk_refuses_is_told_by_fsync_and_still_held(run: Callable[..., Any]) -> None:
    async def main() -> None:
        file = binary("/dev/full", "wb")
        await file.write(b"lost")
        for _ in range(2):
            with pytest.raises(OSError, match="No space left on device") as raised:
                await file.fsync()
            assert raised.value.errno == errno.ENOSPC
        with pytest.raises(OSError, match="No space left on device"):
            await file.close()

    run(main())


def test_what_did_not_fit_is_saved_once_there_is_room(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    data = os.urandom(LIMIT + 5_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def main() -> None:
        async with binary(tmp_path / "file", "wb") as file:
            await file.write(data)
            with pytest.raises(OSError, match="File too large"):
                await file.fsync()
            # What was written of it is there once, and is not written again.
            assert (tmp_path / "file").read_bytes() == data[:LIMIT]
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            await file.fsync()
            assert (tmp_path / "file").read_bytes() == data

    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
    try:
        run(main())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_fsyncs_that_are_cancelled_write_what_was_held_once(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    expected = b"".join(b"%d\n" % number for number in range(100))

    async def main() -> None:
        async with binary(tmp_path / "file", "ab") as file:
            for number in range(100):
                await file.write(b"%d\n" % number)
                if number % 5 == 0:
                    task = asyncio.ensure_future(file.fsync())
                    for _ in range(number % 4):
                        await asyncio.sleep(0)
                    task.cancel()
                    await asyncio.wait([task])
        assert (tmp_path / "file").read_bytes() == expected

    run(main())


def test_an_error_that_a_cancelled_fsync_has_met_is_told_by_the_next(
    run: Callable[..., Any],
) -> None:
    async def main() -> None:
        reader, writer = pipe()
        await writer.write(b"written")
        task = asyncio.ensure_future(writer.fsync())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # A pipe has no disk.
        with pytest.raises(OSError, match="Invalid argument") as raised:
            await writer.fsync()
        assert raised.value.errno == errno.EINVAL
        await writer.close()
        assert await reader.read() == b"written"
        await reader.close()

    run(main())
