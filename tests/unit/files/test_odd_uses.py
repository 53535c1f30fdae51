"""Files in odd places, and odd uses of them: what the built-in's do there."""

from __future__ import annotations

import asyncio
import io
import os
import pathlib
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.files.opened import text, theirs_of_text
from tests.unit.files.outcomes import awaited, blocking

from aioxide import files
from aioxide.files.binary import BinaryFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

#: A file that has positions, and is written at none of them.
COMM = pathlib.Path("/proc/self/comm")
FAR = (2**40, 2**44, 2**62, 2**63 - 1)


@pytest.fixture
def name_of_the_process() -> Any:
    """The name of this process, which it has again afterwards."""
    name = COMM.read_text(encoding="utf-8").removesuffix("\n")
    yield name
    COMM.write_text(name, encoding="utf-8")


@pytest.mark.parametrize("buffering", [-1, 0])
def test_what_takes_no_offsets_is_written_nevertheless(
    run: Run, name_of_the_process: str, buffering: int
) -> None:
    async def main() -> None:
        async with files.open(COMM, "r+b", buffering) as file:
            assert await file.read() == name_of_the_process.encode() + b"\n"
            await file.seek(0)
            assert await file.write(b"first") == 5
            await file.flush()
            assert COMM.read_bytes() == b"first\n"
            await file.write(b"second")
            await file.flush()
            assert COMM.read_bytes() == b"second\n"
        async with files.open(COMM, "w", encoding="utf-8") as other:
            await other.write("third")
        assert COMM.read_bytes() == b"third\n"

    run(main())


def test_what_takes_no_offsets_and_is_forgotten_is_written(
    run: Run, name_of_the_process: str
) -> None:
    async def main() -> None:
        file = await files.open(COMM, "wb")
        await file.write(b"forgotten")
        with pytest.warns(ResourceWarning, match="unclosed file"):
            del file
        assert COMM.read_bytes() == b"forgotten\n"

    assert name_of_the_process != "forgotten"
    run(main())


@pytest.mark.parametrize(("mode", "buffering"), [("r+b", -1), ("r+b", 0), ("r+", -1)])
def test_positions_that_no_file_has_are_refused(
    run: Run, tmp_path: Path, mode: str, buffering: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    encoding = None if "b" in mode else "utf-8"

    async def main() -> None:
        async with files.open(path, mode, buffering, encoding) as ours:
            with open(path, mode, buffering, encoding) as its:
                for place in FAR if "b" in mode else (*FAR, 2**63, 2**64 - 1):
                    assert await awaited(ours.seek, place) == blocking(its.seek, place), place
                if "b" in mode:
                    await ours.seek(0)
                    its.seek(0)
                    offset = FAR[-1]
                    assert await awaited(ours.seek, offset, 1) == blocking(its.seek, offset, 1)
                for size in (FAR[-1], 2**70):
                    assert await awaited(ours.truncate, size) == blocking(its.truncate, size)
                assert await awaited(ours.read, 2**70) == blocking(its.read, 2**70)

    run(main())


@pytest.mark.parametrize("size", [2, 7])
def test_text_is_read_and_written_in_large_pieces_over_the_smallest_buffer(
    run: Run, tmp_path: Path, size: int
) -> None:
    ours, its = tmp_path / "ours", tmp_path / "its"
    steps: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("readline", ()),
        ("write", ("€",)),
        ("tell", ()),
        ("read", (1,)),
        ("seek", (0,)),
        ("read", ()),
    )
    for path in (ours, its):
        path.write_bytes("häß\r\n€\r😀\nend".encode())

    async def main() -> None:
        async with files.open(ours, "r+", size, "utf-8") as file:
            with open(its, "r+", size, encoding="utf-8") as other:
                for name, arguments in steps:
                    expected = blocking(getattr(other, name), *arguments)
                    assert await awaited(getattr(file, name), *arguments) == expected, name
                    assert file.newlines == other.newlines
        assert ours.read_bytes() == its.read_bytes()

    run(main())


def test_the_position_at_the_end_of_a_text_is_its_length(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in ("a\r\nb\r", "€\r", "\r\n" * 10_000, "end"):
        for encoding in ("utf-8", "latin-1" if "€" not in content else "utf-8-sig"):
            path.write_bytes(content.encode(encoding))

            async def main(encoding: str = encoding) -> None:
                async with text(path, encoding=encoding) as file:
                    await file.readlines()
                    with theirs_of_text(path, encoding=encoding) as its:
                        its.read()
                        assert await file.tell() == its.tell() == path.stat().st_size

            run(main())


async def test_a_name_that_cannot_be_one_is_refused_as_there(
    loop: asyncio.AbstractEventLoop,
) -> None:
    for name in ("\ud800", "a\0b", b"a\0b"):
        assert await awaited(opened, name) == blocking(open, name)


async def opened(name: Any) -> Any:
    return await files.open(name)


async def test_odd_arguments_are_taken_or_refused_as_there(
    loop: asyncio.AbstractEventLoop, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_text("content", encoding="utf-8")
    async with text(path, "r+", encoding="utf-8") as ours:
        with theirs_of_text(path, "r+", encoding="utf-8") as its:
            for method, argument in (("seek", 1.5), ("write", None), ("write", b""), ("read", "1")):
                expected = blocking(getattr(its, method), argument)
                assert await awaited(getattr(ours, method), argument) == expected, method


async def test_a_descriptor_that_somebody_has_closed_is_told_of(
    loop: asyncio.AbstractEventLoop, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for mode in ("rb", "r+b"):
        file = BinaryFile(os.open(tmp_path / "file", os.O_RDWR), mode)
        # What the loop opens to serve files must not get the number.
        await file.fsync()
        os.close(file.fileno())
        with pytest.raises(OSError, match="Bad file descriptor"):
            await file.close()
        assert file.closed
        await file.close()


async def test_an_error_remembers_what_was_being_handled(
    loop: asyncio.AbstractEventLoop, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        async with files.open("/dev/full", "wb") as file:
            await file.write(b"lost")
            raise KeyError("handled")
    assert isinstance(caught.value.__context__, KeyError)
    for fails in (files.stat, files.open, files.rmdir):
        with pytest.raises(FileNotFoundError) as missing:
            try:
                raise io.UnsupportedOperation("handled")
            finally:
                await fails(tmp_path / "missing")
        assert isinstance(missing.value.__context__, io.UnsupportedOperation)
