"""Queues."""

import asyncio
from types import GenericAlias
from typing import Any, Self, TypeVar

from typing_extensions import disjoint_base

_T = TypeVar("_T")

@disjoint_base
class Queue(asyncio.Queue[_T]):
    """A queue between tasks."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def __init__(self, maxsize: int = ...) -> None: ...
    def __class_getitem__(cls, key: Any) -> GenericAlias: ...

class PriorityQueue(Queue[_T]):
    """A queue whose smallest item comes out first."""

    def __new__(cls, maxsize: int = 0) -> Self: ...

class LifoQueue(Queue[_T]):
    """A queue whose latest item comes out first."""

    def __new__(cls, maxsize: int = 0) -> Self: ...
