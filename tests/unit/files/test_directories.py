"""Directories: `scandir`, `listdir` and `walk` give out what those of `os` do, in batches, and are closed."""

from __future__ import annotations

import asyncio
import os
import pathlib
import shutil
import stat
from typing import Any

import pytest

from aioxide import files
from aioxide.files import batches

from .outcomes import NAMES, Gate, awaited, blocking, iterated, make_tree


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    return make_tree(tmp_path / "root")


async def test_scandir_gives_out_every_entry(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    for path in (root, str(root), os.fsencode(root)):
        ours: dict[Any, Any] = {}
        async with files.scandir(path) as entries:
            async for entry in entries:
                ours[entry.name] = entry
        with os.scandir(path) as found:
            theirs = {entry.name: entry for entry in found}
        assert list(ours) == list(theirs)
        for name, entry in ours.items():
            original: Any = theirs[name]
            assert entry.path == original.path
            assert entry.inode() == original.inode()
            assert os.fspath(entry) == os.fspath(original)
            assert repr(entry) == repr(original)
            assert await awaited(entry.is_symlink) == blocking(original.is_symlink)
            for question in ("is_dir", "is_file", "stat"):
                ask, answer = getattr(entry, question), getattr(original, question)
                assert await awaited(ask) == blocking(answer), (name, question)
                assert await awaited(ask) == blocking(answer), (name, question)
                assert await awaited(ask, follow_symlinks=False) == blocking(
                    answer, follow_symlinks=False
                )
            assert not await entry.is_junction()


async def test_scandir_takes_the_working_directory_and_descriptors(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    expected = sorted((entry.name, entry.path) for entry in os.scandir())
    assert sorted([(entry.name, entry.path) async for entry in files.scandir()]) == expected
    assert sorted(await files.listdir()) == sorted(os.listdir())
    directory = os.open(root, os.O_RDONLY)
    try:
        async for entry in files.scandir(directory):
            assert entry.path == entry.name
            assert await entry.stat(follow_symlinks=False) == os.lstat(root / entry.name)
    finally:
        os.close(directory)


@pytest.mark.parametrize("name", NAMES)
async def test_what_cannot_be_read_is_refused_in_the_words_of_os(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path, name: str
) -> None:
    for path in (f"{root}/{name}", root / name):
        theirs = blocking(lambda path=path: [entry.name for entry in os.scandir(path)])

        async def entered(path: Any = path) -> list[str]:
            async with files.scandir(path) as entries:
                return [entry.name async for entry in entries]

        async def opened(path: Any = path) -> list[str]:
            return [entry.name async for entry in await files.scandir(path)]

        async def iterated(path: Any = path) -> list[str]:
            return [entry.name async for entry in files.scandir(path)]

        assert await awaited(entered) == theirs
        assert await awaited(opened) == theirs
        assert await awaited(iterated) == theirs
        assert await awaited(files.listdir, path) == blocking(os.listdir, path)


async def test_a_scan_ends_for_good_after_an_error(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    scan = files.scandir(root / "missing")
    with pytest.raises(FileNotFoundError):
        await anext(scan)
    with pytest.raises(StopAsyncIteration):
        await anext(scan)


async def test_what_was_answered_is_remembered(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    entries = {entry.name: entry async for entry in files.scandir(root)}
    sizes = {name: (await entries[name].stat()).st_size for name in ("file", "to_file")}
    assert await entries["to_directory"].is_dir()
    shutil.rmtree(root)
    assert sizes == {"file": 8, "to_file": 8}
    for name, size in sizes.items():
        assert (await entries[name].stat()).st_size == size
    assert (await entries["file"].stat(follow_symlinks=False)).st_size == 8
    assert await entries["to_directory"].is_dir()
    # What the directory says, it has said.
    assert await entries["directory"].is_dir()
    assert await entries["empty"].is_file()
    assert await entries["broken"].is_symlink()
    assert not await entries["broken"].is_file(follow_symlinks=False)
    # What nobody has asked before is asked now.
    with pytest.raises(FileNotFoundError):
        await entries["to_file"].stat(follow_symlinks=False)


class _Unknown:
    """An entry of a directory that does not say what is in it."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = str(path)


@pytest.mark.parametrize("name", ["file", "directory", "to_file", "broken", "circle", "missing"])
async def test_what_the_directory_does_not_say_is_asked(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path, name: str
) -> None:
    unknown: Any = _Unknown(root / name)
    entry = files.DirEntry(unknown, None, None)
    path = root / name
    assert await entry.is_symlink() == path.is_symlink()
    for follow_symlinks in (True, False):
        given = {"follow_symlinks": follow_symlinks}
        if name == "circle" and follow_symlinks:
            with pytest.raises(OSError, match="Too many levels"):
                await entry.is_dir()
            continue
        assert await entry.is_dir(**given) == _is(stat.S_ISDIR, path, follow_symlinks)
        assert await entry.is_file(**given) == _is(stat.S_ISREG, path, follow_symlinks)


def _is(kind: Any, path: pathlib.Path, follow_symlinks: bool) -> bool:
    try:
        return bool(kind(os.stat(path, follow_symlinks=follow_symlinks).st_mode))
    except FileNotFoundError:
        return False


async def test_a_large_directory_takes_few_hops(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_PATIENCE_S", 20.0)
    for number in range(3000):
        (tmp_path / str(number)).touch()
    hops = []
    run_in_executor = loop.run_in_executor

    def counted(executor: Any, function: Any, *args: Any) -> Any:
        hops.append(function)
        return run_in_executor(executor, function, *args)

    monkeypatch.setattr(loop, "run_in_executor", counted)
    names = [entry.name async for entry in files.scandir(tmp_path)]
    assert sorted(names) == sorted(map(str, range(3000)))
    assert len(hops) == 3


async def test_closing_a_scan_ends_it_and_closes_the_directory(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path
) -> None:
    for number in range(2000):
        (tmp_path / str(number)).touch()
    before = len(os.listdir("/proc/self/fd"))
    async with files.scandir(tmp_path) as entries:
        await anext(entries)
        assert len(os.listdir("/proc/self/fd")) == before + 1
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(StopAsyncIteration):
        await anext(entries)
    await entries.aclose()
    unused = files.scandir(tmp_path)
    await unused.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(unused)


class _Held(batches.Batches[int, int]):
    """Numbers, whose source waits to be let go."""

    __slots__ = ("closed", "gate")

    def __init__(self, gate: Gate, count: int, items_max: int) -> None:
        self.gate = gate
        self.closed = False
        super().__init__(lambda: self._numbers(count), items_max)

    def _numbers(self, count: int) -> Any:
        try:
            self.gate.pass_through()
            yield from range(count)
        finally:
            self.closed = True

    def _given_out(self, drawn: int) -> int:
        return drawn


async def test_a_cancelled_step_loses_nothing(loop: asyncio.AbstractEventLoop) -> None:
    gate = Gate()
    held = _Held(gate, 5, 2)
    step = asyncio.ensure_future(anext(held))
    await gate.arrival()
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    gate.open()
    assert [number async for number in held] == [0, 1, 2, 3, 4]


async def test_closing_waits_for_a_step_that_was_cancelled(
    loop: asyncio.AbstractEventLoop,
) -> None:
    gate = Gate()
    held = _Held(gate, 5, 2)
    step = asyncio.ensure_future(anext(held))
    await gate.arrival()
    step.cancel()
    closing = asyncio.ensure_future(held.aclose())
    await asyncio.wait([step])
    assert not closing.done()
    assert not held.closed
    gate.open()
    await closing
    assert held.closed
    assert [number async for number in held] == []


async def test_two_tasks_share_an_iterator(loop: asyncio.AbstractEventLoop) -> None:
    gate = Gate()
    gate.open()
    held = _Held(gate, 100, 7)

    async def take() -> list[int]:
        return [number async for number in held]

    taken = await asyncio.gather(take(), take())
    assert sorted(taken[0] + taken[1]) == list(range(100))


async def test_an_error_comes_after_all_that_came_before_it(
    loop: asyncio.AbstractEventLoop,
) -> None:
    class Failing(batches.Batches[int, int]):
        def _given_out(self, drawn: int) -> int:
            return drawn

    def numbers() -> Any:
        yield 1
        yield 2
        raise OSError("no more")

    got = []
    with pytest.raises(OSError, match="no more"):
        async for number in Failing(numbers):
            got.append(number)
    assert got == [1, 2]


@pytest.mark.parametrize("topdown", [True, False])
@pytest.mark.parametrize("followlinks", [True, False])
async def test_walk_goes_where_that_of_os_goes(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path, topdown: bool, followlinks: bool
) -> None:
    for top in (str(root), root, os.fsencode(root), root / "missing", root / "file"):
        given = {"topdown": topdown, "followlinks": followlinks}
        assert await iterated(files.walk, top, **given) == blocking(
            lambda top=top, given=given: list(os.walk(top, **given))
        )


async def test_who_walks_from_the_top_may_choose_the_way(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    (root / "directory" / "other").mkdir()
    visited = []
    async for path, directories, _ in files.walk(root):
        directories.sort(reverse=True)
        if "deep" in directories:
            directories.remove("deep")
        visited.append(os.path.relpath(path, root))
    assert visited == [".", "hollow", "directory", "directory/other"]


@pytest.mark.parametrize("topdown", [True, False])
async def test_walk_tells_of_directories_that_cannot_be_read(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path, topdown: bool
) -> None:
    told: dict[str, list[Any]] = {"ours": [], "theirs": []}

    def visit(side: str, visited: Any) -> None:
        path, directories, names = visited
        told[side].append((path, list(directories), names))
        if topdown:
            # By the time that it is gone into, it is no more.
            shutil.rmtree(tmp_path / "root" / "directory", ignore_errors=True)

    make_tree(tmp_path / "root")
    for visited in os.walk(
        tmp_path / "root",
        topdown,
        lambda exc: told["theirs"].append((type(exc), exc.errno, exc.filename)),
    ):
        visit("theirs", visited)
    shutil.rmtree(tmp_path / "root")
    make_tree(tmp_path / "root")
    async for visited in files.walk(
        tmp_path / "root",
        topdown,
        lambda exc: told["ours"].append((type(exc), exc.errno, exc.filename)),
    ):
        visit("ours", visited)
    assert told["ours"] == told["theirs"]
    missing: list[Any] = []
    async for _ in files.walk(tmp_path / "missing", topdown, missing.append):
        pass
    assert [exc.errno for exc in missing] == [2]


async def test_what_onerror_raises_ends_the_walk(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path
) -> None:
    def refuse(exc: OSError) -> None:
        raise exc

    walk = files.walk(tmp_path / "missing", onerror=refuse)
    with pytest.raises(FileNotFoundError):
        await anext(walk)
    with pytest.raises(StopAsyncIteration):
        await anext(walk)
