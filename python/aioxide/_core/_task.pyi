"""Tasks."""

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import Context
from types import GenericAlias
from typing import Any, Self, TypeVar, final

from typing_extensions import disjoint_base

_T_co = TypeVar("_T_co", covariant=True)

@disjoint_base
class Task(asyncio.Task[_T_co]):
    """A coroutine driven by an event loop. Not thread-safe."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def __init__(
        self,
        coro: Coroutine[Any, Any, _T_co] | Generator[Any, None, _T_co],
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        name: object = None,
        context: Context | None = None,
        eager_start: bool | None = None,
    ) -> None: ...
    def __class_getitem__(cls, key: Any) -> GenericAlias: ...

@final
class Resumption:
    """Steps a task when it is called, where the task can't stand in the ready queue itself."""

    __name__: str
    __qualname__: str
    @property
    def __self__(self) -> asyncio.Task[Any] | None: ...
    def __call__(self, *args: Any) -> None: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

def registered_tasks() -> list[asyncio.Task[Any]]: ...
