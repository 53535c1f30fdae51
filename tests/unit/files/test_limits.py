"""Disks that are full, files that may not grow, and what is told of bytes that could not be written."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.files.opened import binary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KIBIBYTE = 1024
LIMIT = 64 * KIBIBYTE


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow beyond the limit. Python leaves it to calls to fail, instead of ending at the signal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_a_full_disk_refuses_is_told_by_flush(run: Callable[..., Any]) -> None:
    async def main() -> None:
        file = binary("/dev/full", "wb")
        assert await file.write(b"lost") == 4
        for _ in range(2):
            with pytest.raises(OSError, match="No space left on device") as raised:
                await file.flush()
            assert raised.value.errno == errno.ENOSPC
        with pytest.raises(OSError, match="No space left on device"):
            await file.close()
        assert file.closed
        await file.close()

    run(main())


def test_a_write_past_the_buffer_tells_what_a_full_disk_refuses(run: Callable[..., Any]) -> None:
    async def main() -> None:
        for buffering in (-1, 0):
            async with binary("/dev/full", "wb", buffering) as file:
                with pytest.raises(OSError, match="No space left on device"):
                    await file.write(bytes(4 << 20))
                assert await file.tell() == 0

    run(main())


@pytest.mark.usefixtures("small_files")
def test_what_fits_is_written_and_what_does_not_is_told(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    data = os.urandom(LIMIT + 5 * KIBIBYTE)

    async def main() -> None:
        file = binary(tmp_path / "file", "wb")
        assert await file.write(data) == len(data)
        with pytest.raises(OSError, match="File too large") as raised:
            await file.flush()
        assert raised.value.errno == errno.EFBIG
        # What went to the disk is there once; what did not is still held, and is tried again.
        assert (tmp_path / "file").read_bytes() == data[:LIMIT]
        with pytest.raises(OSError, match="File too large"):
            await file.close()
        assert (tmp_path / "file").read_bytes() == data[:LIMIT]

    run(main())


@pytest.mark.usefixtures("small_files")
def test_what_is_held_is_written_once_there_is_room(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    data = os.urandom(LIMIT + 5 * KIBIBYTE)

    async def main() -> None:
        async with binary(tmp_path / "file", "wb") as file:
            await file.write(data)
            with pytest.raises(OSError, match="File too large"):
                await file.flush()
            _soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            await file.flush()
            assert await file.tell() == len(data)
        assert (tmp_path / "file").read_bytes() == data

    run(main())


@pytest.mark.usefixtures("small_files")
def test_an_unbuffered_write_says_how_much_of_it_there_is(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def main() -> None:
        async with binary(tmp_path / "file", "wb", 0) as file:
            with pytest.raises(OSError, match="File too large"):
                await file.write_at(b"x", LIMIT)
            assert await file.write_at(b"xy", LIMIT - 2) == 2
        assert (tmp_path / "file").stat().st_size == LIMIT

    run(main())


@pytest.mark.usefixtures("backend")
def test_a_small_disk_that_fills_up_loses_nothing_that_was_told_written(tmp_path: Path) -> None:
    mount = "mount -t tmpfs -o size=65536 none "
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed, which makes a disk for a test")
    disk = tmp_path / "disk"
    disk.mkdir()
    probe = ["unshare", "--map-root-user", "--mount", "sh", "-c", f"{mount} '{disk}'"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a disk of its own")
    program = tmp_path / "program.py"
    program.write_text(
        f"""
import errno, os, sys
import aioxide
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from tests.unit.files.opened import binary

async def main():
    path = {str(disk / "file")!r}
    data = os.urandom(100_000)
    file = binary(path, "wb")
    await file.write(data)
    try:
        await file.flush()
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
    else:
        raise AssertionError("a full disk has taken everything")
    there = os.path.getsize(path)
    assert 0 < there <= 65536, there
    with open(path, "rb") as plain:
        assert plain.read() == data[:there]
    # What is on the disk is let go of; the rest of what was held has its room then.
    os.truncate(path, 0)
    await file.close()
    with open(path, "rb") as plain:
        assert plain.read() == bytes(there) + data[there:]

aioxide.run(main())
print("through")
"""
    )
    command = f"{mount} '{disk}' && exec '{sys.executable}' '{program}'"
    told = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.stdout, told.stderr) == ("through\n", "")


def test_appends_of_many_never_meet(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "log"

    async def append(writer: int) -> None:
        async with binary(path, "ab", 0) as file:
            for line in range(20):
                await file.write(b"%d %d\n" % (writer, line))
                await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*map(append, range(50)))

    run(main())
    lines = [tuple(map(int, line.split())) for line in path.read_bytes().splitlines()]
    assert sorted(lines) == [(writer, line) for writer in range(50) for line in range(20)]
    for writer in range(50):
        assert [line for who, line in lines if who == writer] == list(range(20))


def test_buffered_appends_of_many_are_whole(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "log"

    async def append(writer: int) -> None:
        async with binary(path, "ab") as file:
            for line in range(200):
                await file.write(b"%02d %03d\n" % (writer, line))
                if line % 50 == 49:
                    await file.flush()

    async def main() -> None:
        await asyncio.gather(*map(append, range(50)))

    run(main())
    lines = [tuple(map(int, line.split())) for line in path.read_bytes().splitlines()]
    assert sorted(lines) == [(writer, line) for writer in range(50) for line in range(200)]


def test_a_file_that_is_cut_while_it_is_read_ends_there(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"line\n" * 100_000)

    async def main() -> None:
        async with binary(path) as file:
            assert await file.read(10) == b"line\nline\n"
            os.truncate(path, 0)
            rest = await file.read()
            # What was read ahead is told; nothing is made up.
            assert rest == (b"line\n" * 100_000)[: len(rest)]
            assert await file.read() == b""
            path.write_bytes(b"new")
            assert await file.seek(0) == 0
            assert await file.read() == b"new"

    run(main())


def test_lines_of_a_file_that_is_cut_end_there(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"line\n" * 200_000)

    async def main() -> None:
        seen: list[bytes] = []
        async with binary(path) as file:
            async for line in file:
                seen.append(line)
                if len(seen) == 10:
                    os.truncate(path, 5 * 1000)
        # What was read ahead may end in the midst of a line.
        assert set(seen[:-1]) == {b"line\n"}
        assert b"line\n".startswith(seen[-1])
        assert 1000 <= len(seen) < 200_000

    run(main())
