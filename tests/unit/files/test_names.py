"""Functions of `os` and `os.path`: awaited, they do what they do, and fail as they fail."""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import pathlib
from typing import Any

import pytest

from aioxide import files

from .outcomes import NAMES, awaited, blocking, make_tree, tree

# Each way must end alike.
pytestmark = pytest.mark.usefixtures("backend")

QUESTIONS = (
    "exists",
    "getatime",
    "getctime",
    "getmtime",
    "getsize",
    "isdir",
    "isfile",
    "islink",
    "ismount",
    "lexists",
    "realpath",
)


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    return make_tree(tmp_path / "root")


@pytest.mark.parametrize("question", QUESTIONS)
async def test_questions_are_answered_as_by_os_path(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path, question: str
) -> None:
    ours, theirs = getattr(files, question), getattr(os.path, question)
    for name in NAMES:
        for path in (f"{root}/{name}", os.fsencode(f"{root}/{name}"), root / name):
            assert await awaited(ours, path) == blocking(theirs, path), path
    strange: Any
    for strange in (None, 1.5, []):
        assert await awaited(ours, strange) == blocking(theirs, strange)


def test_arguments_have_the_names_that_they_have_in_os() -> None:
    for name in [*QUESTIONS, "samefile"]:
        ours, theirs = (
            list(inspect.signature(getattr(module, name)).parameters) for module in (files, os.path)
        )
        assert ours == theirs, name


async def test_realpath_can_be_strict(loop: asyncio.AbstractEventLoop, root: pathlib.Path) -> None:
    for name in NAMES:
        path = f"{root}/{name}"
        assert await awaited(files.realpath, path, strict=True) == blocking(
            os.path.realpath, path, strict=True
        )


async def test_samefile_compares_files_and_not_names(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    for name in NAMES:
        for other in ("file", "directory", "missing"):
            pair = root / name, root / other
            assert await awaited(files.samefile, *pair) == blocking(os.path.samefile, *pair)


@pytest.mark.parametrize("follow_symlinks", [True, False])
async def test_stat_says_what_os_says(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path, follow_symlinks: bool
) -> None:
    for name in NAMES:
        for path in (f"{root}/{name}", os.fsencode(f"{root}/{name}"), root / name):
            assert await awaited(files.stat, path, follow_symlinks=follow_symlinks) == blocking(
                os.stat, path, follow_symlinks=follow_symlinks
            )
            assert await awaited(files.lstat, path) == blocking(os.lstat, path)
            assert await awaited(files.access, path, os.R_OK) == blocking(os.access, path, os.R_OK)
            assert await awaited(files.readlink, path) == blocking(os.readlink, path)


async def test_a_stat_result_has_everything(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    ours, theirs = await files.stat(root / "file"), os.stat(root / "file")
    assert type(ours) is os.stat_result
    for name in dir(theirs):
        if name.startswith("st_"):
            assert getattr(ours, name) == getattr(theirs, name), name


async def test_statvfs_tells_of_the_file_system(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    assert (await files.statvfs(root)).f_namemax == os.statvfs(root).f_namemax
    missing = root / "missing"
    assert await awaited(files.statvfs, missing) == blocking(os.statvfs, missing)


async def test_a_descriptor_stands_for_a_path_and_for_a_directory(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    directory = os.open(root, os.O_RDONLY)
    try:
        assert await files.stat(directory) == os.stat(root)
        assert await files.stat("file", dir_fd=directory) == os.stat(root / "file")
        assert await files.lstat("broken", dir_fd=directory) == os.lstat(root / "broken")
        assert await files.access("file", os.R_OK, dir_fd=directory)
        assert await files.readlink("to_file", dir_fd=directory) == "file"
        await files.mkdir("made", dir_fd=directory)
        await files.rename("made", "renamed", src_dir_fd=directory, dst_dir_fd=directory)
        await files.rmdir("renamed", dir_fd=directory)
        await files.symlink("file", "linked", dir_fd=directory)
        await files.unlink("linked", dir_fd=directory)
        await files.link("file", "again", src_dir_fd=directory, dst_dir_fd=directory)
        await files.remove("again", dir_fd=directory)
        await files.chmod("file", 0o600, dir_fd=directory)
        await files.utime("file", (1, 2), dir_fd=directory)
        assert sorted(await files.listdir(directory)) == sorted(os.listdir(root))
    finally:
        os.close(directory)
    assert (root / "file").stat().st_mtime == 2


CHANGES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    *[("rename", pair) for pair in [("file", "new"), ("file", "empty"), ("file", "directory")]],
    *[("rename", pair) for pair in [("directory", "hollow"), ("hollow", "directory")]],
    *[("rename", pair) for pair in [("missing", "new"), ("directory", "directory/deep/below")]],
    *[("rename", pair) for pair in [("file", "missing/new"), ("broken", "new"), ("file", "")]],
    *[("replace", pair) for pair in [("file", "empty"), ("hollow", "file"), ("missing", "new")]],
    *[("renames", pair) for pair in [("hollow", "a/b/c"), ("missing", "a/b")]],
    *[("remove", (name,)) for name in ("file", "directory", "broken", "missing", "", "a\0b")],
    *[("unlink", (name,)) for name in ("file", "directory", "circle", "missing", "fifo/below")],
    *[("mkdir", (name,)) for name in ("new", "file", "directory", "missing/new", "n" * 300)],
    *[("mkdir", ("new", mode)) for mode in (0o700, 0o777, 0)],
    *[("makedirs", (name,)) for name in ("a/b/c", "hollow", "file/below", "directory/more/yet")],
    *[("makedirs", ("hollow", 0o777, ok)) for ok in (True, False)],
    *[("rmdir", (name,)) for name in ("hollow", "directory", "file", "missing", "to_directory")],
    *[("removedirs", (name,)) for name in ("hollow", "directory/deep", "missing")],
    *[("link", pair) for pair in [("file", "new"), ("file", "empty"), ("directory", "new")]],
    *[("link", pair) for pair in [("to_file", "new"), ("missing", "new"), ("broken", "new")]],
    *[("truncate", (name, 3)) for name in ("file", "directory", "missing", "fifo", "to_file")],
    *[("truncate", ("file", length)) for length in (0, 100, -1)],
    *[("chmod", (name, 0o600)) for name in ("file", "directory", "broken", "missing")],
    *[("chown", (name, -1, -1)) for name in ("file", "broken", "missing")],
    *[("utime", (name, (1, 2))) for name in ("file", "broken", "missing")],
)


@pytest.mark.parametrize("change", sorted({change for change, _ in CHANGES}))
async def test_changes_do_what_those_of_os_do(
    loop: asyncio.AbstractEventLoop,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:
    for number, args in enumerate(args for name, args in CHANGES if name == change):
        ours, theirs = (make_tree(tmp_path / f"{side}{number}") for side in ("ours", "theirs"))
        monkeypatch.chdir(ours)
        outcome = await awaited(getattr(files, change), *args)
        monkeypatch.chdir(theirs)
        assert outcome == blocking(getattr(os, change), *args), args
        assert tree(ours) == tree(theirs), args


async def test_links_lead_where_they_are_told(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    await files.symlink("file", root / "new")
    assert await files.readlink(root / "new") == "file"
    assert await files.readlink(os.fsencode(root / "new")) == b"file"
    for name in ("new", "missing/new"):
        path = root / name
        assert await awaited(files.symlink, "file", path) == blocking(os.symlink, "file", path)


async def test_utime_takes_nanoseconds(loop: asyncio.AbstractEventLoop, root: pathlib.Path) -> None:
    await files.utime(root / "file", ns=(1, 2))
    assert (root / "file").stat().st_mtime_ns == 2
    both = {"times": (1, 2), "ns": (1, 2)}
    assert await awaited(files.utime, root, **both) == blocking(os.utime, root, **both)


async def test_a_name_does_not_cross_from_one_file_system_to_another(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    other = pathlib.Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == root.stat().st_dev:
        pytest.skip("there is one file system only")
    there = other / f"aioxide-{os.getpid()}"
    with pytest.raises(OSError) as caught:
        await files.rename(root / "file", there)
    assert caught.value.errno == errno.EXDEV
    assert caught.value.filename, caught.value.filename2 == (root / "file", there)


async def test_two_names_of_no_file_are_told_of_in_one_error(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        await files.rename(f"{root}/missing", f"{root}/new")
    assert (caught.value.filename, caught.value.filename2) == (f"{root}/missing", f"{root}/new")
