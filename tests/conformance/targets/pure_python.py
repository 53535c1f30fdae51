"""Control for the native primitives: the stdlib's pure Python Task and Future posing as a third party.

With it, the recipes that need a target's own Task and Future are proven without any native code.
"""

import asyncio
from asyncio import futures, locks, queues, tasks
from typing import Any

# The Python twins of the C functions are private and differ by version: typeshed does not know them.
_futures: Any = futures
_tasks: Any = tasks

EventLoop = asyncio.SelectorEventLoop
Future = _futures._PyFuture
Task = _tasks._PyTask
_register_task = _tasks._py_register_task
_unregister_task = _tasks._py_unregister_task
_enter_task = _tasks._py_enter_task
_leave_task = _tasks._py_leave_task
current_task = getattr(_tasks, "_py_current_task", _tasks.current_task)
all_tasks = getattr(_tasks, "_py_all_tasks", _tasks.all_tasks)

if hasattr(_futures, "_py_future_add_to_awaited_by"):
    future_add_to_awaited_by = _futures._py_future_add_to_awaited_by
    future_discard_from_awaited_by = _futures._py_future_discard_from_awaited_by

if hasattr(_tasks, "create_eager_task_factory"):
    create_eager_task_factory = _tasks.create_eager_task_factory
    eager_task_factory = create_eager_task_factory(Task)


class Queue(queues.Queue[Any]):
    """A queue that is not the stdlib's."""


class LifoQueue(queues.LifoQueue[Any]):
    """A last-in-first-out queue that is not the stdlib's."""


class PriorityQueue(queues.PriorityQueue[Any]):
    """A priority queue that is not the stdlib's."""


class Lock(locks.Lock):
    """A lock that is not the stdlib's."""


class Event(locks.Event):
    """An event that is not the stdlib's."""


class Condition(locks.Condition):
    """A condition that is not the stdlib's."""


class Semaphore(locks.Semaphore):
    """A semaphore that is not the stdlib's."""


class BoundedSemaphore(locks.BoundedSemaphore):
    """A bounded semaphore that is not the stdlib's."""
