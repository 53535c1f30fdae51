"""`open`: what the built-in one opens, and what it refuses, in its words."""

from __future__ import annotations

import asyncio
import builtins
import contextvars
import os
import pathlib
import sys
import threading
from typing import Any

import pytest

from aioxide import files

from .outcomes import Gate, make_tree, raised

# Each way must end alike.
pytestmark = pytest.mark.usefixtures("backend")

# Everything about an open file that can be seen from outside.
ATTRIBUTES = ("name", "mode", "closed", "encoding", "errors", "newlines", "line_buffering")
QUESTIONS = ("readable", "writable", "seekable", "isatty")


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    return make_tree(tmp_path / "root")


def facts(file: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ATTRIBUTES:
        if hasattr(file, name):
            found[name] = getattr(file, name)
    for name in QUESTIONS:
        found[name] = getattr(file, name)()
    return found


def theirs(*args: Any, **kwargs: Any) -> Any:
    try:
        with builtins.open(*args, **kwargs) as file:
            return facts(file)
    except Exception as exc:  # noqa: BLE001 - compared with another
        return raised(exc)


async def ours(*args: Any, **kwargs: Any) -> Any:
    try:
        async with files.open(*args, **kwargs) as file:
            return facts(file)
    except Exception as exc:  # noqa: BLE001 - compared with another
        return raised(exc)


MODES = (
    *[letter + more for letter in "rwax" for more in ("", "b", "+", "b+", "+b", "t", "t+")],
    *[
        "",
        "b",
        "+",
        "rw",
        "rr",
        "r++",
        "bt",
        "rbt",
        "z",
        "rz",
        "U",
        "rU",
        "r b",
        "ä",
        None,
        1,
        b"r",
    ],
)


@pytest.mark.parametrize("name", ["file", "new", "directory", "missing/new", "circle", "broken"])
async def test_every_mode_opens_or_is_refused_as_there(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path, name: str
) -> None:
    for mode in MODES:
        for path in (root / name, f"{root}/{name}", os.fsencode(root / name)):
            expected = theirs(path, mode)
            for made in ("new", "nowhere"):
                (root / made).unlink(missing_ok=True)
            assert await ours(path, mode) == expected, (mode, path)
            for made in ("new", "nowhere"):
                (root / made).unlink(missing_ok=True)


OPTIONS: tuple[dict[str, Any], ...] = (
    {"mode": "rb", "buffering": 0},
    {"mode": "rb", "buffering": 100},
    {"mode": "rb", "buffering": -2},
    {"mode": "rb", "buffering": "1"},
    {"mode": "rb", "buffering": None},
    {"mode": "rb", "buffering": 100.0},
    {"mode": "rb", "encoding": "utf-8"},
    {"mode": "rb", "errors": "strict"},
    {"mode": "rb", "newline": "\n"},
    {"buffering": 0},
    {"buffering": 1},
    {"buffering": 100},
    {"buffering": -5},
    {"encoding": "utf-8"},
    {"encoding": "latin-1", "errors": "replace", "newline": ""},
    {"encoding": "no such"},
    {"encoding": "hex"},
    {"encoding": 1},
    {"encoding": "utf\0-8"},
    {"encoding": "locale"},
    {"errors": 1},
    {"newline": "x"},
    {"newline": b"\n"},
    {"newline": "\r\n"},
    {"newline": []},
    {"closefd": False},
    {"mode": []},
)


async def test_every_option_is_taken_or_refused_as_there(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    for options in OPTIONS:
        expected = theirs(root / "file", **options)
        assert await ours(root / "file", **options) == expected, options


async def test_what_is_no_file_is_refused_as_there(
    loop: asyncio.AbstractEventLoop,
) -> None:
    files: tuple[Any, ...] = (None, 1.5, [], object(), -1, -5, 10**20, "a\0b", b"a\0b", "", 999_999)
    for file in files:
        assert await ours(file) == theirs(file), file
        assert await ours(file, "rb") == theirs(file, "rb"), file


async def test_what_makes_no_sense_is_refused_before_anything_is_done(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ValueError, match="invalid mode: 'wz'"):
        files.open(tmp_path / "new", "wz")
    with pytest.raises(LookupError, match="unknown encoding: none"):
        files.open(tmp_path / "new", "w", encoding="none")
    assert not (tmp_path / "new").exists()


async def test_a_file_is_opened_by_awaiting_and_by_entering(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    file = await files.open(root / "file", "rb")
    assert isinstance(file, files.BinaryFile)
    assert await file.read() == b"content\n"
    await file.close()
    async with files.open(root / "file", encoding="utf-8") as text:
        assert isinstance(text, files.TextFile)
        assert await text.read() == "content\n"
    assert text.closed
    async with await files.open(root / "file") as text:
        assert not text.closed
    assert text.closed
    opening = files.open(root / "file", "rb")
    first, second = await opening, await opening
    assert first is not second
    await first.close()
    await second.close()


async def test_what_the_body_raises_closes_the_file(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    with pytest.raises(KeyError):
        async with files.open(root / "file", "rb") as file:
            raise KeyError
    assert file.closed


async def test_a_descriptor_is_closed_with_its_file_or_left_open(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    descriptor = os.open(root / "file", os.O_RDONLY)
    async with files.open(descriptor, "rb", closefd=False) as file:
        assert file.name == file.fileno() == descriptor
        assert await file.read() == b"content\n"
    os.lseek(descriptor, 0, os.SEEK_SET)
    async with files.open(descriptor) as text:
        assert await text.read() == "content\n"
    with pytest.raises(OSError):
        os.fstat(descriptor)
    directory = os.open(root, os.O_RDONLY)
    expected = theirs(directory, "rb", closefd=False)
    assert await ours(directory, "rb", closefd=False) == expected
    os.close(directory)


async def test_files_are_not_inherited(loop: asyncio.AbstractEventLoop, root: pathlib.Path) -> None:
    async with files.open(root / "file", "rb") as file:
        assert not os.get_inheritable(file.fileno())
    opened = os.open(root / "file", os.O_RDONLY)
    os.set_inheritable(opened, True)
    async with files.open(root / "file", "rb", opener=lambda path, flags: opened) as file:
        assert file.fileno() == opened
        assert not os.get_inheritable(opened)


async def test_an_opener_opens_in_a_thread(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    variable = contextvars.ContextVar("variable", default="none")
    variable.set("caller's")
    calls: list[Any] = []

    def opener(path: str, flags: int) -> int:
        calls.append((path, flags, variable.get(), threading.get_ident()))
        return os.open(path, flags, 0o600)

    path = root / "new"
    async with files.open(path, "w", opener=opener) as file:
        assert file.name == str(path)
    ((given, flags, context, thread),) = calls
    assert (given, context) == (str(path), "caller's")
    assert thread != threading.get_ident()
    seen: list[int] = []
    builtins.open(
        path, "w", opener=lambda path, flags: seen.append(flags) or opener(path, flags)
    ).close()
    assert flags == seen[0]
    bad: Any
    for bad in (lambda *_: -1, lambda *_: -7, lambda *_: "x", lambda *_: None, lambda *_: 1 / 0):
        assert await ours(path, opener=bad) == theirs(path, opener=bad)

    def directory(path: str, flags: int) -> int:
        return os.open(root, os.O_RDONLY)

    assert await ours(path, opener=directory) == theirs(path, opener=directory)


async def test_lines_cannot_be_buffered_in_bytes(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    with pytest.warns(RuntimeWarning, match="line buffering") as caught:
        async with files.open(root / "file", "rb", 1) as file:
            assert await file.read() == b"content\n"
    assert caught[0].filename == __file__


@pytest.mark.parametrize("how", ["open", "Path.open", "read_text", "write_text"])
def test_who_leaves_the_encoding_to_the_locale_is_warned_where_that_is_asked_for(
    how: str, tmp_path: pathlib.Path
) -> None:
    import subprocess

    (tmp_path / "file").touch()
    call = {
        "open": "async with files.open('file'): pass",
        "Path.open": "async with files.Path('file').open(): pass",
        "read_text": "await files.Path('file').read_text()",
        "write_text": "await files.Path('file').write_text('')",
    }[how]
    source = f"import aioxide\nfrom aioxide import files\nasync def main():\n    {call}\naioxide.run(main())\n"
    (tmp_path / "program.py").write_text(source)
    program = [sys.executable, "-X", "warn_default_encoding", "program.py"]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "program.py:4: EncodingWarning: 'encoding' argument not specified" in done.stderr
    assert done.stderr.count("EncodingWarning") == 1


async def test_a_cancelled_open_leaves_nothing_open(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    await (await files.open(root / "file", "rb")).close()
    before = len(os.listdir("/proc/self/fd"))
    for turns in range(5):
        for _ in range(20):
            opening = asyncio.ensure_future(_opened(root / "file"))
            for _ in range(turns):
                await asyncio.sleep(0)
            opening.cancel()
            try:
                file = await opening
            except asyncio.CancelledError:
                continue
            await file.close()
    await loop.shutdown_default_executor()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_who_waits_for_the_other_end_of_a_fifo_can_be_cancelled(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    async def read(name: str) -> bytes:
        async with files.open(root / name, "rb") as file:
            return await file.read()

    for _ in range(3):
        opening = asyncio.ensure_future(read("fifo"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not opening.done()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    # Another one: those who were cancelled may be at that end for a moment yet.
    os.mkfifo(root / "other")
    reading = asyncio.ensure_future(read("other"))
    async with files.open(root / "other", "wb") as file:
        await file.write(b"through")
    assert await reading == b"through"


async def _opened(path: pathlib.Path) -> files.BinaryFile:
    return await files.open(path, "rb")


async def test_a_cancelled_opener_s_descriptor_is_closed(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    gate = Gate()
    opened: list[int] = []

    def opener(path: str, flags: int) -> int:
        gate.pass_through()
        opened.append(os.open(path, flags))
        return opened[0]

    async def open_slowly() -> None:
        await files.open(root / "file", "rb", opener=opener)

    opening = asyncio.ensure_future(open_slowly())
    await gate.arrival()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    gate.open()
    await loop.shutdown_default_executor()
    with pytest.raises(OSError):
        os.fstat(opened[0])


async def test_a_path_opens_what_it_leads_to(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    path = files.Path(root / "file")
    async with path.open("rb") as file:
        assert await file.read() == b"content\n"
    async with await path.open(encoding="utf-8") as text:
        assert await text.read() == "content\n"
    assert file.name == str(path)
    with pytest.raises(FileNotFoundError):
        async with files.Path(root / "missing").open():
            pass
