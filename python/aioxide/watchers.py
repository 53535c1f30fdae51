"""`add_reader`, `add_writer` and their opposites: callbacks for file descriptors that no transport owns."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVarTuple

from aioxide.foundation import Foundation
from aioxide.selector_view import SelectorOfLoop, number_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from _typeshed import FileDescriptorLike

Ts = TypeVarTuple("Ts")


class _WatchedFile(NamedTuple):
    """An object that is watched for its file descriptor, and its callback's handle, which the watch keeps alive."""

    file: Any
    handle: weakref.ref[asyncio.Handle]


class Watchers(Foundation):
    """Watches file descriptors for the user, and keeps the user's hands off those of transports."""

    # A watched object lives for as long as it is watched, and is known even after it was closed, when it can
    # no longer name its descriptor: closing a socket first and removing its reader later is common.
    _reader_files: dict[int, _WatchedFile]
    _writer_files: dict[int, _WatchedFile]

    _selector: Any = SelectorOfLoop()

    # What asyncio adds to the time for the sake of coarse clocks: timers are due by the nanosecond here.
    _clock_resolution = 1e-9

    def __init__(self) -> None:
        super().__init__()
        self._transports = {}
        self._reader_files = {}
        self._writer_files = {}

    def add_reader(
        self, fd: FileDescriptorLike, callback: Callable[[*Ts], Any], *args: *Ts
    ) -> None:
        """Call back whenever a file descriptor can be read; replaces the callback there was.

        Args:
            fd: a file descriptor, or an object that has one.
            callback: called in the loop's thread.
            args: its positional arguments.

        Raises:
            RuntimeError: the loop is closed, or a transport uses the file descriptor.
            ValueError: `fd` is no file descriptor and has none.
            OSError: the kernel cannot watch this file.

        """
        self._ensure_fd_no_transport(fd)
        handle = self._add_reader(fd, callback, *args)
        if not isinstance(fd, int):
            self._reader_files[number_of(fd)] = _WatchedFile(fd, weakref.ref(handle))

    def remove_reader(self, fd: FileDescriptorLike) -> bool:
        """Watch a file descriptor for reading no longer; return whether it was watched.

        Raises:
            RuntimeError: a transport uses the file descriptor.
            ValueError: `fd` is no file descriptor and has none.

        """
        return self._stop_watching(fd, self._reader_files, self._remove_reader)

    def add_writer(
        self, fd: FileDescriptorLike, callback: Callable[[*Ts], Any], *args: *Ts
    ) -> None:
        """Call back whenever a file descriptor can be written; replaces the callback there was.

        Args:
            fd: a file descriptor, or an object that has one.
            callback: called in the loop's thread.
            args: its positional arguments.

        Raises:
            RuntimeError: the loop is closed, or a transport uses the file descriptor.
            ValueError: `fd` is no file descriptor and has none.
            OSError: the kernel cannot watch this file.

        """
        self._ensure_fd_no_transport(fd)
        handle = self._add_writer(fd, callback, *args)
        if not isinstance(fd, int):
            self._writer_files[number_of(fd)] = _WatchedFile(fd, weakref.ref(handle))

    def remove_writer(self, fd: FileDescriptorLike) -> bool:
        """Watch a file descriptor for writing no longer; return whether it was watched.

        Raises:
            RuntimeError: a transport uses the file descriptor.
            ValueError: `fd` is no file descriptor and has none.

        """
        return self._stop_watching(fd, self._writer_files, self._remove_writer)

    def _stop_watching(
        self,
        fd: FileDescriptorLike,
        files: dict[int, _WatchedFile],
        remove: Callable[[int], bool],
    ) -> bool:
        number = number_of(fd)
        number_before = self._number_before_it_was_closed(fd) if number < 0 else None
        if number_before is None:
            self._ensure_fd_no_transport(fd)
            watched = files.pop(number, None)
        else:
            number = number_before
            watched = files.get(number)
            if watched is None:
                return False
            del files[number]
            handle = watched.handle()
            if handle is None or handle.cancelled():
                # The descriptor was given to somebody else since, who watches it now.
                return False
        is_removed = remove(number)
        # Letting go of the file may close it: not before the watch has ended.
        del watched
        return is_removed

    def _number_before_it_was_closed(self, file: object) -> int | None:
        """Return the descriptor that a watched file had, or None for a file that is not watched."""
        for files in (self._reader_files, self._writer_files):
            for number, watched in files.items():
                if watched.file is file:
                    return number
        return None

    def _close_watchers(self) -> None:
        """Let go of the files that were watched."""
        self._reader_files.clear()
        self._writer_files.clear()

    def _ensure_fd_no_transport(self, fd: FileDescriptorLike) -> None:
        """Refuse a file descriptor that a transport uses. Two owners of one descriptor lose data."""
        transport = self._transport_of(number_of(fd))
        if transport is not None:
            raise RuntimeError(f"File descriptor {fd!r} is used by transport {transport!r}")

    def _transport_of(self, number: int) -> asyncio.BaseTransport | None:
        """Return the transport that owns a file descriptor, unless it is closing."""
        entry = self._transports.get(number)
        transport = None if entry is None else entry()
        return None if transport is None or transport.is_closing() else transport
