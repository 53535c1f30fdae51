"""`aiofiles.os` and `aiofiles.os.path`: each function does as the one of `os` that has its name."""

from __future__ import annotations

import errno
import os
import socket
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# Each function that asks, with arguments that are joined to the folder where they are names in it.
QUESTIONS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("stat", ("file",), {}),
    ("stat", ("link",), {}),
    ("stat", ("link",), {"follow_symlinks": False}),
    ("stat", ("missing",), {}),
    ("stat", ("file/below",), {}),
    ("stat", ("loop",), {}),
    ("statvfs", ("missing",), {}),
    ("readlink", ("link",), {}),
    ("readlink", ("file",), {}),
    ("listdir", ("full",), {}),
    ("listdir", ("file",), {}),
    ("listdir", ("missing",), {}),
    ("access", ("file", os.R_OK), {}),
    ("access", ("missing", os.F_OK), {}),
    ("access", ("file", os.W_OK), {"effective_ids": True}),
    ("getcwd", (), {}),
    *[
        (f"path.{name}", (place,), {})
        for name in (
            "exists",
            "isfile",
            "isdir",
            "islink",
            "ismount",
            "getsize",
            "getmtime",
            "getctime",
            "abspath",
        )
        for place in ("file", "full", "link", "dangling", "missing", "loop", "file/below")
    ],
    ("path.getatime", ("file",), {}),
    ("path.getatime", ("missing",), {}),
    ("path.samefile", ("file", "link"), {}),
    ("path.samefile", ("file", "other"), {}),
    ("path.samefile", ("file", "missing"), {}),
    ("path.exists", ("with\0null",), {}),
    ("path.isfile", ("with\0null",), {}),
    ("stat", ("with\0null",), {}),
    ("stat", (None,), {}),
    ("path.getsize", (1.5,), {}),
]

# Each function that changes something, and what it is called with.
CHANGES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("rename", ("file", "new"), {}),
    ("rename", ("file", "full"), {}),
    ("rename", ("missing", "new"), {}),
    ("rename", ("empty", "other"), {}),
    ("renames", ("file", "deep/deeper/new"), {}),
    ("renames", ("missing", "deep/deeper/new"), {}),
    ("replace", ("file", "other"), {}),
    ("replace", ("file", "missing/new"), {}),
    ("remove", ("file",), {}),
    ("remove", ("link",), {}),
    ("remove", ("full",), {}),
    ("remove", ("missing",), {}),
    ("unlink", ("file",), {}),
    ("unlink", ("missing",), {}),
    ("mkdir", ("new",), {}),
    ("mkdir", ("new", 0o700), {}),
    ("mkdir", ("new",), {"mode": 0o750}),
    ("mkdir", ("full",), {}),
    ("mkdir", ("missing/new",), {}),
    ("makedirs", ("new/newer/newest",), {}),
    ("makedirs", ("full",), {"exist_ok": True}),
    ("makedirs", ("full",), {}),
    ("makedirs", ("file/below",), {}),
    ("makedirs", ("file",), {"exist_ok": True}),
    ("rmdir", ("empty",), {}),
    ("rmdir", ("full",), {}),
    ("rmdir", ("file",), {}),
    ("removedirs", ("single/empty",), {}),
    ("removedirs", ("full",), {}),
    ("link", ("file", "new"), {}),
    ("link", ("file", "other"), {}),
    ("link", ("link", "new"), {"follow_symlinks": False}),
    ("symlink", ("anywhere", "new"), {}),
    ("symlink", ("anywhere", "file"), {}),
    ("symlink", ("full", "new"), {"target_is_directory": True}),
]


def _identity(call: tuple[str, tuple[Any, ...], dict[str, Any]]) -> str:
    name, arguments, options = call
    return f"{name}{arguments}{options or ''}".replace("\0", "\\0")


def lay_out(folder: Path) -> Path:
    """Make a folder with one of everything, so that each has the same as every other."""
    folder.mkdir()
    (folder / "file").write_bytes(b"content")
    (folder / "other").touch()
    (folder / "link").symlink_to("file")
    (folder / "dangling").symlink_to("missing")
    (folder / "loop").symlink_to("loop")
    (folder / "empty").mkdir()
    (folder / "full").mkdir()
    (folder / "full" / "entry").touch()
    (folder / "full" / "another").mkdir()
    (folder / "single" / "empty").mkdir(parents=True)
    return folder


def found_below(folder: Path) -> list[tuple[str, int, str]]:
    """Return the name, mode and target or content of everything below a folder."""

    def entries() -> Iterator[tuple[str, int, str]]:
        for path in sorted(folder.rglob("*")):
            mode = path.lstat().st_mode
            content = path.readlink() if path.is_symlink() else path.is_file() and path.read_text()
            yield str(path.relative_to(folder)), mode, str(content)

    return list(entries())


def placed(folder: Path, name: str, arguments: tuple[Any, ...]) -> list[Any]:
    """Return arguments with the names in the folder as paths, but for what a link says."""
    first = [arguments[0]] if name == "symlink" else []
    return first + [
        str(folder / argument) if isinstance(argument, str) else argument
        for argument in arguments[len(first) :]
    ]


def function(module: Any, name: str) -> Callable[..., Any]:
    for part in name.split("."):
        module = getattr(module, part)
    found: Callable[..., Any] = module
    return found


def told(folder: Path, error: BaseException) -> tuple[object, ...]:
    """Return what an error says, with the folder, which is another one each time, left out."""

    def without(text: object) -> str:
        return str(text).replace(str(folder), "")

    names = [getattr(error, name, None) for name in ("filename", "filename2")]
    return type(error), getattr(error, "errno", None), without(error), *map(without, names)


@pytest.mark.parametrize("call", QUESTIONS, ids=_identity)
async def test_questions_are_answered_as_by_os(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path, call: Any
) -> None:
    name, arguments, options = call
    folder = lay_out(tmp_path / "place")
    places = placed(folder, name, arguments)
    try:
        expected: object = function(os, name)(*places, **options)
    except Exception as error:  # noqa: BLE001 - whatever os raises
        with pytest.raises(type(error)) as failure:
            await function(aiofiles.os, name)(*places, **options)
        assert told(folder, failure.value) == told(folder, error)
    else:
        assert await function(aiofiles.os, name)(*places, **options) == expected


@pytest.mark.parametrize("call", CHANGES, ids=_identity)
async def test_changes_are_made_as_by_os(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path, call: Any
) -> None:
    name, arguments, options = call
    mine, theirs = lay_out(tmp_path / "mine"), lay_out(tmp_path / "theirs")
    try:
        expected: object = function(os, name)(*placed(theirs, name, arguments), **options)
    except Exception as error:  # noqa: BLE001 - whatever os raises
        with pytest.raises(type(error)) as failure:
            await function(aiofiles.os, name)(*placed(mine, name, arguments), **options)
        assert told(mine, failure.value) == told(theirs, error)
    else:
        done = await function(aiofiles.os, name)(*placed(mine, name, arguments), **options)
        assert done == expected
    assert found_below(mine) == found_below(theirs)


async def test_paths_may_be_bytes_or_objects(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    folder = lay_out(tmp_path / "place")
    for kind in (os.fsencode, Path):
        path = kind(folder / "file")
        assert await aiofiles.os.stat(path) == path_stat(folder / "file")
        assert await aiofiles.os.path.getsize(path) == 7
    assert await aiofiles.os.listdir(os.fsencode(folder / "empty")) == []
    assert await aiofiles.os.readlink(os.fsencode(folder / "link")) == b"file"
    await aiofiles.os.remove(os.fsencode(folder / "file"))
    assert not (folder / "file").exists()


def path_stat(path: Path) -> os.stat_result:
    return os.stat(path)


async def test_descriptors_are_asked_too(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    folder = lay_out(tmp_path / "place")
    with (folder / "file").open() as file, (folder / "file").open() as same:
        assert await aiofiles.os.stat(file.fileno()) == os.fstat(file.fileno())
        assert await aiofiles.os.path.exists(file.fileno())
        assert await aiofiles.os.path.sameopenfile(file.fileno(), same.fileno())
    with pytest.raises(OSError) as failure:
        await aiofiles.os.stat(987_654)
    assert failure.value.errno == errno.EBADF


async def test_a_file_system_is_asked_about_by_any_file_in_it(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    known = await aiofiles.os.statvfs(tmp_path)
    expected = os.statvfs(tmp_path)
    # What of it is free, others may have changed.
    assert (known.f_bsize, known.f_blocks, known.f_namemax) == (
        expected.f_bsize,
        expected.f_blocks,
        expected.f_namemax,
    )


async def test_names_may_be_relative_to_a_folder(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    folder = lay_out(tmp_path / "place")
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        assert (await aiofiles.os.stat("file", dir_fd=descriptor)).st_size == 7
        await aiofiles.os.mkdir("new", dir_fd=descriptor)
        await aiofiles.os.rename("file", "new/file", src_dir_fd=descriptor, dst_dir_fd=descriptor)
        assert (folder / "new" / "file").exists()
        await aiofiles.os.unlink("new/file", dir_fd=descriptor)
        await aiofiles.os.rmdir("new", dir_fd=descriptor)
        assert await aiofiles.os.access("other", os.F_OK, dir_fd=descriptor)
        assert await aiofiles.os.readlink("link", dir_fd=descriptor) == "file"
    finally:
        os.close(descriptor)
    assert not (folder / "new").exists()


async def test_a_folder_is_scanned_by_an_iterator_that_is_not_async(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    folder = lay_out(tmp_path / "place")
    with await aiofiles.os.scandir(folder / "full") as entries:
        assert {entry.name: entry.is_dir() for entry in entries} == {
            "entry": False,
            "another": True,
        }


async def test_a_file_is_sent_to_a_socket(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    folder = lay_out(tmp_path / "place")
    ours, theirs = socket.socketpair()
    with ours, theirs, (folder / "file").open("rb") as file:
        assert await aiofiles.os.sendfile(ours.fileno(), file.fileno(), 3, 100) == 4
        assert theirs.recv(100) == b"tent"


async def test_functions_know_what_they_stand_for(
    loop: AbstractEventLoop, aiofiles: ModuleType
) -> None:
    for name in set(aiofiles.os.__all__) - {"path", "wrap"}:
        assert getattr(aiofiles.os, name).__name__ == name
        assert getattr(aiofiles.os, name).__wrapped__ is getattr(os, name)
    for name in aiofiles.ospath.__all__:
        assert getattr(aiofiles.os.path, name).__wrapped__ is getattr(os.path, name)


async def test_an_executor_and_a_loop_can_be_named(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    def where() -> str:
        return threading.current_thread().name

    with ThreadPoolExecutor(1, "the-users") as executor:
        wrapped = aiofiles.os.wrap(where)
        assert await wrapped(executor=executor, loop=loop) == "the-users_0"
        assert await aiofiles.os.path.exists(tmp_path, executor=executor)
        assert (await aiofiles.os.stat(tmp_path, loop=loop)) == path_stat(tmp_path)
    assert wrapped.__name__ == "where"


async def test_any_function_can_be_wrapped(
    loop: AbstractEventLoop, aiofiles: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.touch()
    await aiofiles.os.wrap(os.chmod)(path, mode=0o600)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileNotFoundError):
        await aiofiles.os.wrap(os.truncate)(tmp_path / "missing", 0)
