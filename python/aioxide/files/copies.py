"""`shutil` for loops: copies, moves and removals of files and trees, with a progress to watch.

Each of them is one job in a thread. It is done by `shutil`, but for the contents of files, which are copied in
pieces. A cancelled copy or move ends with the piece that is under way, and whoever awaits it hears of the cancellation
then: nothing is written any more. What was copied stays, as `shutil` leaves it when it fails: a file that is not
complete, a tree with some of its files.

Callbacks that decide something (`ignore`, `copy_function`, `onexc`) are called in that thread, in a copy of the
caller's context. `progress` is called on the loop.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from aioxide.files.hops import hop, keywords
from aioxide.files.pieces import copy_file, tree_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    from _typeshed import StrOrBytesPath, StrPath

    Progress: TypeAlias = Callable[[int, int], object]

__all__ = ["copy", "copy2", "copyfile", "copymode", "copystat", "copytree", "move", "rmtree"]

T = TypeVar("T")
PathT = TypeVar("PathT", bound="StrOrBytesPath")


async def copyfile(
    src: StrOrBytesPath,
    dst: PathT,
    *,
    follow_symlinks: bool = True,
    progress: Progress | None = None,
) -> PathT:
    """Copy a file's contents, as `shutil.copyfile` does.

    Args:
        src: the file.
        dst: its copy; a file that exists is overwritten.
        follow_symlinks: whether to copy what a symbolic link leads to, and not the link.
        progress: called with the number of bytes that were copied so far, and of all bytes; at the end in any case.
            What it raises ends the copy, and is raised.

    Returns:
        `dst`.

    Raises:
        shutil.SameFileError: both are one file.
        shutil.SpecialFileError: one of them is a FIFO.
        OSError: the file cannot be read, or the copy cannot be written.

    """
    job = _Job(progress)
    await job.run(copy_file, src, dst, follow_symlinks=follow_symlinks, report=job)
    return dst


async def copy(
    src: StrPath, dst: StrPath, *, follow_symlinks: bool = True, progress: Progress | None = None
) -> Any:
    """Copy a file with its mode, as `shutil.copy` does.

    Args:
        src: the file.
        dst: its copy, or a directory that the copy is to be in.
        follow_symlinks: whether to copy what a symbolic link leads to, and not the link.
        progress: called with the number of bytes that were copied so far, and of all bytes; at the end in any case.
            What it raises ends the copy, and is raised.

    Returns:
        The copy's path.

    Raises:
        shutil.SameFileError: both are one file.
        shutil.SpecialFileError: one of them is a FIFO.
        OSError: the file cannot be read, or the copy cannot be written.

    """
    job = _Job(progress)
    return await job.run(_copy, src, dst, follow_symlinks=follow_symlinks, report=job)


async def copy2(
    src: StrPath, dst: StrPath, *, follow_symlinks: bool = True, progress: Progress | None = None
) -> Any:
    """Copy a file with its mode, times and extended attributes, as `shutil.copy2` does.

    Args:
        src: the file.
        dst: its copy, or a directory that the copy is to be in.
        follow_symlinks: whether to copy what a symbolic link leads to, and not the link.
        progress: called with the number of bytes that were copied so far, and of all bytes; at the end in any case.
            What it raises ends the copy, and is raised.

    Returns:
        The copy's path.

    Raises:
        shutil.SameFileError: both are one file.
        shutil.SpecialFileError: one of them is a FIFO.
        OSError: the file cannot be read, or the copy cannot be written.

    """
    job = _Job(progress)
    return await job.run(_copy2, src, dst, follow_symlinks=follow_symlinks, report=job)


async def copymode(
    src: StrOrBytesPath, dst: StrOrBytesPath, *, follow_symlinks: bool = True
) -> None:
    """Give a file the mode of another one.

    Args:
        src: the other one.
        dst: the file.
        follow_symlinks: whether symbolic links stand for what they lead to.

    Raises:
        OSError: one of them does not exist, or is somebody else's.

    """
    await hop(shutil.copymode, src, dst, follow_symlinks=follow_symlinks)


async def copystat(
    src: StrOrBytesPath, dst: StrOrBytesPath, *, follow_symlinks: bool = True
) -> None:
    """Give a file the mode, times and extended attributes of another one.

    Args:
        src: the other one.
        dst: the file.
        follow_symlinks: whether symbolic links stand for what they lead to.

    Raises:
        OSError: one of them does not exist, or is somebody else's.

    """
    await hop(shutil.copystat, src, dst, follow_symlinks=follow_symlinks)


async def copytree(
    src: StrPath,
    dst: StrPath,
    symlinks: bool = False,
    ignore: Callable[[Any, list[str]], Iterable[str]] | None = None,
    copy_function: Callable[[str, str], object] = copy2,
    ignore_dangling_symlinks: bool = False,
    dirs_exist_ok: bool = False,
    *,
    progress: Progress | None = None,
) -> Any:
    """Copy a directory and all that is in it, as `shutil.copytree` does.

    Args:
        src: the directory.
        dst: its copy.
        symlinks: whether symbolic links are copied as links.
        ignore: called in a thread with a directory and the names in it, returns those that are not copied.
            With a `progress` it is called twice for each directory.
        copy_function: copies a file: `copy`, `copy2` or `copyfile` of this module, or a function that is called in a
            thread.
        ignore_dangling_symlinks: whether links that lead nowhere are no errors.
        dirs_exist_ok: whether the copy's directories may exist.
        progress: called with the number of bytes that were copied so far, and of all bytes in the tree; at the end in
            any case. A `copy_function` of the caller's own does not move it. What it raises ends the copy, and is
            raised.

    Returns:
        The copy's path.

    Raises:
        shutil.Error: some files could not be copied; all others were.
        OSError: a directory cannot be made.
        TypeError: `copy_function` is a coroutine function of the caller's own.

    """
    job = _Job(progress)
    return await job.run(
        _copytree,
        src,
        dst,
        symlinks=symlinks,
        ignore=ignore,
        is_watched=progress is not None,
        report=job,
        copy_function=_in_thread(copy_function, job),
        ignore_dangling_symlinks=ignore_dangling_symlinks,
        dirs_exist_ok=dirs_exist_ok,
    )


async def move(
    src: StrPath,
    dst: StrPath,
    copy_function: Callable[[str, str], object] = copy2,
    *,
    progress: Progress | None = None,
) -> Any:
    """Move a file or directory, as `shutil.move` does: by its name, or to another file system by a copy.

    A move that is cancelled while it copies leaves what it was to move where it is.

    Args:
        src: the file or directory.
        dst: its new name, or a directory that it is to be in.
        copy_function: copies a file: `copy`, `copy2` or `copyfile` of this module, or a function that is called in a
            thread.
        progress: called with the number of bytes that were copied so far, and of those known to be copied; not at all
            if nothing has to be copied. What it raises ends the move, and is raised.

    Returns:
        The new path.

    Raises:
        shutil.Error: the new name exists already, or is within the directory that is to be moved; or some
            files could not be copied.
        OSError: there is no such file, or it cannot be moved.
        TypeError: `copy_function` is a coroutine function of the caller's own.

    """
    job = _Job(progress)
    return await job.run(shutil.move, src, dst, copy_function=_in_thread(copy_function, job))


async def rmtree(
    path: StrOrBytesPath,
    ignore_errors: bool = False,
    onerror: Callable[[Callable[..., Any], str, Any], object] | None = None,
    *,
    onexc: Callable[[Callable[..., Any], str, BaseException], object] | None = None,
    dir_fd: int | None = None,
) -> None:
    """Remove a directory and all that is in it, as `shutil.rmtree` does.

    Once begun it goes on to its end, also if its awaiter is cancelled.

    Args:
        path: the directory.
        ignore_errors: whether to leave what cannot be removed.
        onerror: called in a thread for what cannot be removed; deprecated by Python.
        onexc: called in a thread for what cannot be removed, with the function that failed, the path and the
            exception (from Python 3.12 on).
        dir_fd: a descriptor of the directory that a relative path starts from.

    Raises:
        OSError: there is no such directory, or something in it cannot be removed.

    """
    given = keywords(onerror=onerror, onexc=onexc, dir_fd=dir_fd)
    remove = partial(shutil.rmtree, path, ignore_errors, **given)
    await hop(copy_context().run, remove)


class _Stopped(BaseException):
    """Raised in the thread of a copy that nobody wants any more. `shutil` goes on after some `Exception`s."""


class _Job:
    """Something that is done in a thread, which can be watched and stopped.

    The thread calls `expect`, `expect_all` and `advance`; all else happens on the loop.
    """

    def __init__(self, progress: Progress | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._progress = progress
        self._copied = 0
        # None until there is something to copy.
        self._total: int | None = None
        # Whether the total is that of all files, and not only of those that were begun.
        self._is_total_known = False
        # Whether the loop was asked to call `progress`, and has not done so yet.
        self._is_telling = False
        # What `progress` was called with last.
        self._told: tuple[int, int] | None = None
        # Whether whoever awaits the job was told of its end, or does not want it any more.
        self._has_ended = False
        # What `progress` has raised.
        self._failure: Exception | None = None

    async def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function in a thread; a cancellation is passed on after the function has ended."""
        call = partial(function, *args, **kwargs)
        future = hop(copy_context().run, self._results_of, call)
        try:
            results = await asyncio.shield(future)
        except asyncio.CancelledError:
            self._has_ended = True
            await asyncio.wait([future])
            raise
        self._raise_failure()
        self._tell()
        self._raise_failure()
        self._has_ended = True
        return results[0]

    def expect(self, count: int) -> None:
        """Say that `count` more bytes are going to be copied. Runs in the thread."""
        if not self._is_total_known:
            self._total = (self._total or 0) + count
        self._proceed()

    def expect_all(self, count: int) -> None:
        """Say how many bytes are going to be copied altogether. Runs in the thread."""
        self._total = count
        self._is_total_known = True

    def advance(self, count: int) -> None:
        """Say that `count` more bytes were copied. Runs in the thread."""
        self._copied += count
        self._proceed()
        if self._progress is not None and not self._is_telling:
            self._is_telling = True
            try:
                self._loop.call_soon_threadsafe(self._tell)
            except RuntimeError:  # The loop was closed.
                raise _Stopped from None

    def _proceed(self) -> None:
        if self._has_ended:
            raise _Stopped

    def _results_of(self, call: Callable[[], T]) -> list[T]:
        """Make a call. Returns its result, or nothing if it was stopped. Runs in the thread."""
        try:
            return [call()]
        except _Stopped:
            return []

    def _tell(self) -> None:
        """Call `progress` with what is new to it."""
        self._is_telling = False
        if self._progress is None or self._total is None or self._has_ended:
            return
        copied = self._copied
        told = (copied, max(copied, self._total))
        if told == self._told:
            return
        self._told = told
        try:
            self._progress(*told)
        except Exception as exc:  # noqa: BLE001 - raised for whoever awaits the job
            self._failure = exc
            self._has_ended = True

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            try:
                raise failure
            finally:
                # Its traceback knows this frame.
                del failure


def _copy(src: Any, dst: Any, *, follow_symlinks: bool = True, report: _Job) -> Any:
    """Copy a file with its mode. Runs in a thread, as all below."""
    path = _within(src, dst)
    copy_file(src, path, follow_symlinks=follow_symlinks, report=report)
    shutil.copymode(src, path, follow_symlinks=follow_symlinks)
    return path


def _copy2(src: Any, dst: Any, *, follow_symlinks: bool = True, report: _Job) -> Any:
    path = _within(src, dst)
    copy_file(src, path, follow_symlinks=follow_symlinks, report=report)
    shutil.copystat(src, path, follow_symlinks=follow_symlinks)
    return path


def _within(src: Any, dst: Any) -> Any:
    return os.path.join(dst, os.path.basename(src)) if os.path.isdir(dst) else dst


def _copytree(
    src: Any, dst: Any, *, symlinks: bool, ignore: Any, is_watched: bool, report: _Job, **rest: Any
) -> Any:
    if is_watched:
        report.expect_all(tree_bytes(src, symlinks=symlinks, ignore=ignore))
    return shutil.copytree(src, dst, symlinks=symlinks, ignore=ignore, **rest)


# How the functions of this module that copy a file do so in a thread.
_IN_THREAD: dict[Any, Callable[..., Any]] = {copyfile: copy_file, copy: _copy, copy2: _copy2}


def _in_thread(copy_function: Callable[..., object], job: _Job) -> Callable[..., Any]:
    ours = _IN_THREAD.get(copy_function)
    if ours is not None:
        return partial(ours, report=job)
    if inspect.iscoroutinefunction(copy_function):
        raise TypeError("copy_function must not be a coroutine function")
    return copy_function
