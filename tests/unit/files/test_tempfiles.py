"""Temporary files and directories: made as `tempfile` makes them, and gone when they should be."""

from __future__ import annotations

import asyncio
import gc
import os
import pathlib
import stat
import subprocess
import sys
import tempfile as blocking_tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aioxide.files import BinaryFile, Path, TextFile, tempfile

from .outcomes import Gate, awaited, blocking


@pytest.fixture
def place(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The directory in which temporary files are made."""
    monkeypatch.setattr(blocking_tempfile, "tempdir", str(tmp_path))
    return tmp_path


async def test_a_temporary_file_has_no_name_and_is_gone_when_it_is_closed(
    loop: asyncio.AbstractEventLoop, place: pathlib.Path
) -> None:
    async with tempfile.TemporaryFile() as file:
        assert isinstance(file, BinaryFile)
        assert os.listdir(place) == []
        assert file.name == file.fileno()
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
        await file.write(b"for a while")
        await file.seek(0)
        assert await file.read() == b"for a while"
    assert file.closed
    async with await tempfile.TemporaryFile("w+", encoding="utf-8") as text:
        assert isinstance(text, TextFile)
        await text.write("ä")


async def test_where_there_are_no_nameless_files_the_name_is_removed(
    loop: asyncio.AbstractEventLoop, place: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)
    async with tempfile.TemporaryFile(suffix=".x") as file:
        assert os.listdir(place) == []
        await file.write(b"for a while")


@pytest.mark.parametrize("kind", ["TemporaryFile", "NamedTemporaryFile"])
async def test_what_cannot_be_made_is_refused_as_there(
    loop: asyncio.AbstractEventLoop, place: pathlib.Path, kind: str
) -> None:
    async def ours(**options: Any) -> None:
        async with getattr(tempfile, kind)(**options):
            pass

    def theirs(**options: Any) -> None:
        with getattr(blocking_tempfile, kind)(**options):
            pass

    options: dict[str, Any]
    for options in (
        {"mode": "z"},
        {"mode": "rw"},
        {"mode": "w", "encoding": "no such"},
        {"mode": "wb", "encoding": "utf-8"},
        {"buffering": 0, "mode": "w"},
        {"suffix": b"a", "prefix": "b"},
        {"suffix": "a/b"} if kind == "NamedTemporaryFile" else {},
    ):
        mine, other = await awaited(ours, **options), blocking(theirs, **options)
        if "a/b" in options.values():
            # Its name is made up.
            mine, other = mine[:2], other[:2]  # type: ignore[index]
        assert mine == other
        assert os.listdir(place) == []
    missing = await awaited(ours, dir=place / "missing")
    assert missing[1] is FileNotFoundError  # type: ignore[index]


@pytest.mark.parametrize("mode", ["w+b", "w", "r", "rb+", "ab"])
async def test_a_named_file_has_a_name_until_it_is_closed(
    loop: asyncio.AbstractEventLoop, place: pathlib.Path, mode: str
) -> None:
    kind = BinaryFile if "b" in mode else TextFile
    async with tempfile.NamedTemporaryFile(mode, prefix="a-", suffix=".txt") as file:
        assert isinstance(file, kind)
        path = pathlib.Path(file.name)
        assert path.parent == place
        assert path.name.startswith("a-")
        assert path.suffix == ".txt"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert file.closed
    assert os.listdir(place) == []
    file = await tempfile.NamedTemporaryFile(mode)
    assert os.listdir(place) == [os.path.basename(file.name)]
    await file.close()
    await file.close()
    assert os.listdir(place) == []


async def test_who_removes_the_name_decides(
    loop: asyncio.AbstractEventLoop, place: pathlib.Path
) -> None:
    async with tempfile.NamedTemporaryFile("w", delete_on_close=False) as file:
        await file.write("content")
        await file.close()
        assert await Path(file.name).read_text() == "content"
    assert os.listdir(place) == []
    async with tempfile.NamedTemporaryFile(delete=False) as kept:
        pass
    assert os.listdir(place) == [os.path.basename(kept.name)]
    os.unlink(kept.name)
    # Who has removed it already is told, as by Python's.
    with pytest.raises(FileNotFoundError):
        async with tempfile.NamedTemporaryFile() as gone:
            os.unlink(gone.name)
    assert gone.closed


async def test_a_named_file_that_is_forgotten_leaves_no_name(
    loop: asyncio.AbstractEventLoop, place: pathlib.Path
) -> None:
    file = await tempfile.NamedTemporaryFile(delete_on_close=False)
    await file.close()
    assert len(os.listdir(place)) == 1
    del file
    gc.collect()
    assert os.listdir(place) == []


def test_nothing_is_left_by_a_program_that_ends(tmp_path: pathlib.Path) -> None:
    source = """
import aioxide, warnings
from aioxide.files import tempfile
async def main():
    global kept
    warnings.simplefilter("ignore")
    kept = await tempfile.NamedTemporaryFile(), await tempfile.TemporaryDirectory()
aioxide.run(main())
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", source], env=environment, check=True)
    assert os.listdir(tmp_path) == []


async def test_mkstemp_and_mkdtemp_make_what_those_of_tempfile_make(
    loop: asyncio.AbstractEventLoop, place: pathlib.Path
) -> None:
    descriptor, path = await tempfile.mkstemp(".txt", "a-")
    os.close(descriptor)
    assert os.path.dirname(path) == str(place)
    assert path.endswith(".txt")
    directory = await tempfile.mkdtemp(b".d", None, os.fsencode(place))
    assert os.path.isdir(directory)
    assert directory.endswith(b".d")
    assert len(os.listdir(place)) == 2
    for function in ("mkstemp", "mkdtemp"):
        for args in (("a", b"b"), (1,)):
            ours, theirs = getattr(tempfile, function), getattr(blocking_tempfile, function)
            assert await awaited(ours, *args) == blocking(theirs, *args)


async def test_the_place_of_temporary_files_is_that_of_tempfile(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await tempfile.gettempdir() == blocking_tempfile.gettempdir()
    assert await tempfile.gettempdirb() == blocking_tempfile.gettempdirb()
    monkeypatch.setattr(blocking_tempfile, "tempdir", None)
    assert await tempfile.gettempdir() == blocking_tempfile.gettempdir()


async def test_a_temporary_directory_is_removed_with_all_in_it(
    loop: asyncio.AbstractEventLoop, place: pathlib.Path
) -> None:
    async with tempfile.TemporaryDirectory("s", "p") as path:
        assert isinstance(path, str)
        assert os.path.dirname(path) == str(place)
        (pathlib.Path(path) / "a" / "b").mkdir(parents=True)
    assert os.listdir(place) == []
    async with tempfile.TemporaryDirectory(prefix=b"p") as raw:
        assert isinstance(raw, bytes)
    directory = tempfile.TemporaryDirectory()
    with pytest.raises(ValueError, match="not been made"):
        assert directory.name
    assert (await directory).name in repr(directory)
    assert os.listdir(place) == [os.path.basename(directory.name)]
    await directory.cleanup()
    assert os.listdir(place) == []


async def test_a_temporary_directory_may_stay(
    loop: asyncio.AbstractEventLoop, place: pathlib.Path
) -> None:
    async with tempfile.TemporaryDirectory(delete=False) as path:
        pass
    gc.collect()
    assert os.listdir(place) == [os.path.basename(path)]
    os.rmdir(path)


class CountingExecutor(ThreadPoolExecutor):
    """The threads of a loop, and how often it has hopped to one."""

    hops = 0

    def submit(self, *call: Any, **keywords: Any) -> Any:
        """Make a call in a thread."""
        self.hops += 1
        return super().submit(*call, **keywords)


async def test_a_temporary_directory_takes_two_hops_however_much_is_in_it(
    loop: asyncio.AbstractEventLoop,
) -> None:
    executor = CountingExecutor()
    loop.set_default_executor(executor)
    directory = await tempfile.TemporaryDirectory()
    assert executor.hops == 1
    for number in range(200):
        (pathlib.Path(directory.name) / f"{number}").mkdir()
        (pathlib.Path(directory.name) / f"{number}" / "file").touch()
    turns = 0
    cleaning = asyncio.ensure_future(directory.cleanup())
    while not cleaning.done():
        turns += 1
        await asyncio.sleep(0)
    assert executor.hops == 2
    assert turns > 10
    assert not os.path.exists(directory.name)


@pytest.mark.parametrize("ignores", [True, False])
async def test_what_cannot_be_removed_is_told_or_ignored_as_there(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path, ignores: bool
) -> None:
    ours = await tempfile.TemporaryDirectory(dir=tmp_path, ignore_cleanup_errors=ignores)
    its = blocking_tempfile.TemporaryDirectory(dir=tmp_path, ignore_cleanup_errors=ignores)
    for path in (ours.name, its.name):
        # Nobody removes a tree through a link.
        os.rmdir(path)
        os.symlink(tmp_path, path)
    here, there = await awaited(ours.cleanup), blocking(its.cleanup)
    assert str(here).replace(ours.name, its.name) == str(there)
    assert os.path.islink(ours.name) == os.path.islink(its.name)


async def test_a_directory_that_is_forgotten_is_removed_with_a_warning(
    loop: asyncio.AbstractEventLoop, place: pathlib.Path
) -> None:
    directory = await tempfile.TemporaryDirectory()
    with pytest.warns(ResourceWarning, match="Implicitly cleaning up"):
        del directory
        gc.collect()
    assert os.listdir(place) == []


@pytest.mark.parametrize(
    "kind",
    ["TemporaryFile", "NamedTemporaryFile", "TemporaryDirectory", "mkstemp", "mkdtemp"],
)
async def test_what_nobody_waits_for_any_more_is_removed(
    loop: asyncio.AbstractEventLoop,
    place: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    gate = Gate()
    made: list[Any] = []

    def slow(function: Any) -> Any:
        def hold_up(*args: Any, **kwargs: Any) -> Any:
            made.append(function(*args, **kwargs))
            gate.pass_through()
            return made[-1]

        return hold_up

    for name in ("mkstemp", "mkdtemp"):
        monkeypatch.setattr(blocking_tempfile, name, slow(getattr(blocking_tempfile, name)))
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)
    await awaited(Path(place).exists)
    before = len(os.listdir("/proc/self/fd"))

    async def make() -> None:
        await getattr(tempfile, kind)()

    making = asyncio.ensure_future(make())
    await gate.arrival()
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    gate.open()
    await loop.shutdown_default_executor()
    assert len(made) == 1
    assert os.listdir(place) == []
    assert len(os.listdir("/proc/self/fd")) == before
