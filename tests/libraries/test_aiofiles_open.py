"""`aiofiles.open`: every mode, every method, what can be known of a file at once, and what `open` refuses."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# The mode of a file that was emptied and is read, too; before 3.15 it did not tell that it was emptied.
UPDATES_EMPTIED = "wb+" if sys.version_info >= (3, 15) else "rb+"

CONTENT = b"one\ntwo\r\nthree \xc3\xa9\n\nlast"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize(
    ("mode", "buffering", "module", "name"),
    [
        ("r", -1, "text", "AsyncTextIOWrapper"),
        ("w+", 1, "text", "AsyncTextIOWrapper"),
        ("rb", -1, "binary", "AsyncBufferedReader"),
        ("rb+", 100, "binary", "AsyncBufferedReader"),
        ("wb", -1, "binary", "AsyncBufferedIOBase"),
        ("ab", -1, "binary", "AsyncBufferedIOBase"),
        ("rb", 0, "binary", "AsyncFileIO"),
        ("wb+", 0, "binary", "AsyncFileIO"),
    ],
)
async def test_the_mode_says_of_which_class_a_file_is(
    loop: AbstractEventLoop,
    aiofiles: ModuleType,
    path: Path,
    mode: str,
    buffering: int,
    module: str,
    name: str,
) -> None:
    async with aiofiles.open(path, mode, buffering) as file:
        assert isinstance(file, getattr(getattr(aiofiles.threadpool, module), name))
        assert isinstance(file, aiofiles.base.AsyncBase)


async def test_a_file_can_be_awaited_or_entered(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path
) -> None:
    opening = aiofiles.open(path, "rb")
    assert isinstance(opening, aiofiles.base.AiofilesContextManager)
    file = await opening
    assert not file.closed
    assert await file.read() == CONTENT
    assert await file.close() is None
    assert file.closed
    async with aiofiles.open(path, "rb") as file:
        assert await file.read() == CONTENT
    assert file.closed


async def test_a_block_closes_the_file_even_when_it_fails(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with aiofiles.open(path) as file:
            raise ZeroDivisionError
    assert file.closed


READS: dict[str, Callable[[Any], Any]] = {
    "read()": lambda file: file.read(),
    "read(-1)": lambda file: file.read(-1),
    "read(0)": lambda file: file.read(0),
    "read(6)": lambda file: file.read(6),
    "read(1000)": lambda file: file.read(1000),
    "readline()": lambda file: file.readline(),
    "readline(2)": lambda file: file.readline(2),
    "readlines()": lambda file: file.readlines(),
    "readlines(5)": lambda file: file.readlines(5),
    "tell()": lambda file: file.tell(),
    "seek(4)": lambda file: file.seek(4),
    "seek(0, 2)": lambda file: file.seek(0, os.SEEK_END),
    "seekable()": lambda file: file.seekable(),
    "writable()": lambda file: file.writable(),
    "isatty()": lambda file: file.isatty(),
    "flush()": lambda file: file.flush(),
}
BINARY_READS: dict[str, Callable[[Any], Any]] = {
    "read1(4)": lambda file: file.read1(4),
    "readinto(4)": lambda file: file.readinto(bytearray(4)),
    "seek(2, 1)": lambda file: file.seek(2, os.SEEK_CUR),
}


async def outcome(call: Callable[[Any], Any], file: Any) -> Any:
    """Return what a call returns, or the class and text of what it raises; *file* may be async or not."""
    try:
        returned = call(file)
        return await returned if hasattr(returned, "__await__") else returned
    except Exception as error:  # noqa: BLE001 - whatever the built-in one raises
        return type(error), str(error)


@pytest.mark.parametrize("first", [*READS, *BINARY_READS])
@pytest.mark.parametrize("mode", ["rb", "rb+"])
async def test_binary_reads_do_as_those_of_open(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path, mode: str, first: str
) -> None:
    calls = {**READS, **BINARY_READS}
    with open(path, mode) as expected:
        async with aiofiles.open(path, mode) as file:
            for name in (first, "tell()", "readline()", "read()", "tell()"):
                call = calls[name]
                assert await outcome(call, file) == await outcome(call, expected), name


# After reading some lines of a text, the built-in file has no place to tell. Ours has.
@pytest.mark.parametrize("first", sorted(set(READS) - {"readlines(5)"}))
@pytest.mark.parametrize("newline", [None, "", "\n", "\r\n"])
async def test_text_reads_do_as_those_of_open(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path, newline: str | None, first: str
) -> None:
    with open(path, encoding="utf-8", newline=newline) as expected:
        async with aiofiles.open(path, encoding="utf-8", newline=newline) as file:
            for name in (first, "tell()", "readline()", "read()", "tell()"):
                call = READS[name]
                assert await outcome(call, file) == await outcome(call, expected), name


@pytest.mark.parametrize("hint", [1, 4, 5, 100])
async def test_some_lines_of_a_text_are_read_as_by_open(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path, hint: int
) -> None:
    with open(path, encoding="utf-8") as expected:
        async with aiofiles.open(path, encoding="utf-8") as file:
            assert await file.readlines(hint) == expected.readlines(hint)
            assert await file.readline() == expected.readline()


async def test_unbuffered_reads_do_as_those_of_open(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path
) -> None:
    buffer = bytearray(4)
    async with aiofiles.open(path, "rb", buffering=0) as file:
        assert await file.read(3) == b"one"
        assert await file.readinto(buffer) == 4
        assert bytes(buffer) == CONTENT[3:7]
        assert await file.readline() == CONTENT[7:9]
        assert await file.readall() == CONTENT[9:]
        assert await file.seek(1) == 1
        assert await file.readlines() == CONTENT[1:].splitlines(keepends=True)


async def test_bytes_are_read_into_what_is_there(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path
) -> None:
    buffer = bytearray(6)
    async with aiofiles.open(path, "rb") as file:
        assert await file.readinto(memoryview(buffer)[2:]) == 4
        assert bytes(buffer) == b"\0\0one\n"


async def test_a_reader_can_look_ahead(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path
) -> None:
    async with aiofiles.open(path, "rb") as file:
        assert (await file.peek(3)).startswith(b"one")
        assert await file.tell() == 0
        assert await file.read(3) == b"one"


@pytest.mark.parametrize("mode", ["r", "rb"])
async def test_lines_can_be_iterated_over(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path, mode: str
) -> None:
    encoding = None if mode == "rb" else "utf-8"
    with open(path, mode, encoding=encoding) as expected:
        async with aiofiles.open(path, mode, encoding=encoding) as file:
            assert [line async for line in file] == list(expected)
            assert [line async for line in file] == []


async def test_iterating_goes_on_after_a_line_and_a_read_after_that(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path
) -> None:
    async with aiofiles.open(path, "rb") as file:
        assert await file.readline() == b"one\n"
        async for line in file:
            assert line == b"two\r\n"
            break
        assert await file.read(5) == b"three"


async def test_writes_do_as_those_of_open(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path
) -> None:
    async with aiofiles.open(path, "wb+") as file:
        assert await file.write(b"Hello ") == 6
        assert await file.write(bytearray(b"wor")) == 3
        assert await file.writelines([b"ld\n", memoryview(b"again")]) is None
        assert await file.flush() is None
        assert path.read_bytes() == b"Hello world\nagain"
        assert await file.truncate(5) == 5
        assert await file.seek(0) == 0
        assert await file.read() == b"Hello"
        assert await file.truncate() == 5
    assert path.read_bytes() == b"Hello"


async def test_text_writes_do_as_those_of_open(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path
) -> None:
    async with aiofiles.open(path, "w", encoding="utf-8", newline="\r\n") as file:
        assert await file.write("hé\n") == 3
        assert await file.writelines(["a\n", "b"]) is None
    assert path.read_bytes() == b"h\xc3\xa9\r\na\r\nb"


async def test_encoding_and_errors_are_kept_to(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path
) -> None:
    async with aiofiles.open(path, "w", encoding="ascii", errors="replace") as file:
        await file.write("hé")
    assert path.read_bytes() == b"h?"
    path.write_bytes(b"h\xe9")
    async with aiofiles.open(path, encoding="utf-8") as file:
        with pytest.raises(UnicodeDecodeError):
            await file.read()
    async with aiofiles.open(path, encoding="utf-8", errors="surrogateescape") as file:
        assert await file.read() == "h\udce9"


async def test_what_is_appended_goes_to_the_end(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path
) -> None:
    async with aiofiles.open(path, "ab+") as file:
        assert await file.tell() == len(CONTENT)
        await file.seek(0)
        assert await file.read(3) == b"one"
        await file.write(b"!")
    assert path.read_bytes() == CONTENT + b"!"


async def test_much_can_be_known_of_a_text_without_waiting(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path
) -> None:
    async with aiofiles.open(str(path), "r+", encoding="latin-1", errors="ignore") as file:
        known = (file.name, file.mode, file.encoding, file.errors, file.closed)
        assert known == (str(path), "r+", "latin-1", "ignore", False)
        assert file.line_buffering is False
        assert file.newlines is None
        assert os.path.samestat(os.fstat(file.fileno()), path.stat())
        assert await file.readable()
        await file.read()
        assert file.newlines == ("\n", "\r\n")


@pytest.mark.parametrize(
    ("mode", "buffering", "shown"),
    [
        ("rb", -1, "rb"),
        ("wb", -1, "wb"),
        ("rb+", -1, "rb+"),
        ("wb+", 0, UPDATES_EMPTIED),
        ("ab", 0, "ab"),
    ],
)
async def test_much_can_be_known_of_bytes_without_waiting(
    loop: AbstractEventLoop,
    aiofiles: ModuleType,
    path: Path,
    mode: str,
    buffering: int,
    shown: str,
) -> None:
    async with aiofiles.open(path, mode, buffering) as file:
        assert (file.name, file.mode, file.closed) == (str(path), shown, False)
        assert file.readable() is ("r" in mode or "+" in mode)
        assert await file.writable() is (mode != "rb")
        assert isinstance(file.fileno(), int)


async def test_a_closed_file_does_nothing_any_more(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path
) -> None:
    for mode in ("r", "rb"):
        async with aiofiles.open(path, mode) as file:
            pass
        for name in ("read()", "readline()", "tell()", "seek(4)", "flush()", "readlines()"):
            error, text = await outcome(READS[name], file)
            assert error is ValueError, name
            assert "closed file" in text
        with pytest.raises(ValueError, match="closed file"):
            file.fileno()
        assert await file.close() is None


@pytest.mark.parametrize(
    ("name", "mode"),
    [("missing", "r"), ("missing/file", "wb"), (".", "w"), ("file", "x"), ("file/file", "r")],
)
async def test_what_cannot_be_opened_is_said_as_open_says_it(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path, name: str, mode: str
) -> None:
    place = path.parent / name
    with pytest.raises(OSError) as expected:
        open(place, mode)
    with pytest.raises(OSError) as failure:
        await aiofiles.open(place, mode)
    assert type(failure.value) is type(expected.value)
    assert failure.value.args == expected.value.args
    assert failure.value.filename == expected.value.filename


@pytest.mark.parametrize(
    "arguments",
    [
        {"mode": "z"},
        {"mode": "rw"},
        {"mode": "rb", "encoding": "utf-8"},
        {"mode": "rb", "errors": "strict"},
        {"mode": "rb", "newline": ""},
        {"mode": "r", "buffering": 0},
        {"mode": "r", "newline": "x"},
        {"mode": "r", "encoding": "no such"},
        {"mode": "r", "closefd": False},
    ],
    ids=str,
)
async def test_what_open_refuses_is_refused_in_its_words(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path, arguments: dict[str, Any]
) -> None:
    with pytest.raises((ValueError, LookupError)) as expected:
        open(path, **arguments)
    with pytest.raises((ValueError, LookupError)) as failure:
        await aiofiles.open(path, **arguments)
    assert type(failure.value) is type(expected.value)
    assert str(failure.value) == str(expected.value)


async def test_a_descriptor_can_be_opened_and_left_open(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path
) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    async with aiofiles.open(descriptor, "rb", closefd=False) as file:
        assert file.name == descriptor
        assert await file.read(3) == b"one"
    os.fstat(descriptor)
    async with aiofiles.open(descriptor, "rb"):
        pass
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


async def test_an_opener_of_the_user_s_is_called(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path
) -> None:
    called: list[tuple[Any, int]] = []

    def opener(name: Any, flags: int) -> int:
        called.append((name, flags))
        return os.open(name, flags)

    async with aiofiles.open(path, "rb", opener=opener) as file:
        assert await file.read(3) == b"one"
    assert called == [(str(path), os.O_RDONLY | os.O_CLOEXEC)]


async def test_an_executor_of_the_user_s_does_the_work(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path
) -> None:
    threads: list[str] = []

    def opener(name: Any, flags: int) -> int:
        threads.append(threading.current_thread().name)
        return os.open(name, flags)

    with ThreadPoolExecutor(1, "the-users") as executor:
        async with aiofiles.open(path, "rb", opener=opener, executor=executor) as file:
            assert await file.read() == CONTENT
    assert threads == ["the-users_0"]


async def test_a_loop_can_be_named(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path
) -> None:
    async with aiofiles.open(path, "rb", loop=loop) as file:
        assert await file.read() == CONTENT


async def test_reads_of_many_files_at_once_each_bring_their_own(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    paths = [tmp_path / str(n) for n in range(50)]
    for n, path in enumerate(paths):
        path.write_bytes(bytes([n]) * 1000)

    async def read(path: Path) -> bytes:
        async with aiofiles.open(path, "rb") as file:
            content: bytes = await file.read()
            return content

    assert await asyncio.gather(*map(read, paths)) == [bytes([n]) * 1000 for n in range(50)]


async def test_wrapping_a_file_makes_it_async(
    loop: AbstractEventLoop, aiofiles: ModuleType, path: Path
) -> None:
    wrap = aiofiles.threadpool.wrap
    with path.open("rb") as plain:
        file = wrap(plain)
        assert isinstance(file, aiofiles.threadpool.binary.AsyncBufferedReader)
        assert await file.read(3) == b"one"
        assert plain.tell() == 3
        assert repr(plain) in repr(file)
    text = wrap(io.StringIO("one\ntwo"))
    assert isinstance(text, aiofiles.threadpool.text.AsyncTextIOWrapper)
    assert [line async for line in text] == ["one\n", "two"]
    data = wrap(io.BytesIO())
    assert await data.write(b"data") == 4
    assert await data.seek(0) == 0
    assert await data.read() == b"data"
    with pytest.raises(TypeError, match=r"^Unsupported io type: \[\].$"):
        wrap([])


async def test_what_is_wrapped_can_be_made_known(
    loop: AbstractEventLoop,
    aiofiles: ModuleType,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Memory:
        def __init__(self) -> None:
            self.written: list[str] = []

        def write(self, data: str) -> int:
            self.written.append(data)
            return len(data)

        def read(self) -> str:
            return "from memory"

        def __exit__(self, *_: object) -> None:
            self.written.append("closed")

    memory = Memory()
    binary = aiofiles.threadpool.binary.AsyncBufferedIOBase
    aiofiles.threadpool.wrap.register(Memory)(lambda file, **options: binary(file, **options))
    monkeypatch.setattr(aiofiles.threadpool, "sync_open", lambda *_, **__: memory)
    async with aiofiles.open("no such file", "w") as file:
        assert await file.write("data") == 4
        assert await file.read() == "from memory"
    assert memory.written == ["data", "closed"]


async def test_the_standard_streams_are_those_of_sys(
    loop: AbstractEventLoop,
    aiofiles: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output, errors = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO())
    entered = io.TextIOWrapper(io.BytesIO(b"one\ntwo\nthree"))
    monkeypatch.setattr("sys.stdout", output)
    monkeypatch.setattr("sys.stderr", errors)
    monkeypatch.setattr("sys.stdin", entered)
    assert await aiofiles.stdout.write("text ") == 5
    await aiofiles.stdout.flush()
    await aiofiles.stdout_bytes.write(b"bytes")
    await aiofiles.stdout_bytes.flush()
    assert output.buffer.getvalue() == b"text bytes"  # type: ignore[attr-defined]
    await aiofiles.stderr.write("oh")
    await aiofiles.stderr.flush()
    await aiofiles.stderr_bytes.write(b"!")
    assert errors.buffer.getvalue() == b"oh!"  # type: ignore[attr-defined]
    assert await aiofiles.stdin_bytes.readline() == b"one\n"
    assert [line async for line in aiofiles.stdin] == ["two\n", "three"]
