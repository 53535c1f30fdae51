"""What files of text promise beyond the built-in ones: every edge of a chunk, errors, cancellation."""

from __future__ import annotations

import asyncio
import io
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.files.opened import text, theirs_of_text
from tests.unit.files.outcomes import awaited, blocking

from aioxide.files.binary import BinaryFile
from aioxide.files.text import TextFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

CONTENT = "aß€😀\r\n\rzwei\n\r\ndrei\rend€"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-16", "utf-32", "utf-7", "shift_jis", "utf-8-sig"]
)
@pytest.mark.parametrize("newline", [None, "", "\n", "\r", "\r\n"])
def test_no_edge_of_a_chunk_shows(
    run: Run, tmp_path: Path, encoding: str, newline: str | None
) -> None:
    path = tmp_path / "file"
    content = "あa\r\n\rいう\n\r\nb\rえ" if encoding == "shift_jis" else CONTENT
    path.write_bytes(content.encode(encoding))
    how = {"encoding": encoding, "newline": newline}

    async def main() -> None:
        with theirs_of_text(path, **how) as its:
            lines, newlines = list(its), its.newlines
        for size in range(2, len(path.read_bytes()) + 1):
            async with text(path, "r", size, **how) as file:
                assert [line async for line in file] == lines
                assert file.newlines == newlines
                await file.seek(0)
                assert await file.read() == "".join(lines)
                await file.seek(0)
                characters = []
                cookies = []
                while character := await file.read(1):
                    characters.append(character)
                    cookies.append(await file.tell())
                assert characters == list("".join(lines))
                for place, cookie in enumerate(cookies):
                    assert await file.seek(cookie) == cookie
                    assert await file.tell() == cookie
                    assert await file.read() == "".join(characters[place + 1 :])

    run(main())


def test_long_lines_are_put_together(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    lines = ["x" * (n * 997 % 50_000) + "é\n" for n in range(100)] + ["€" * 300_000, ""]
    path.write_text("".join(lines), encoding="utf-8")

    async def main() -> None:
        async with text(path, encoding="utf-8") as file:
            assert [line async for line in file] == lines[:-1]
            await file.seek(0)
            assert await file.readlines() == lines[:-1]
            await file.seek(0)
            assert [await file.readline(10) for _ in range(3)] == ["é\n", "x" * 10, "x" * 10]

    run(main())


def test_positions_are_told_during_an_iteration(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("".join(f"line {n} ä\n" for n in range(20_000)), encoding="utf-8")

    async def main() -> None:
        async with text(path, encoding="utf-8") as file:
            positions = []
            async for line in file:
                if line.startswith("line 1000"):
                    positions.append((line, await file.tell()))
            for line, position in positions:
                await file.seek(position)
                number = int(line.split()[1]) + 1
                assert await file.readline() == f"line {number} ä\n"

    run(main())


def test_what_is_right_is_read_before_the_error(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"right\n" * 20_000 + b"wrong \xff\n" + b"right\n" * 20_000)

    async def main() -> None:
        async with text(path, encoding="utf-8") as file:
            count = 0
            with pytest.raises(UnicodeDecodeError):
                async for line in file:
                    assert line == "right\n"
                    count += 1
            assert count > 18_000
        async with text(path, encoding="utf-8", errors="replace") as file:
            assert [line async for line in file][20_000] == "wrong \N{REPLACEMENT CHARACTER}\n"

    run(main())


def test_text_cut_in_the_midst_of_a_character_is_an_error_at_the_end(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes("a€".encode()[:-1])

    async def main() -> None:
        async with text(path, encoding="utf-8") as file:
            with pytest.raises(UnicodeDecodeError, match="unexpected end of data"):
                await file.read()
        async with text(path, encoding="utf-8", errors="replace") as file:
            assert await file.read(1) == "a"
            assert await file.read(1) == "\N{REPLACEMENT CHARACTER}"
            cookie = await file.tell()
            assert await file.read(1) == ""
            await file.seek(cookie)
            assert await file.read() == ""

    run(main())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_the_mark_is_written_once_and_at_the_beginning(
    run: Run, tmp_path: Path, encoding: str
) -> None:
    ours, its = tmp_path / "ours", tmp_path / "its"

    async def main() -> None:
        for mode in ("w", "a", "r+"):
            async with text(ours, mode, encoding=encoding) as file:
                with theirs_of_text(its, mode, encoding=encoding) as other:
                    for part in ("one\n", "two\n"):
                        await file.write(part)
                        other.write(part)
                    if mode == "r+":
                        await file.seek(0)
                        other.seek(0)
                        await file.write("n")
                        other.write("n")
            assert ours.read_bytes() == its.read_bytes()

    run(main())


def test_reconfiguring_is_that_of_python(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"

    async def main() -> None:
        async with text(path, "w+", encoding="utf-8") as file:
            await file.write("ß")
            await file.reconfigure(encoding="latin-1", newline="\r\n", line_buffering=True)
            assert (file.encoding, file.errors, file.line_buffering) == ("latin-1", "strict", True)
            await file.write("ß\n")
            assert path.read_bytes() == b"\xc3\x9f\xdf\r\n"
            await file.reconfigure(errors="replace")
            assert (file.encoding, file.errors) == ("latin-1", "replace")
            await file.seek(0)
            assert await file.read(1) == "Ã"
            with pytest.raises(io.UnsupportedOperation, match="after the first read"):
                await file.reconfigure(newline=None)
            await file.reconfigure(line_buffering=False)
            with pytest.raises(ValueError, match="illegal newline value: x"):
                await file.reconfigure(newline="x")

    run(main())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig", "utf-8", "iso2022_jp"])
def test_a_position_is_good_for_another_file(run: Run, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "file"
    path.write_text("".join(f"line {n} \u3042\n" for n in range(5000)), encoding=encoding)

    async def main() -> None:
        async with text(path, encoding=encoding) as file:
            for _ in range(4000):
                await file.readline()
            position = await file.tell()
        with theirs_of_text(path, encoding=encoding) as its:
            its.seek(position)
            assert its.readline() == "line 4000 \u3042\n"
        for newline in (None, ""):
            async with text(path, encoding=encoding) as other:
                if newline is not None:
                    await other.readlines()
                    await other.reconfigure(newline=newline)
                await other.seek(position)
                assert await other.readline() == "line 4000 \u3042\n"

    run(main())


def test_reconfiguring_is_allowed_when_it_is_in_python(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one\ntwo", encoding="utf-8")
    programs: tuple[tuple[tuple[str, tuple[Any, ...]], ...], ...] = (
        (("read", (3,)),),
        (("read", ()),),
        (("read", ()), ("read", (1,))),
        (("readline", ()),),
        (("readline", ()), ("readline", ())),
        (("readlines", ()),),
        (("readlines", (1,)),),
        (("readlines", (5,)),),
        (("read", (3,)), ("seek", (0,))),
        (("read", (3,)), ("seek", (0,)), ("seek", (4,))),
        (("read", (3,)), ("write", ("x",))),
    )

    async def main() -> None:
        for program in programs:
            for changes in ({"encoding": "latin-1"}, {"newline": ""}, {"line_buffering": True}):
                async with text(path, "r+", encoding="utf-8") as ours:
                    with theirs_of_text(path, "r+", encoding="utf-8") as its:
                        for name, arguments in program:
                            expected = blocking(getattr(its, name), *arguments)
                            assert await awaited(getattr(ours, name), *arguments) == expected
                        expected = blocking(its.reconfigure, **changes)
                        assert await awaited(ours.reconfigure, **changes) == expected, program
                        assert (ours.encoding, ours.errors) == (its.encoding, its.errors)
                path.write_text("one\ntwo", encoding="utf-8")

    run(main())


def test_what_is_no_encoding_of_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    for how in ({"encoding": "nope"}, {"encoding": "hex"}, {"newline": "x"}):
        with pytest.raises((LookupError, ValueError)) as its:
            theirs_of_text(path, **how)
        raw = BinaryFile(os.open(path, os.O_RDONLY), "rb", closefd=False)
        with pytest.raises(its.type) as ours:
            TextFile(raw, **how)  # type: ignore[arg-type]
        assert str(ours.value) == str(its.value)
        os.close(raw.fileno())
        asyncio.run(raw.close())


def test_a_read_that_is_cancelled_has_not_moved(run: Run) -> None:
    async def main() -> None:
        reader, writer = os.pipe()
        file = TextFile(BinaryFile(reader, "rb"), encoding="utf-8")
        os.write(writer, "one\ntwo €".encode()[:-1])
        assert await file.readline() == "one\n"
        for method in (file.readline, file.read, file.readlines, lambda: file.read(50)):
            waiting = asyncio.ensure_future(method())
            for _ in range(3):
                await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        os.write(writer, "€".encode()[-1:] + b"\nthree")
        os.close(writer)
        assert await file.readline() == "two €\n"
        assert await file.read() == "three"
        await file.close()

    run(main())


def test_a_line_of_no_characters_has_a_chunk_decoded(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("content", encoding="utf-8")

    async def main() -> None:
        async with text(path, "r+", encoding="utf-8") as file:
            assert await file.readline(0) == ""
            assert await file.truncate(0) == 0
            assert await file.read() == "content"

    run(main())
