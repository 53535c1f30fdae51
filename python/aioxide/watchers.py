"""`add_reader`, `add_writer` and their opposites: callbacks for file descriptors that no transport owns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVarTuple
from weakref import WeakValueDictionary

from aioxide.foundation import Foundation

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import FileDescriptorLike

Ts = TypeVarTuple("Ts")


class Watchers(Foundation):
    """Watches file descriptors for the user, and keeps the user's hands off those of transports."""

    def __init__(self) -> None:
        super().__init__()
        self._transports = WeakValueDictionary()

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
        self._add_reader(fd, callback, *args)

    def remove_reader(self, fd: FileDescriptorLike) -> bool:
        """Watch a file descriptor for reading no longer; return whether it was watched.

        Raises:
            RuntimeError: a transport uses the file descriptor.
            ValueError: `fd` is no file descriptor and has none.

        """
        self._ensure_fd_no_transport(fd)
        return self._remove_reader(fd)

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
        self._add_writer(fd, callback, *args)

    def remove_writer(self, fd: FileDescriptorLike) -> bool:
        """Watch a file descriptor for writing no longer; return whether it was watched.

        Raises:
            RuntimeError: a transport uses the file descriptor.
            ValueError: `fd` is no file descriptor and has none.

        """
        self._ensure_fd_no_transport(fd)
        return self._remove_writer(fd)

    def _ensure_fd_no_transport(self, fd: FileDescriptorLike) -> None:
        """Refuse a file descriptor that a transport uses. Two owners of one descriptor lose data."""
        number = fd if isinstance(fd, int) else _fileno(fd)
        transport = self._transports.get(number)
        if transport is not None and not transport.is_closing():
            raise RuntimeError(f"File descriptor {fd!r} is used by transport {transport!r}")


def _fileno(file: Any) -> int:
    try:
        return int(file.fileno())
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"Invalid file object: {file!r}") from None
