"""Task groups."""

import asyncio
from typing import Any, Self

from typing_extensions import disjoint_base

@disjoint_base
class TaskGroup:
    """A context manager for tasks that end together."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def __init__(self) -> None: ...
    @property
    def _aborting(self) -> bool: ...
    @property
    def _parent_task(self) -> asyncio.Task[Any] | None: ...
    @property
    def _tasks(self) -> set[asyncio.Task[Any]]: ...
