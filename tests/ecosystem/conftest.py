"""The kinds of task that a library meets on a loop: the loop's own and asyncio's, each lazy and eager."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest

TaskFactory = Callable[..., Any]

TASK_KINDS = ["own", "asyncio"]
if sys.version_info >= (3, 12):
    TASK_KINDS += ["own-eager", "asyncio-eager"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what would run twice: the tasks of asyncio's loop are asyncio's."""

    def runs_twice(item: pytest.Item) -> bool:
        parameters = (
            item.callspec.params
            if isinstance(item, pytest.Function) and hasattr(item, "callspec")
            else {}
        )
        kind = str(parameters.get("task_kind", ""))
        return parameters.get("loop_name") == "asyncio" and kind.startswith("asyncio")

    items[:] = [item for item in items if not runs_twice(item)]


@pytest.fixture(params=TASK_KINDS)
def task_kind(request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop) -> str:
    """Make every task on `loop`, the test's own included, one of the named kind."""
    kind: str = request.param
    if kind == "asyncio":
        loop.set_task_factory(asyncio_task)
    elif kind == "asyncio-eager":
        loop.set_task_factory(asyncio.eager_task_factory)
    elif kind == "own-eager":
        loop.set_task_factory(asyncio.create_eager_task_factory(own_task_type(loop)))
    return kind


def asyncio_task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
    """A task factory whose tasks are asyncio's, whatever the loop would have made."""
    return asyncio.Task(coro, loop=loop, **options)


def own_task_type(loop: asyncio.AbstractEventLoop) -> type[asyncio.Task[Any]]:
    """The type of the tasks that the loop makes where no factory is set."""
    task = loop.create_task(asyncio.sleep(0))
    loop.run_until_complete(task)
    return type(task)
