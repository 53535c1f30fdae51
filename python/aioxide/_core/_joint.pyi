"""What waits for several futures at once."""

import asyncio
from types import CoroutineType
from typing import Any, Generic, Self, TypeVar, final

from ._future import Future

_T = TypeVar("_T")

@final
class JointCallback:
    """The callback by which `gather` and the like hear of futures that are not aioxide's."""

    def __call__(self, future: asyncio.Future[Any]) -> None: ...

@final
class WaitGroup:
    """The futures of one `wait`."""

@final
class _GatheringFuture(Future[list[Any]]):
    """What `gather` returns."""

    @property
    def _cancel_requested(self) -> bool: ...
    @property
    def _children(self) -> list[asyncio.Future[Any]]: ...

@final
class _AsCompletedIterator(Generic[_T]):
    """What `as_completed` returns."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> CoroutineType[Any, Any, _T]: ...
    def __aiter__(self) -> Self: ...
    def __anext__(self) -> CoroutineType[Any, Any, asyncio.Future[_T]]: ...
    def _handle_timeout(self) -> None: ...
