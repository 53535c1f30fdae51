"""Files of bytes do what those of the built-in `open` do: in random order, and when they are used wrongly."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.files.opened import binary, theirs
from tests.unit.files.outcomes import awaited, blocking

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONTENT = b"hello\nworld\n" + b"x" * 50 + b"\n\n" + b"y" * 30

SIZES = st.sampled_from([0, 1, 2, 3, 5, 8, 13, 50, 4095, 4097, 9000, 140_000])
DATA = st.binary(max_size=12) | st.builds(
    lambda byte, size: bytes([byte]) * size, st.integers(9, 12), SIZES
)
OPERATIONS = st.one_of(
    st.tuples(st.just("read"), st.sampled_from([-1, None]) | SIZES),
    st.tuples(st.just("readline"), st.sampled_from([-1, None]) | SIZES),
    st.tuples(st.just("readlines"), st.sampled_from([-1, None]) | SIZES),
    st.tuples(st.just("fill"), SIZES),
    st.tuples(st.just("peek")),
    st.tuples(st.just("write"), DATA),
    st.tuples(st.just("writelines"), st.lists(DATA, max_size=4)),
    st.tuples(st.just("seek"), SIZES),
    st.tuples(st.just("seek"), st.integers(-20, 20), st.sampled_from([0, 1, 2])),
    st.tuples(st.just("tell")),
    st.tuples(st.just("flush")),
    st.tuples(st.just("truncate")),
    st.tuples(st.just("truncate"), SIZES),
)
MODES = ["rb", "wb", "ab", "r+b", "w+b", "a+b"]


async def fill(file: Any, size: int) -> object:
    """Read into a buffer; return what is in it."""
    buffer = bytearray(size)
    count = await awaited(file.readinto, buffer)
    return count, bytes(buffer)


def fill_blocking(file: Any, size: int) -> object:
    """Read into a buffer; return what is in it."""
    buffer = bytearray(size)
    count = blocking(file.readinto, buffer)
    return count, bytes(buffer)


def settled(operations: list[tuple[Any, ...]], mode: str) -> list[tuple[Any, ...]]:
    """Return operations after whose writes the position is where Python's files take it to be, too.

    Those that append go on in what they have read ahead, if they have, and else at the end.
    """
    if "a" not in mode:
        return operations
    end = ("seek", 0, os.SEEK_END)
    return [step for one in operations for step in ([one, end] if "write" in one[0] else [one])]


async def compare(ours: Any, its: Any, operation: tuple[Any, ...]) -> None:
    """Do the same with both files."""
    name, *arguments = operation
    if name in ("fill", "peek", "read", "readline", "readlines") and not its.readable():
        # Python's own classes disagree on what is read of a file that is not readable, if it is nothing.
        with pytest.raises(io.UnsupportedOperation):
            await ours.read(*arguments[:1])
    elif name == "fill":
        assert await fill(ours, *arguments) == fill_blocking(its, *arguments)
    elif name == "peek":
        # How much is read ahead is nobody's business.
        (_, here), (_, there) = await awaited(ours.peek), blocking(its.peek)  # type: ignore[misc]
        assert here.startswith(there) or there.startswith(here)
        assert bool(here) == bool(there)
    else:
        if name == "tell" and "a" in ours.mode:
            # Until then both guess where the bytes will go.
            await ours.flush()
            its.flush()
        expected = blocking(getattr(its, name), *arguments)
        assert await awaited(getattr(ours, name), *arguments) == expected


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.usefixtures("backend")
@given(
    operations=st.lists(OPERATIONS, max_size=20),
    buffering=st.sampled_from([-1, 2, 3, 16, 4096]),
)
@settings(
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_random_operations_come_out_alike(
    mode: str, operations: list[tuple[Any, ...]], buffering: int
) -> None:
    async def main(directory: str) -> None:
        paths = [os.path.join(directory, name) for name in ("ours", "its")]
        for path in paths:
            with open(path, "wb") as file:
                file.write(CONTENT)
        its = theirs(paths[1], mode, buffering)
        ours = binary(paths[0], mode, buffering)
        async with ours:
            with its:
                for operation in settled(operations, mode):
                    await compare(ours, its, operation)
                await compare(ours, its, ("tell",))
        contents = []
        for path in paths:
            with open(path, "rb") as file:
                contents.append(file.read())
        assert contents[0] == contents[1]

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(main(directory))


@pytest.mark.parametrize("mode", ["rb", "wb", "r+b"])
@pytest.mark.usefixtures("backend")
@given(operations=st.lists(OPERATIONS.filter(lambda o: o[0] != "peek"), max_size=12))
@settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_random_unbuffered_operations_come_out_alike(
    mode: str, operations: list[tuple[Any, ...]]
) -> None:
    async def main(directory: str) -> None:
        paths = [os.path.join(directory, name) for name in ("ours", "its")]
        for path in paths:
            with open(path, "wb") as file:
                file.write(CONTENT)
        its = theirs(paths[1], mode, 0)
        ours = binary(paths[0], mode, 0)
        async with ours:
            with its:
                for operation in operations:
                    await compare(ours, its, operation)
                    with open(paths[0], "rb") as left, open(paths[1], "rb") as right:
                        assert left.read() == right.read()

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(main(directory))


CALLS: list[tuple[Any, ...]] = [
    ("read",),
    ("read", 3),
    ("read", -2),
    ("read", "x"),
    ("read", 1.5),
    ("read", 1 << 70),
    ("read1", 2),
    ("read1", -5),
    ("readinto", bytearray(3)),
    ("readinto", b"abc"),
    ("readinto", 3),
    ("readinto1", bytearray(3)),
    ("readinto1", b"abc"),
    ("readinto1", 3),
    ("readline",),
    ("readline", -3),
    ("readline", None),
    ("readline", "a"),
    ("readlines",),
    ("readlines", 3),
    ("readlines", None),
    ("readlines", "a"),
    ("peek", 2),
    ("peek", -2),
    ("write", b"abc"),
    ("write", "abc"),
    ("write", 4),
    ("writelines", [b"a", bytearray(b"b")]),
    ("writelines", 4),
    ("writelines", [4]),
    ("seek", 2),
    ("seek", -1),
    ("seek", -100, 1),
    ("seek", 0, 2),
    ("seek", 0, 9),
    ("seek", "a"),
    ("seek", 0, "a"),
    ("seek", 1.0),
    ("tell",),
    ("truncate",),
    ("truncate", -1),
    ("truncate", "a"),
    ("flush",),
    ("close",),
]
FACTS = ["fileno", "isatty", "readable", "writable", "seekable"]


def is_about_the_file(outcome: Any) -> bool:
    """Whether a refusal is about the file, and not about an argument."""
    return outcome[0] == "raised" and issubclass(outcome[1], (io.UnsupportedOperation, ValueError))


@pytest.mark.parametrize("is_closed", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("mode", ["rb", "wb", "r+b", "ab"])
@pytest.mark.parametrize("buffering", [-1, 0], ids=["buffered", "unbuffered"])
def test_what_is_refused_is_refused_in_the_same_words(
    run: Callable[..., Any], tmp_path: Path, mode: str, buffering: int, is_closed: bool
) -> None:
    path = tmp_path / "file"

    async def both(name: str, arguments: list[Any]) -> None:
        path.write_bytes(b"hello\nworld\n")
        its = theirs(path, mode, buffering)
        with contextlib.closing(its):
            if not hasattr(its, name):
                return
            if is_closed:
                its.close()
            expected = blocking(getattr(its, name), *arguments)
        path.write_bytes(b"hello\nworld\n")
        ours = binary(path, mode, buffering)
        if is_closed:
            await ours.close()
        if name in FACTS:
            outcome = blocking(getattr(ours, name), *arguments)
        else:
            outcome = await awaited(getattr(ours, name), *arguments)
        await ours.close()
        if name == "fileno" and not is_closed:
            return
        if outcome != expected and (is_about_the_file(expected) or is_about_the_file(outcome)):
            # Two things are wrong: which is told first differs between classes and versions.
            assert outcome[0] == expected[0], (name, arguments)
            assert is_closed or arguments[-1:] not in ([], [b"abc"], [3]), (name, arguments)
            return
        if expected[1] in (OverflowError, TypeError):
            # The words differ between classes and versions.
            assert outcome[1] is expected[1], (name, arguments)
            return
        assert outcome == expected, (name, arguments)

    async def main() -> None:
        for name, *arguments in CALLS:
            await both(name, arguments)
        for name in FACTS:
            await both(name, [])

    run(main())
