"""Copies, moves and removals: what `shutil` does, with a progress to watch, and an end before the end."""

from __future__ import annotations

import asyncio
import contextvars
import os
import pathlib
import resource
import shutil
import signal
import threading
from typing import Any

import pytest

from aioxide import files
from aioxide.files import pieces

from .outcomes import Gate, awaited, blocking, make_tree, tree

COPIES = ("copy", "copy2", "copyfile")
MEBIBYTE = 1 << 20


@pytest.fixture
def large(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "large"
    path.write_bytes(os.urandom(MEBIBYTE) * 5)
    return path


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_PIECE_BYTES", MEBIBYTE)


PAIRS = (
    ("file", "new"),
    ("file", "empty"),
    ("file", "file"),
    ("file", "to_file"),
    ("file", "directory"),
    ("file", "missing/new"),
    ("file", "missing/"),
    ("file", "fifo"),
    ("file", "broken"),
    ("file", "circle"),
    ("file", ""),
    ("file", "a\0b"),
    ("fifo", "new"),
    ("directory", "new"),
    ("missing", "new"),
    ("broken", "new"),
    ("circle", "new"),
    ("to_file", "new"),
    ("empty", "new"),
    ("file/below", "new"),
    ("directory/inner", "file"),
    ("directory/inner", "hollow"),
)


@pytest.mark.parametrize("follow_symlinks", [True, False])
@pytest.mark.parametrize("function", COPIES)
async def test_a_copy_is_what_shutil_makes(
    loop: asyncio.AbstractEventLoop,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    follow_symlinks: bool,
) -> None:
    given = {"follow_symlinks": follow_symlinks}
    for number, pair in enumerate(PAIRS):
        ours, theirs = (make_tree(tmp_path / f"{side}{number}") for side in ("ours", "theirs"))
        monkeypatch.chdir(ours)
        outcome = await awaited(getattr(files, function), *pair, **given)
        monkeypatch.chdir(theirs)
        assert outcome == blocking(getattr(shutil, function), *pair, **given), pair
        assert tree(ours) == tree(theirs), pair


async def test_copies_take_bytes_and_path_like_names(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path
) -> None:
    root = make_tree(tmp_path / "root")
    source, copy = os.fsencode(root / "file"), os.fsencode(root / "copy")
    assert await files.copyfile(source, copy) == copy
    assert await files.copy(root / "file", files.Path(root) / "hollow") == f"{root}/hollow/file"
    assert (root / "copy").read_bytes() == (root / "hollow" / "file").read_bytes() == b"content\n"


async def test_times_and_modes_are_copied_where_they_should_be(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path
) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.touch(mode=0o604)
    os.utime(source, (1000, 2000))
    await files.copyfile(source, copy)
    assert copy.stat().st_mode & 0o777 != 0o604
    await files.copymode(source, copy)
    assert copy.stat().st_mode & 0o777 == 0o604
    assert copy.stat().st_mtime != 2000
    await files.copystat(source, copy)
    assert copy.stat().st_mtime == 2000
    assert await files.copy2(source, tmp_path / "second") == tmp_path / "second"
    assert (tmp_path / "second").stat().st_mtime == 2000


@pytest.mark.usefixtures("small_pieces")
async def test_progress_is_told_up_to_the_end(
    loop: asyncio.AbstractEventLoop, large: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    told: list[tuple[int, int]] = []
    threads = set()

    def progress(copied: int, total: int) -> None:
        told.append((copied, total))
        threads.add(threading.get_ident())

    for function in (files.copy, files.copy2, files.copyfile):
        told.clear()
        await function(large, tmp_path / "copy", progress=progress)
        assert told[-1] == (5 * MEBIBYTE, 5 * MEBIBYTE)
        assert told == sorted(set(told))
        assert {total for _, total in told} == {5 * MEBIBYTE}
        assert (tmp_path / "copy").read_bytes() == large.read_bytes()
    assert threads == {threading.get_ident()}


async def test_an_empty_file_is_told_of_once(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path
) -> None:
    told: list[tuple[int, int]] = []
    (tmp_path / "empty").touch()
    await files.copy(tmp_path / "empty", tmp_path / "copy", progress=lambda *now: told.append(now))
    assert told == [(0, 0)]


async def test_what_has_no_length_is_copied_too(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path
) -> None:
    await files.copyfile("/proc/version", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == pathlib.Path("/proc/version").read_bytes()
    told: list[tuple[int, int]] = []
    await files.copyfile("/proc/version", tmp_path / "copy", progress=lambda *now: told.append(now))
    assert told[-1] == ((tmp_path / "copy").stat().st_size,) * 2


@pytest.mark.usefixtures("small_pieces")
async def test_what_progress_raises_ends_the_copy(
    loop: asyncio.AbstractEventLoop, large: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    def refuse(copied: int, total: int) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        await files.copy(large, tmp_path / "copy", progress=refuse)
    assert (tmp_path / "copy").exists()


class _SlowPieces:
    """Holds a copy up after its first piece."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gate = Gate()
        self.count = 0
        copy_file_range = os.copy_file_range

        def held(*args: Any) -> int:
            copied = copy_file_range(*args)
            self.count += 1
            self.gate.pass_through()
            return copied

        monkeypatch.setattr(os, "copy_file_range", held)


@pytest.mark.usefixtures("small_pieces")
async def test_a_cancelled_copy_ends_with_its_piece(
    loop: asyncio.AbstractEventLoop,
    large: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = _SlowPieces(monkeypatch)
    copying = asyncio.ensure_future(files.copy(large, tmp_path / "copy"))
    await slow.gate.arrival()
    copying.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    # It says so only when nothing is written any more.
    assert not copying.done()
    slow.gate.open()
    with pytest.raises(asyncio.CancelledError):
        await copying
    assert slow.count == 1
    assert (tmp_path / "copy").read_bytes() == large.read_bytes()[:MEBIBYTE]


@pytest.mark.usefixtures("small_pieces")
async def test_a_cancelled_tree_leaves_what_was_copied(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in "abc":
        (source / name).write_bytes(b"x" * 100)
    slow = _SlowPieces(monkeypatch)
    copying = asyncio.ensure_future(files.copytree(source, tmp_path / "copy"))
    await slow.gate.arrival()
    copying.cancel()
    # The cancellation has arrived before the piece ends.
    for _ in range(3):
        await asyncio.sleep(0)
    slow.gate.open()
    with pytest.raises(asyncio.CancelledError):
        await copying
    assert slow.count == 1
    assert len(os.listdir(tmp_path / "copy")) == 1


async def test_an_error_of_the_copy_names_both_files(
    loop: asyncio.AbstractEventLoop, large: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (MEBIBYTE, limits[1]))
        ours = await awaited(files.copyfile, large, tmp_path / "ours")
        theirs = blocking(shutil.copyfile, large, tmp_path / "theirs")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert repr(ours) == repr(theirs).replace("theirs", "ours")
    assert "File too large" in repr(ours)


TREES: tuple[dict[str, Any], ...] = (
    {},
    {"symlinks": True},
    {"ignore_dangling_symlinks": True},
    {"ignore": shutil.ignore_patterns("fifo", "circle", "broken")},
    {"ignore": shutil.ignore_patterns("fifo", "*.txt"), "symlinks": True},
    {"ignore": shutil.ignore_patterns("fifo"), "symlinks": True, "dirs_exist_ok": True},
)


@pytest.mark.parametrize("copy_function", COPIES)
async def test_a_tree_is_copied_as_by_shutil(
    loop: asyncio.AbstractEventLoop,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    copy_function: str,
) -> None:
    cases = [(target, options) for target in ("new", "hollow", "file") for options in TREES]
    for number, (target, options) in enumerate(cases):
        sides = [make_tree(tmp_path / f"{side}{number}") for side in ("ours", "theirs")]
        outcomes = []
        for module, base in zip((files, shutil), sides, strict=True):
            make_tree(base / "source")
            monkeypatch.chdir(base)
            given = {"copy_function": getattr(module, copy_function), **options}
            if module is files:
                outcomes.append(await awaited(files.copytree, "source", target, **given))
            else:
                outcomes.append(blocking(shutil.copytree, "source", target, **given))
        assert outcomes[0] == outcomes[1], (target, options)
        assert tree(sides[0]) == tree(sides[1]), (target, options)


async def test_a_tree_is_told_of_as_a_whole(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path
) -> None:
    source = make_tree(tmp_path / "source")
    for options in TREES[4], TREES[5], {"ignore": TREES[3]["ignore"]}:
        told: list[tuple[int, int]] = []
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        await files.copytree(
            source, tmp_path / "copy", progress=lambda *now, told=told: told.append(now), **options
        )
        assert told[-1][0] == told[-1][1] > 0
        assert len({total for _, total in told}) == 1


async def test_functions_of_the_callers_run_in_a_thread_and_its_context(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path
) -> None:
    source = make_tree(tmp_path / "source")
    variable = contextvars.ContextVar("variable", default="none")
    variable.set("caller's")
    seen = set()

    def copy_function(src: str, dst: str) -> None:
        seen.add((variable.get(), threading.get_ident() == threading.main_thread().ident))

    await files.copytree(
        source, tmp_path / "copy", ignore=TREES[3]["ignore"], copy_function=copy_function
    )
    assert seen == {("caller's", False)}

    async def unfit(src: str, dst: str) -> None:
        raise AssertionError

    for function in (files.copytree, files.move):
        with pytest.raises(TypeError, match="copy_function must not be a coroutine function"):
            await function(source, tmp_path / "copy", copy_function=unfit)


MOVES = (
    *[("file", target) for target in ("new", "empty", "directory", "missing/new", "hollow")],
    *[("directory", target) for target in ("new", "hollow", "file", "directory/deep")],
    *[("missing", "new"), ("broken", "new"), ("to_directory", "new"), ("file", "file")],
)


async def test_a_move_does_what_shutil_does(
    loop: asyncio.AbstractEventLoop,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number, pair in enumerate(MOVES):
        ours, theirs = (make_tree(tmp_path / f"{side}{number}") for side in ("ours", "theirs"))
        monkeypatch.chdir(ours)
        outcome = await awaited(files.move, *pair)
        monkeypatch.chdir(theirs)
        assert outcome == blocking(shutil.move, *pair), pair
        assert tree(ours) == tree(theirs), pair


async def test_a_move_by_name_copies_nothing(
    loop: asyncio.AbstractEventLoop, large: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    inode = large.stat().st_ino
    told: list[tuple[int, int]] = []
    moved = await files.move(large, tmp_path / "moved", progress=lambda *now: told.append(now))
    assert moved == tmp_path / "moved"
    assert moved.stat().st_ino == inode
    assert told == []


async def test_a_move_to_another_file_system_is_a_copy(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path
) -> None:
    shared = pathlib.Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    other = shared / f"aioxide-{os.getpid()}-{threading.get_ident()}"
    source = make_tree(tmp_path / "source")
    (source / "fifo").unlink()
    before = tree(source)
    told: list[tuple[int, int]] = []
    try:
        await files.move(source, other, progress=lambda *now: told.append(now))
        assert tree(other) == before
        assert not source.exists()
        assert told[-1][0] == told[-1][1] > 0
        await files.move(other / "file", source)
        assert source.read_bytes() == b"content\n"
        assert not (other / "file").exists()
    finally:
        shutil.rmtree(other, ignore_errors=True)


@pytest.mark.parametrize(
    "name", ["root", "root/file", "root/to_directory", "missing", "root/hollow"]
)
@pytest.mark.parametrize("ignore_errors", [True, False])
async def test_rmtree_removes_what_shutil_removes(
    loop: asyncio.AbstractEventLoop,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    ignore_errors: bool,
) -> None:
    results = []
    for side in ("ours", "theirs"):
        (tmp_path / side).mkdir()
        make_tree(tmp_path / side / "root")
        monkeypatch.chdir(tmp_path / side)
        if side == "ours":
            outcome = await awaited(files.rmtree, name, ignore_errors)
        else:
            outcome = blocking(shutil.rmtree, name, ignore_errors)
        results.append((outcome, tree(tmp_path / side)))
    ours, theirs = results
    assert ours == theirs
