"""Files of text do what those of the built-in `open` do: in random order, and when they are used wrongly."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.files.opened import text, theirs_of_text
from tests.unit.files.outcomes import awaited, blocking

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONTENT = "hello\nwörld\r\n€ uro\rand 😀\n\n\r\r\nthe end"
ENCODINGS = ["utf-8", "utf-16", "utf-8-sig", "utf-32-le", "cp1252", "utf-7"]
NEWLINES = [None, "", "\n", "\r", "\r\n"]
TEXTS = st.text(st.sampled_from("ab\n\réß€"), max_size=8) | st.just("x" * 5000)
SIZES = st.sampled_from([0, 1, 2, 3, 5, 8, 13, 60])
READING = st.one_of(
    st.tuples(st.just("read"), st.sampled_from([-1, None]) | SIZES),
    st.tuples(st.just("readline"), st.just(-1) | SIZES),
    st.tuples(st.just("readlines"), st.sampled_from([-1, None]) | SIZES),
    st.tuples(st.just("seek"), st.just(0), st.sampled_from([0, 1, 2])),
    st.tuples(st.just("tell")),
    st.tuples(st.just("return"), st.integers(0, 5)),
)
WRITING = st.one_of(
    st.tuples(st.just("write"), TEXTS),
    st.tuples(st.just("writelines"), st.lists(TEXTS, max_size=3)),
    st.tuples(st.just("flush")),
    st.tuples(st.just("truncate"), SIZES),
)
SETTINGS = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


#: Of a file that is open for both, these read what comes next before what was written has gone.
READS_BEFORE_WRITES = sys.version_info < (3, 13)


class Pair:
    """A file of ours and one of Python's, to which the same is done."""

    def __init__(self, ours: Any, its: Any) -> None:
        self.ours = ours
        self.its = its
        # What both have called the same position.
        self.positions: list[tuple[int, int]] = []

    async def do(self, operation: tuple[Any, ...]) -> None:
        """Do the same with both."""
        name, *arguments = operation
        if name == "tell":
            ours, its = await awaited(self.ours.tell), blocking(self.its.tell)
            assert ours[0] == its[0]  # type: ignore[index]
            if ours[0] == "returned":  # type: ignore[index]
                self.positions.append((ours[1], its[1]))  # type: ignore[index]
        elif name == "return":
            for here, there in self.positions[arguments[0] :][:1]:
                assert (await awaited(self.ours.seek, here))[0] == "returned"  # type: ignore[index]
                assert blocking(self.its.seek, there)[0] == "returned"  # type: ignore[index]
        elif name == "seek" and arguments[1] == 1 and self.its.writable():
            # At the beginning, Python's files forget the mark of an encoding that way.
            return
        elif name == "seek" and arguments[1] == 1:
            assert (await awaited(self.ours.seek, 0, 1))[0] == blocking(self.its.seek, 0, 1)[0]  # type: ignore[index]
        elif name == "readlines":
            assert await awaited(self.ours.readlines, *arguments) == blocking(
                self.lines, *arguments
            )
        else:
            expected = blocking(getattr(self.its, name), *arguments)
            assert await awaited(getattr(self.ours, name), *arguments) == expected
        if "write" in name and READS_BEFORE_WRITES:
            self.its.flush()

    def lines(self, hint: int | None) -> list[str]:
        """Do what `readlines` does, of which Python's files cannot tell the position after it."""
        lines: list[str] = []
        while hint is None or hint <= 0 or sum(map(len, lines)) <= hint:
            line = self.its.readline()
            if not line:
                break
            lines.append(line)
        return lines

    async def aclose(self) -> None:
        """Close both."""
        self.its.close()
        await self.ours.close()


def compare_contents(paths: list[str]) -> None:
    """Compare what both have left."""
    contents = []
    for path in paths:
        with open(path, "rb") as file:
            contents.append(file.read())
    assert contents[0] == contents[1]


def make(directory: str, content: bytes) -> list[str]:
    """Make two files."""
    paths = [os.path.join(directory, name) for name in ("ours", "its")]
    for path in paths:
        with open(path, "wb") as file:
            file.write(content)
    return paths


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.usefixtures("backend")
@given(
    operations=st.lists(READING, max_size=15),
    newline=st.sampled_from(NEWLINES),
    size=st.sampled_from([2, 3, 4, 5, 7, 11, 8192]),
)
@SETTINGS
def test_text_is_read_alike_wherever_its_chunks_end(
    encoding: str, operations: list[tuple[Any, ...]], newline: str | None, size: int
) -> None:
    async def main(directory: str) -> None:
        paths = make(directory, CONTENT.encode(encoding, "replace"))
        its = theirs_of_text(paths[1], encoding=encoding, newline=newline)
        its._CHUNK_SIZE = size
        ours = text(paths[0], "r", size, encoding=encoding, newline=newline)
        async with contextlib.aclosing(Pair(ours, its)) as pair:
            for operation in operations:
                await pair.do(operation)
        compare_contents(paths)

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(main(directory))


@pytest.mark.parametrize("mode", ["w", "a", "r+", "w+", "a+"])
@pytest.mark.usefixtures("backend")
@given(
    operations=st.lists(READING | WRITING, max_size=15),
    encoding=st.sampled_from(ENCODINGS),
    newline=st.sampled_from(NEWLINES),
    line_buffering=st.booleans(),
)
@SETTINGS
def test_random_operations_come_out_alike(
    mode: str,
    operations: list[tuple[Any, ...]],
    encoding: str,
    newline: str | None,
    line_buffering: bool,
) -> None:
    async def main(directory: str) -> None:
        paths = make(directory, CONTENT.encode(encoding, "replace"))
        how: dict[str, Any] = {"encoding": encoding, "newline": newline, "errors": "replace"}
        its = theirs_of_text(paths[1], mode, **how)
        its.reconfigure(line_buffering=line_buffering)
        ours = text(paths[0], mode, line_buffering=line_buffering, **how)
        async with contextlib.aclosing(Pair(ours, its)) as pair:
            for operation in operations:
                await pair.do(operation)
        compare_contents(paths)

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(main(directory))


CALLS: list[tuple[Any, ...]] = [
    ("read",),
    ("read", 3),
    ("read", -2),
    ("read", None),
    ("read", "x"),
    ("readline",),
    ("readline", 3),
    ("readline", None),
    ("readline", "a"),
    ("readlines",),
    ("readlines", 3),
    ("write", "abc"),
    ("write", b"abc"),
    ("write", "\udc80"),
    ("writelines", ["a", "b"]),
    ("writelines", 4),
    ("writelines", [4]),
    ("seek", 2),
    ("seek", -1),
    ("seek", 1, 1),
    ("seek", 0, 1),
    ("seek", 0, 2),
    ("seek", 1, 2),
    ("seek", 0, 9),
    ("seek", "a"),
    ("tell",),
    ("truncate",),
    ("truncate", 2),
    ("truncate", -1),
    ("truncate", "a"),
    ("flush",),
    ("close",),
]
FACTS = ["isatty", "readable", "writable", "seekable"]


@pytest.mark.parametrize("is_closed", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("mode", ["r", "w", "r+", "a"])
def test_what_is_refused_is_refused_in_the_same_words(
    run: Callable[..., Any], tmp_path: Path, mode: str, is_closed: bool
) -> None:
    path = tmp_path / "file"

    async def both(name: str, arguments: list[Any]) -> None:
        path.write_bytes(b"hello\nworld\n")
        its = theirs_of_text(path, mode, encoding="utf-8")
        with contextlib.closing(its):
            if is_closed:
                its.close()
            expected: Any = blocking(getattr(its, name), *arguments)
        path.write_bytes(b"hello\nworld\n")
        ours = text(path, mode, encoding="utf-8")
        if is_closed:
            await ours.close()
        outcome: Any
        if name in FACTS:
            outcome = blocking(getattr(ours, name), *arguments)
        else:
            outcome = await awaited(getattr(ours, name), *arguments)
        await ours.close()
        if TypeError in (expected[1], outcome[1]):
            # Two things are wrong, or the words differ between versions.
            assert outcome[0] == expected[0], (name, arguments)
            return
        assert outcome == expected, (name, arguments)

    async def main() -> None:
        for name, *arguments in CALLS:
            await both(name, arguments)
        for name in FACTS:
            await both(name, [])

    run(main())
