"""Giving the file of bytes away: what is left of the text; and which names of the built-in's files there are."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.files.opened import binary, text, theirs_of_text
from tests.unit.files.outcomes import awaited, blocking

from aioxide import files
from aioxide.files.binary import BinaryFile
from aioxide.files.tempfile import NamedTemporaryFile
from aioxide.files.text import TextFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

DETACHED = "underlying buffer has been detached"

#: Of the built-in's files, what has no meaning without waiting, and what lies below a file that has nothing below.
WITHOUT_WAITING = {"__enter__", "__exit__", "__iter__", "__next__"}
BELOW = {"raw", "detach"}


def names(kind: type) -> set[str]:
    its_own = {name for name in dir(kind) if not name.startswith("_")}
    return its_own | (WITHOUT_WAITING & set(dir(kind)))


def test_every_name_of_the_built_in_files_is_there() -> None:
    assert names(io.TextIOWrapper) - names(TextFile) == WITHOUT_WAITING
    buffered = names(io.BufferedRandom) | names(io.BufferedReader) | names(io.BufferedWriter)
    assert buffered - names(BinaryFile) == WITHOUT_WAITING | BELOW
    assert names(io.FileIO) - names(BinaryFile) == WITHOUT_WAITING


def test_the_file_of_bytes_goes_on_where_the_text_was(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"

    async def main() -> None:
        opened: TextFile = await files.open(path, "w+", encoding="utf-8")
        await opened.write("h€llo\n")
        below = await opened.detach()
        assert isinstance(below, BinaryFile)
        assert path.read_bytes() == "h€llo\n".encode()
        await below.write(b"\xff")
        await below.seek(0)
        assert await below.read() == "h€llo\n".encode() + b"\xff"
        again = TextFile(below, "latin-1")
        assert again.buffer is below
        await again.close()
        assert below.closed

    run(main())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_nothing_is_left_of_the_file_of_text(run: Run, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "file"
    path.write_text("one\ntwö\nthree\n", encoding=encoding)
    calls: dict[str, tuple[Any, ...]] = {
        "write": ("x",),
        "writelines": ([],),
        "seek": (0,),
        "__aexit__": (None, None, None),
    }

    async def main() -> None:
        ours = text(path, "r+", encoding=encoding)
        with theirs_of_text(path, "r+", encoding=encoding) as its:
            assert await ours.readline() == its.readline()
            below, its_below = await ours.detach(), its.detach()
            assert await below.tell() == its_below.tell()
            for name in sorted(names(TextFile) | {"__aenter__", "__aexit__"}):
                theirs = {"__aenter__": "__enter__", "__aexit__": "__exit__", "fsync": "flush"}
                args = calls.get(name, ())
                expected = blocking(of(its, theirs.get(name, name)), *args)
                assert await awaited(maybe_awaited(ours, name), *args) == expected, name
            with pytest.raises(ValueError, match=DETACHED):
                await anext(ours)
            with pytest.raises(ValueError, match=DETACHED):
                aiter(ours)
            assert repr(ours).endswith(f".TextFile mode='r+' encoding='{encoding}'>")
            await below.close()
            its_below.close()
            # The context of Python's own would raise, too.
            with pytest.raises(ValueError, match=DETACHED):
                its.close()
            its.__init__(io.BytesIO())

    run(main())


def of(file: Any, name: str) -> Any:
    """Return what asks a file for an attribute, and calls it if it can be called."""

    def ask(*args: Any) -> Any:
        found = getattr(file, name)
        return found(*args) if callable(found) else found

    return ask


def maybe_awaited(file: Any, name: str) -> Any:
    """Return what does the same with a file whose methods may be coroutines."""

    async def ask(*args: Any) -> Any:
        found = of(file, name)(*args)
        return await found if hasattr(found, "__await__") else found

    return ask


def test_who_stands_in_line_behind_is_refused(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        file = text(tmp_path / "file", "w", encoding="utf-8")
        writing = [asyncio.ensure_future(file.write("x" * 300_000)) for _ in range(3)]
        detaching = asyncio.ensure_future(file.detach())
        late = asyncio.ensure_future(file.write("late"))
        await asyncio.wait([*writing, detaching, late])
        with pytest.raises(ValueError, match=DETACHED):
            await late
        await detaching.result().close()
        assert (tmp_path / "file").stat().st_size == 900_000

    run(main())


def test_what_cannot_be_flushed_is_not_given_away(run: Run) -> None:
    async def main() -> None:
        file = text("/dev/full", "w", encoding="utf-8")
        await file.write("lost")
        with pytest.raises(OSError, match="No space left"):
            await file.detach()
        assert not file.closed
        with pytest.raises(OSError, match="No space left"):
            await file.close()
        with pytest.raises(ValueError, match="I/O operation on closed file"):
            await file.detach()

    run(main())


def test_a_context_that_is_left_without_its_file_says_so(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=DETACHED):
            async with text(tmp_path / "file", "w", encoding="utf-8") as file:
                below = await file.detach()
        assert not below.closed
        await below.close()

    run(main())


def test_the_name_of_a_temporary_file_goes_nevertheless(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=DETACHED):
            async with NamedTemporaryFile("w", encoding="utf-8") as file:
                below = await file.detach()
        assert not os.path.exists(below.name)
        await below.close()

    run(main())


@pytest.mark.parametrize("temporary", [False, True])
def test_a_file_of_text_that_is_forgotten_warns_of_itself_and_is_written(
    run: Run, tmp_path: Path, temporary: bool
) -> None:
    path = tmp_path / "file"

    async def main() -> None:
        opening = NamedTemporaryFile("w", dir=tmp_path) if temporary else files.open(path, "w")
        file: TextFile | None = await opening
        assert file is not None
        await file.write("held")
        name = file.name
        os.link(name, tmp_path / "linked")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            shown = repr(file)
            file = None
            gc.collect()
        assert [str(warning.message) for warning in caught] == [f"unclosed file {shown}"]
        assert (tmp_path / "linked").read_text(encoding="utf-8") == "held"
        # The warning holds the file.
        caught.clear()
        gc.collect()
        assert os.path.exists(name) != temporary

    run(main())


def test_what_derives_from_a_file_is_not_forgotten_either(run: Run, tmp_path: Path) -> None:
    class Bytes(BinaryFile):
        pass

    class Text(TextFile):
        pass

    async def main() -> None:
        for kind in (Bytes, Text):
            below = binary(tmp_path / "file", "wb") if kind is Text else None
            descriptor = os.open(tmp_path / "file", os.O_WRONLY)
            file: Any = kind(below or descriptor, *([] if below else ["wb"]))  # type: ignore[arg-type]
            below = None
            await file.write("held" if kind is Text else b"held")
            with pytest.warns(ResourceWarning, match=f"unclosed file <.*{kind.__name__} name="):
                del file
            assert (tmp_path / "file").read_bytes() == b"held"
            if kind is Text:
                os.close(descriptor)
            else:
                os.truncate(tmp_path / "file", 0)

    (tmp_path / "file").touch()
    run(main())


def test_a_file_of_bytes_outlives_the_text_on_it(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        file: TextFile | None = text(tmp_path / "file", "w", encoding="utf-8")
        assert file is not None
        await file.write("held")
        below = file.buffer
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            file = None
            gc.collect()
        await below.write(b" more")
        await below.close()
        assert (tmp_path / "file").read_bytes() == b"held more"

    run(main())


@pytest.mark.parametrize("closefd", [True, False])
def test_a_file_says_whether_it_closes_the_descriptor(
    run: Run, tmp_path: Path, closefd: bool
) -> None:
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)

    async def main() -> None:
        async with files.open(descriptor, "rb", closefd=closefd) as file:
            assert file.closefd is closefd
        assert file.closefd is closefd
        async with binary(tmp_path / "file") as other:
            assert other.closefd is True

    run(main())
    if not closefd:
        os.close(descriptor)
