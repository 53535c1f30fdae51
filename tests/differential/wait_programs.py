"""Programs that wait for many things at once: trees of tasks, gathered, grouped, shielded, under deadlines, cancelled.

A task waits only for tasks that were made after it, and for futures, so that no program waits in a circle.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence
from typing import Any

from . import grammar as g
from .machine import ERRORS, GO_ON, TICK_S, Machine, Script
from .strategies import errors, indexes, messages, programs, ticks

FUTURES = 3
HAS_ASYNC_AS_COMPLETED = sys.version_info >= (3, 13)

Target = tuple[str, int]


class InOrder(dict[Any, None]):
    """What the standard library's TaskGroup needs of a set, in an order that does not depend on addresses."""

    def add(self, task: Any) -> None:
        self[task] = None

    def discard(self, task: Any) -> None:
        self.pop(task, None)


def keeps_call_graph(callback: Any) -> bool:
    """Whether this is a callback by which the standard library forgets who awaits a future; natives need none."""
    return "awaited_by" in getattr(getattr(callback, "func", callback), "__name__", "")


class WaitMachine(Machine):
    """Has futures, tasks, and what was made of them."""

    def set_up(self) -> None:
        self.futures = [
            self.name(self.loop.create_future(), f"F{index}") for index in range(FUTURES)
        ]
        # What gather and shield gave, with the number of the first task that is in it.
        self.outers: list[tuple[Any, int]] = []
        self.timeouts: list[Any] = []
        self.groups: list[Any] = []

    def left(self) -> Any:
        things = [*self.tasks, *self.futures, *(outer for outer, _ in self.outers)]
        states = [self._state(thing) for thing in things]
        return states, [self._seen(timeout) for timeout in self.timeouts]

    def _state(self, thing: Any) -> Any:
        answers: list[Any] = [self.label(thing), thing.done(), thing.cancelled()]
        if hasattr(thing, "cancelling"):
            answers.append(thing.cancelling())
        if thing.done() and not thing.cancelled():
            answers.append(self.describe(thing.exception()))
        return (*answers, sum(not keeps_call_graph(call) for call, _ in thing._callbacks or ()))

    def text(self, thing: Any) -> str:
        # A native forgets a task when it ends, and asyncio's a turn later.
        return re.sub(r"<TaskGroup tasks=\d+", "<TaskGroup tasks", super().text(thing))

    def _seen(self, timeout: Any) -> Any:
        return self.text(timeout), timeout.when(), timeout.expired()

    def take_down(self) -> None:
        for outer, _ in self.outers:
            if outer.done() and not outer.cancelled():
                outer.exception()
        for left in (self.futures, self.outers, self.timeouts, self.groups):
            left.clear()

    def got(self, got: Any) -> Any:
        if isinstance(got, tuple) and len(got) == 2 and isinstance(got[0], set):
            return [sorted(self.label(future) for future in part) for part in got]
        if isinstance(got, list):
            return [self.got(member) for member in got]
        if isinstance(got, asyncio.Future):
            return self.label(got)
        return super().got(got)

    # --- who waits for whom

    def _targets(self, me: int, where: Sequence[Target]) -> list[Any]:
        later = self.tasks[me + 1 :]
        things = []
        for kind, index in where:
            pool = later if kind == "t" and later else self.futures
            things.append(pool[index % len(pool)])
        return things

    def _one_done_at_most(self, things: list[Any]) -> list[Any]:
        """Leave out all that is done but the first: of these, the standard library's order is that of a set."""
        kept: list[Any] = []
        has_done = False
        for thing in things:
            if thing in kept or (thing.done() and has_done):
                continue
            has_done = has_done or thing.done()
            kept.append(thing)
        return kept

    def _first_task_of(self, things: list[Any]) -> int:
        numbers = [self.tasks.index(thing) for thing in things if thing in self.tasks]
        return min(numbers, default=sys.maxsize)

    # --- at once

    def _act_set_result(self, index: int) -> Any:
        self.futures[index % FUTURES].set_result(index)

    def _act_set_exception(self, index: int, error: str) -> Any:
        self.futures[index % FUTURES].set_exception(ERRORS[error]())

    def _act_cancel_future(self, index: int, message: Any) -> Any:
        return self.futures[index % FUTURES].cancel(message)

    def _act_new_future(self, index: int) -> Any:
        if self.futures[index % FUTURES].done():
            made = self.name(self.loop.create_future(), f"F{index % FUTURES}+")
            self.futures[index % FUTURES] = made

    def _act_gather(self, me: int, where: Sequence[Target], quietly: bool) -> Any:
        things = self._targets(me, where)
        return self._add_outer(self.kind.gather(*things, return_exceptions=quietly), things)

    def _act_shield(self, me: int, where: Sequence[Target]) -> Any:
        things = self._targets(me, where)[:1]
        return self._add_outer(self.kind.shield(things[0]), things)

    def _add_outer(self, outer: Any, things: list[Any]) -> Any:
        if outer is things[0]:
            return "the same"
        first = self._first_task_of(things)
        self.outers.append((self.name(outer, f"O{len(self.outers)}"), first))
        return None

    def _act_cancel_outer(self, index: int, message: Any) -> Any:
        return self._outer(index).cancel(message) if self.outers else None

    def _act_outcome(self, index: int) -> Any:
        return self._state(self._outer(index)) if self.outers else None

    def _outer(self, index: int) -> Any:
        return self.outers[index % len(self.outers)][0]

    def _act_reschedule(self, index: int, delay: int | None) -> Any:
        if not self.timeouts:
            return None
        when = None if delay is None else self.loop.time() + delay * TICK_S
        return self.timeouts[index % len(self.timeouts)].reschedule(when)

    def _act_see(self, index: int) -> Any:
        return self._seen(self.timeouts[index % len(self.timeouts)]) if self.timeouts else None

    def _act_join_group(self, index: int) -> Any:
        """Make a task in a group that was entered at some time."""
        if self.groups:
            self._make_in(self.groups[index % len(self.groups)], index)

    def _make_in(self, group: Any, index: int) -> None:
        number = len(self.tasks)
        if number >= 10:
            return
        script = self.program.scripts[index % len(self.program.scripts)]
        coro = self.body(number, script)
        try:
            task = group.create_task(coro)
        finally:
            if sys.exc_info()[1] is not None:
                coro.close()
        self.tasks.append(self.name(task, f"T{number}"))

    # --- waits

    async def _do_await(self, me: int, where: Sequence[Target]) -> Any:
        [target] = self._targets(me, where[:1])
        return await self.wait(me, "await", lambda: target)

    async def _do_await_outer(self, me: int, index: int) -> Any:
        if not self.outers:
            return GO_ON
        outer, first = self.outers[index % len(self.outers)]
        return await self.wait(me, "outer", lambda: outer) if me < first else GO_ON

    async def _do_gathered(self, me: int, where: Sequence[Target], quietly: bool) -> Any:
        things = self._targets(me, where)
        return await self.wait(
            me, "gather", lambda: self.kind.gather(*things, return_exceptions=quietly)
        )

    async def _do_gather_coroutines(self, me: int, quietly: bool, parts: Sequence[Script]) -> Any:
        return await self.wait(
            me,
            "gather coroutines",
            lambda: self.kind.gather(
                *(self.block(me, part) for part in parts), return_exceptions=quietly
            ),
        )

    async def _do_shielded(self, me: int, where: Sequence[Target]) -> Any:
        things = self._targets(me, where[:1])
        return await self.wait(me, "shield", lambda: self.kind.shield(things[0]))

    async def _do_wait(
        self, me: int, where: Sequence[Target], when: str, patience: int | None
    ) -> Any:
        things = self._targets(me, where)
        if when == asyncio.FIRST_EXCEPTION:
            # Whether it looks at the exception of one depends on which it takes last.
            things = self._one_done_at_most(things)
        seconds = None if patience is None else patience * TICK_S
        return await self.wait(
            me, "wait", lambda: self.kind.wait(things, timeout=seconds, return_when=when)
        )

    async def _do_wait_for(self, me: int, where: Sequence[Target], patience: int | None) -> Any:
        things = self._targets(me, where[:1])
        return await self._wait_for(me, lambda: things[0], patience)

    async def _do_wait_for_script(self, me: int, patience: int | None, part: Script) -> Any:
        return await self._wait_for(me, lambda: self.block(me, part), patience)

    async def _wait_for(self, me: int, make: Any, patience: int | None) -> Any:
        seconds = None if patience is None else (patience - 1) * TICK_S
        return await self.wait(me, "wait_for", lambda: self.kind.wait_for(make(), seconds))

    async def _do_nap(self, me: int, delay: int) -> Any:
        return await self.wait(
            me, "sleep", lambda: self.kind.sleep((delay - 1) * TICK_S, f"slept {delay}")
        )

    async def _do_as_completed(
        self, me: int, where: Sequence[Target], patience: int | None, way: str
    ) -> Any:
        things = self._one_done_at_most(self._targets(me, where))
        seconds = None if patience is None else patience * TICK_S
        completed = self.kind.as_completed(things, timeout=seconds)
        if way == "async" and HAS_ASYNC_AS_COMPLETED:
            return await self._in_async_order(me, completed)
        for coming in completed:
            try:
                await self.wait(me, "next", lambda coming=coming: coming)
            except Exception:  # noqa: BLE001 - it is in the trace; the others come after it
                continue
        return GO_ON

    async def _in_async_order(self, me: int, completed: Any) -> Any:
        try:
            async for future in completed:
                self.note("completed", self.label(future), future.done())
        except TimeoutError as exc:
            self.note_exception("too late", me, exc=exc)
        return GO_ON

    async def _do_timeout(self, me: int, delay: int, part: Script) -> Any:
        """Run under a deadline that may be over already, and that others may move."""
        try:
            async with self.kind.timeout((delay - 1) * TICK_S) as timeout:
                self.timeouts.append(timeout)
                return await self.block(me, part)
        except TimeoutError as exc:
            self.note_exception("too late", me, exc=exc)
            return GO_ON

    async def _do_timeout_at(self, me: int, delay: int, part: Script) -> Any:
        """Run under one at a moment, or without."""
        when = None if delay == 0 else self.loop.time() + delay * TICK_S
        async with self.kind.timeout_at(when) as timeout:
            self.timeouts.append(timeout)
            return await self.block(me, part)

    async def _do_group(self, me: int, index: int, part: Script) -> Any:
        try:
            async with self.kind.TaskGroup() as group:
                if type(getattr(group, "__dict__", {}).get("_tasks")) is set:
                    group._tasks = InOrder()
                self.groups.append(group)
                for number in range(1 + index % 2):
                    self._make_in(group, index + number)
                return await self.block(me, part)
        finally:
            self.note("group over", me)


_targets = g.lists(g.tuples(g.sampled_from("ttf"), indexes), min_size=1, max_size=4).map(tuple)
_timeouts = g.one_of(g.none(), ticks)
_when = g.sampled_from([asyncio.ALL_COMPLETED, asyncio.FIRST_COMPLETED, asyncio.FIRST_EXCEPTION])
_parts = g.lists(
    g.one_of(
        g.just(("sleep",)),
        g.tuples(g.just("sleep_for"), ticks),
        g.tuples(g.just("await"), _targets),
        g.tuples(g.just("raise"), errors),
        g.just(("return",)),
    ),
    min_size=1,
    max_size=3,
).map(tuple)


def _op(name: str, *arguments: Any) -> Any:
    return g.tuples(g.just(name), *arguments)


_future_actions = [
    _op("set_result", indexes),
    _op("set_exception", indexes, errors),
    _op("cancel_future", indexes, messages),
    _op("new_future", indexes),
    _op("uncancel", indexes),
]
_outer_actions = [_op("cancel_outer", indexes, messages), _op("outcome", indexes)]
_plain_waits = [_op("await", _targets)]
_from = g.integers(-1, 2)
_gathers = [
    _op("gathered", _targets, g.booleans()),
    _op("gather_coroutines", g.booleans(), g.lists(_parts, max_size=3).map(tuple)),
    _op("await_outer", indexes),
]
_shields = [_op("shielded", _targets), _op("await_outer", indexes)]
_make_gather = _op("gather", _from, _targets, g.booleans())
_make_shield = _op("shield", _from, _targets)
_waits = [_op("wait", _targets, _when, _timeouts)]
_wait_fors = [
    _op("wait_for", _targets, _timeouts),
    _op("wait_for_script", _timeouts, _parts),
]
_as_completed = [_op("as_completed", _targets, _timeouts, g.sampled_from(["plain", "async"]))]
_naps = [_op("nap", ticks)]
_timeout_actions = [_op("reschedule", indexes, _timeouts), _op("see", indexes)]
_group_actions = [_op("join_group", indexes)]


def _family(own_actions: list[Any], waits: list[Any], blocks: tuple[str, ...] = ()) -> Any:
    actions = g.one_of(*_future_actions, *own_actions, *own_actions)
    return programs(actions, g.one_of(*_plain_waits, *waits, *waits), blocks)


FAMILIES: dict[str, tuple[tuple[str, ...], Any]] = {
    "gather": (("gather",), _family([*_outer_actions, _make_gather], _gathers)),
    "shield": (("shield",), _family([*_outer_actions, _make_shield], _shields)),
    "wait": (("wait",), _family([], _waits)),
    "wait_for": (("wait_for",), _family([], _wait_fors)),
    "as_completed": (("as_completed",), _family([], _as_completed)),
    "sleep": (("sleep",), _family([], _naps)),
    "timeouts": (
        ("timeout", "timeout_at"),
        _family(_timeout_actions, _naps[:0], ("timeout", "timeout_at")),
    ),
    "task groups": (("TaskGroup",), _family(_group_actions, [], ("group", "group"))),
    "all": (
        (
            "gather",
            "shield",
            "wait",
            "wait_for",
            "as_completed",
            "sleep",
            "timeout",
            "timeout_at",
            "TaskGroup",
        ),
        _family(
            [*_outer_actions, _make_gather, _make_shield, *_timeout_actions, *_group_actions],
            [*_gathers, *_shields, *_waits, *_wait_fors, *_as_completed, *_naps],
            ("timeout", "timeout_at", "group"),
        ),
    ),
}
