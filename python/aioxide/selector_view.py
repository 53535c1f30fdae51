"""What a loop watches, for those who look for it where asyncio's loop has its selector."""

from __future__ import annotations

import selectors
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike


class SelectorView:
    """Tells which file descriptors a loop watches. Nothing is registered here, and nothing selected."""

    __slots__ = ("_loop",)

    def __init__(self, loop: Any) -> None:
        self._loop = loop

    def get_key(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        """Return what a file descriptor is watched for, and as `data` who is called to read and who to write.

        Args:
            fileobj: a file descriptor, or an object that has one.

        Raises:
            KeyError: it is not watched.
            ValueError: it is no file descriptor and has none.

        """
        number = number_of(fileobj)
        reader, writer = self._loop._watchers_of(number)
        events = 0
        if reader is not None:
            events |= selectors.EVENT_READ
        if writer is not None:
            events |= selectors.EVENT_WRITE
        if not events:
            raise KeyError(f"{fileobj!r} is not registered")
        return selectors.SelectorKey(fileobj, number, events, (reader, writer))


class SelectorOfLoop:
    """The attribute `_selector` of loops: a view, unless somebody has put something else there; None once closed."""

    def __get__(self, loop: Any, owner: type | None = None) -> Any:
        """Return a view of what the loop watches."""
        if loop is None:
            return self
        return None if loop.is_closed() else SelectorView(loop)


def number_of(fd: FileDescriptorLike) -> int:
    """Return a file descriptor's number. Raises ValueError for what is none and has none."""
    if isinstance(fd, int):
        return fd
    try:
        return int(fd.fileno())
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"Invalid file object: {fd!r}") from None
