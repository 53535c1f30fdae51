"""Locks and their kin."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Literal, Self

from typing_extensions import disjoint_base

@disjoint_base
class Lock(asyncio.Lock):
    """A lock for tasks, not for threads."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def __init__(self) -> None: ...

@disjoint_base
class Event(asyncio.Event):
    """A flag for which tasks can wait."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def __init__(self) -> None: ...

@disjoint_base
class Condition(asyncio.Condition):
    """What tasks wait for until another says so, with a lock."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def __init__(self, lock: asyncio.Lock | None = None) -> None: ...

    # Those of the lock, unless something is put in their place.
    locked: Callable[[], bool]
    acquire: Callable[[], Coroutine[Any, Any, Literal[True]]]
    release: Callable[[], None]

@disjoint_base
class Semaphore(asyncio.Semaphore):
    """A number of permits, which tasks take and give back."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def __init__(self, value: int = ...) -> None: ...

class BoundedSemaphore(Semaphore, asyncio.BoundedSemaphore):
    """A semaphore that can't have more permits than at the beginning."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def __init__(self, value: int = ...) -> None: ...

@disjoint_base
class Barrier(asyncio.Barrier):
    """A place where so many tasks wait until all have come."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def __init__(self, parties: int) -> None: ...
