"""Task groups."""

import asyncio
from typing import Any, Self

from typing_extensions import disjoint_base

@disjoint_base
class TaskGroup:
    """A context manager for tasks that end together."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def __init__(self) -> None: ...

    # What derived classes read and set.
    _entered: bool
    _exiting: bool
    _aborting: bool
    _loop: asyncio.AbstractEventLoop | None
    _parent_task: asyncio.Task[Any] | None
    _parent_cancel_requested: bool
    _cancel_on_enter: bool
    _tasks: set[asyncio.Task[Any]]
    _errors: list[BaseException] | None
    _base_error: BaseException | None
    _on_completed_fut: asyncio.Future[bool] | None
