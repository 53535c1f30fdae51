"""Iterators that block, drawn from in threads: many items with each hop, and an `async for` over them.

One thread at a time draws. What it has drawn stands in a queue, and is not lost when whoever waited for it
was cancelled. Closing waits for the thread that draws: a directory must not be closed under its reader.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from aioxide.files.hops import hop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

T = TypeVar("T")
D = TypeVar("D")

# A directory of this size is read in a hop; more would only be memory.
_ITEMS_MAX = 1024

# A hop brings what it has after so long, so that whoever searches a large tree sees what was found.
_PATIENCE_S = 0.005


class Batches(Generic[D, T]):
    """An asynchronous iterator over what a blocking one yields.

    It is also an asynchronous context manager, which closes it.

    Args:
        begin: makes the blocking iterator. Called in a thread, before the first item is drawn.
        items_max: how many items are drawn ahead at most.

    """

    __slots__ = (
        "__weakref__",
        "_begin",
        "_drawing",
        "_drawn",
        "_failure",
        "_has_ended",
        "_items_max",
        "_source",
    )

    def __init__(self, begin: Callable[[], Iterator[D]], items_max: int = _ITEMS_MAX) -> None:
        self._begin = begin
        self._items_max = items_max
        self._source: Iterator[D] | None = None
        # Items in the order in which they are to be given out.
        self._drawn: deque[D] = deque()
        # What ended the blocking iterator, until it is raised.
        self._failure: Exception | None = None
        self._has_ended = False
        # Held by the thread that draws or closes.
        self._drawing = threading.Lock()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if self._drawn:
            return self._given_out(self._drawn.popleft())
        return self._given_out(await self._next())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the iteration, and close what it reads."""
        # A thread that draws on behalf of somebody who was cancelled may be about to open it.
        is_open = self._source is not None or self._drawing.locked()
        self._has_ended = True
        self._drawn.clear()
        self._failure = None
        if is_open:
            await hop(self._close)

    def _given_out(self, drawn: D) -> T:
        """Make of what was drawn what is given out. Runs on the loop."""
        raise NotImplementedError

    async def _next(self) -> D:
        while True:
            if self._drawn:
                return self._drawn.popleft()
            self._raise_failure()
            if self._has_ended:
                raise StopAsyncIteration
            await hop(self._draw)

    def _raise_failure(self) -> None:
        """Raise what ended the blocking iterator, once, after all that came before it."""
        failure, self._failure = self._failure, None
        if failure is not None:
            try:
                raise failure
            finally:
                # Its traceback knows this frame.
                del failure

    def _draw(self) -> None:
        """Draw a batch. Runs in a thread."""
        with self._drawing:
            # Somebody who was cancelled may have waited for these.
            if self._drawn or self._has_ended:
                return
            try:
                if self._source is None:
                    self._source = self._begin()
                self._has_ended = not self._fill(self._source)
            except Exception as exc:  # noqa: BLE001 - raised for whoever iterates
                self._failure = exc
                self._has_ended = True
            if self._has_ended:
                self._source = None

    def _fill(self, source: Iterator[D]) -> bool:
        """Take from `source`. Returns whether there may be more."""
        drawn = self._drawn
        latest = time.monotonic() + _PATIENCE_S
        for item in source:
            drawn.append(item)
            if len(drawn) >= self._items_max or time.monotonic() > latest:
                return True
        return False

    def _close(self) -> None:
        """Close the blocking iterator. Runs in a thread."""
        with self._drawing:
            source, self._source = self._source, None
            self._has_ended = True
            self._drawn.clear()
            self._failure = None
            close = getattr(source, "close", None)
            if close is not None:
                close()
