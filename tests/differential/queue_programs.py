"""Programs of queues: items put, taken and counted off at random, with and without room, until a shutdown."""

from __future__ import annotations

import asyncio
from typing import Any

from . import grammar as g
from .machine import GO_ON, Machine
from .strategies import indexes, programs

HAS_SHUTDOWN = hasattr(asyncio, "QueueShutDown")


class QueueMachine(Machine):
    """Has two queues, made as the program's settings say: a name and a size."""

    def set_up(self) -> None:
        self.queues = [getattr(self.kind, name)(size) for name, size in self.program.settings]
        self._made = 0

    def left(self) -> Any:
        return [self._ask(queue) for queue in self.queues], [
            self._rest(queue) for queue in self.queues
        ]

    def _rest(self, queue: Any) -> list[Any]:
        """Take everything out, which gives room to nobody: by now no task waits, or it does so in vain."""
        items = []
        try:
            while not queue.empty():
                items.append(queue.get_nowait())
        except Exception as exc:  # noqa: BLE001 - it belongs to what is compared
            items.append(self.describe(exc))
        return items

    def take_down(self) -> None:
        self.queues.clear()

    def _ask(self, queue: Any) -> Any:
        return self.text(queue), queue.qsize(), queue.empty(), queue.full(), queue.maxsize

    def _queue(self, index: int) -> Any:
        return self.queues[index % len(self.queues)]

    def _item(self) -> Any:
        self._made += 1
        # Not in the order of making, so that a queue with priorities has something to do.
        return (self._made * 7 % 5, self._made)

    def _act_ask(self, index: int) -> Any:
        return self._ask(self._queue(index))

    def _act_put_nowait(self, index: int) -> Any:
        return self._queue(index).put_nowait(self._item())

    def _act_call(self, index: int, name: str, *arguments: Any) -> Any:
        return getattr(self._queue(index), name)(*arguments)

    async def _do_put(self, me: int, index: int) -> Any:
        item = self._item()
        return await self._await(me, "put", lambda: self._queue(index).put(item))

    async def _do_get(self, me: int, index: int) -> Any:
        return await self._await(me, "get", self._queue(index).get)

    async def _do_join(self, me: int, index: int) -> Any:
        return await self._await(me, "join", self._queue(index).join)

    async def _do_get_all(self, me: int, index: int) -> Any:
        """Take some items and count each of them off."""
        for _ in range(3):
            await self._await(me, "get", self._queue(index).get)
            self.act(("call", index, "task_done"))
        return GO_ON

    async def _await(self, me: int, what: str, make: Any) -> Any:
        """Await; an error that is not a cancellation does not end the script."""
        try:
            return await self.wait(me, what, make)
        except Exception:  # noqa: BLE001 - it is in the trace, and what comes after it is worth seeing
            return GO_ON


def _call(name: str, *arguments: Any) -> Any:
    return g.tuples(g.just("call"), indexes, g.just(name), *arguments)


def _named(*names: str) -> Any:
    return [g.tuples(g.just(name), indexes) for name in names]


_actions = [
    *_named("put_nowait", "put_nowait", "ask"),
    _call("get_nowait"),
    _call("get_nowait"),
    _call("task_done"),
]
_shutdowns = [_call("shutdown"), _call("shutdown", g.booleans())] if HAS_SHUTDOWN else []
_waits = _named("put", "put", "put", "get", "get", "get", "join", "get_all")


def queue_programs(name: str, *, shutdown: bool = True) -> Any:
    """Return a strategy for programs of queues of one class."""
    actions = _actions + (_shutdowns if shutdown else [])
    one = g.tuples(g.just(name), g.integers(0, 2))
    return programs(g.one_of(*actions), g.one_of(*_waits), (), g.tuples(one, one))


CLASSES = ("Queue", "LifoQueue", "PriorityQueue")
