"""What a blocking function and an awaited one did, in a form that can be compared; and trees to try them on."""

from __future__ import annotations

import asyncio
import os
import pathlib
import stat
import threading
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


def blocking(function: Callable[..., Any], *args: Any, **kwargs: Any) -> object:
    """Return what a function returns or raises."""
    try:
        return ("returned", plain(function(*args, **kwargs)))
    except Exception as exc:  # noqa: BLE001 - compared with another
        return raised(exc)


async def awaited(function: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> object:
    """Return what a coroutine function returns or raises."""
    try:
        return ("returned", plain(await function(*args, **kwargs)))
    except Exception as exc:  # noqa: BLE001 - compared with another
        return raised(exc)


async def iterated(function: Callable[..., AsyncIterable[Any]], *args: Any, **kwargs: Any) -> Any:
    """Return all that an asynchronous iterator gives out, or what it raises."""
    try:
        return ("returned", plain([item async for item in function(*args, **kwargs)]))
    except Exception as exc:  # noqa: BLE001 - compared with another
        return raised(exc)


def raised(exc: Exception) -> object:
    """Return all that can be told of an exception."""
    names = [getattr(exc, name, None) for name in ("errno", "strerror", "filename", "filename2")]
    text = str(exc) if isinstance(exc, OSError) else str(exc).replace("pathlib.", "")
    return ("raised", type(exc), text, *names)


def plain(value: Any) -> Any:
    """Return a value without what tells our paths from those of `pathlib`."""
    if isinstance(value, list | tuple) and not isinstance(value, os.stat_result):
        return type(value)(plain(item) for item in value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def tree(root: pathlib.Path) -> dict[str, object]:
    """Return all that is below a directory: modes, contents, where links lead."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            found[name] = ("link", os.readlink(path))
        elif stat.S_ISREG(mode):
            found[name] = ("file", oct(mode), path.read_bytes())
        else:
            found[name] = ("other", oct(mode))
    return found


def make_tree(root: pathlib.Path) -> pathlib.Path:
    """Make a directory with one of each kind of thing in it."""
    root.mkdir()
    (root / "file").write_bytes(b"content\n")
    (root / "empty").touch(mode=0o640)
    (root / "directory").mkdir()
    (root / "directory" / "inner").write_bytes(b"inner\n" * 1000)
    (root / "directory" / "deep").mkdir()
    (root / "directory" / "deep" / "bottom.txt").write_text("ä\n", encoding="utf-8")
    (root / "hollow").mkdir(mode=0o750)
    os.mkfifo(root / "fifo")
    (root / "to_file").symlink_to("file")
    (root / "to_directory").symlink_to("directory")
    (root / "broken").symlink_to("nowhere")
    (root / "circle").symlink_to("circle")
    return root


NAMES = (
    "file",
    "empty",
    "directory",
    "directory/inner",
    "hollow",
    "fifo",
    "to_file",
    "to_directory",
    "broken",
    "circle",
    "missing",
    "file/below",
    "missing/below",
    "circle/below",
    "n" * 300,
    "",
    ".",
    "..",
    "a\0b",
)


class Gate:
    """Holds a thread up, until the test lets it go on."""

    def __init__(self) -> None:
        self._is_open = threading.Event()
        self._arrived = threading.Event()

    def pass_through(self) -> None:
        """Wait to be let go. Called in the thread."""
        self._arrived.set()
        assert self._is_open.wait(20)

    async def arrival(self) -> None:
        """Wait until the thread is held up."""
        # A thread of its own: those of the loop may all be held up.
        loop = asyncio.get_running_loop()
        arrived = loop.create_future()

        def wait() -> None:
            assert self._arrived.wait(20)
            loop.call_soon_threadsafe(arrived.set_result, None)

        thread = threading.Thread(target=wait)
        thread.start()
        await arrived
        thread.join()

    def open(self) -> None:
        """Let every thread go on."""
        self._is_open.set()
