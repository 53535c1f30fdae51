"""Programs of locks, events, conditions, semaphores and barriers: taken, released, notified, cancelled at random."""

from __future__ import annotations

from typing import Any

from . import grammar as g
from .machine import GO_ON, Machine, Script
from .strategies import indexes, programs

# What each primitive is asked, and does at once.
QUESTIONS = ("locked", "is_set", "n_waiting", "broken", "parties")


class LockMachine(Machine):
    """Has three objects, made as the program's settings say: a name and the arguments."""

    def set_up(self) -> None:
        self.objects: list[Any] = []
        self.counter = 0
        for name, *arguments in self.program.settings:
            self.objects.append(self._make(name, arguments))

    def _make(self, name: str, arguments: list[Any]) -> Any:
        if name == "Condition of the first":
            # The first object of a program that says so is a lock.
            return self.kind.Condition(self.objects[0])
        return getattr(self.kind, name)(*arguments)

    def relent(self) -> None:
        # A condition takes its lock again for a waiter that is cancelled, however long that takes.
        for thing in self.objects:
            if hasattr(thing, "notify") and thing.locked():
                thing.release()

    def left(self) -> Any:
        return [self._ask(thing) for thing in self.objects], self.counter

    def take_down(self) -> None:
        self.objects.clear()

    def _ask(self, thing: Any) -> Any:
        answers = [self.text(thing)]
        for name in QUESTIONS:
            question = getattr(thing, name, None)
            answers.append(question() if callable(question) else question)
        return answers

    def _object(self, index: int) -> Any:
        return self.objects[index % len(self.objects)]

    def _act_call(self, index: int, name: str, *arguments: Any) -> Any:
        thing = self._object(index)
        return self._result(getattr(thing, name)(*arguments), thing)

    def _result(self, got: Any, thing: Any) -> Any:
        return "itself" if got is thing else got

    def _act_ask(self, index: int) -> Any:
        return self._ask(self._object(index))

    def _act_count(self) -> Any:
        self.counter += 1
        return self.counter

    async def _do_await(self, me: int, index: int, name: str) -> Any:
        """Await a method; an error that is not a cancellation does not end the script."""
        try:
            return await self.wait(me, name, getattr(self._object(index), name))
        except Exception:  # noqa: BLE001 - it is in the trace, and what comes after it is worth seeing
            return GO_ON

    async def _do_wait_until(self, me: int, index: int, count: int) -> Any:
        """Wait on a condition for a count; what the predicate gives is what `wait_for` gives."""

        def predicate() -> Any:
            self.note("asked", self.counter)
            return self.counter if self.counter >= count else 0

        condition = self._object(index)
        return await self.wait(me, "wait_for", lambda: condition.wait_for(predicate))

    async def _do_with(self, me: int, index: int, script: Script) -> Any:
        thing = self._object(index)
        self.note("enters", index)
        try:
            async with thing as entered:
                self.note("entered", index, self.text(entered))
                return await self.block(me, script)
        except RuntimeError as exc:
            self.note_exception("with", index, exc=exc)
            return GO_ON
        finally:
            self.note("left it", index)

    async def _do_notifying(self, me: int, index: int, script: Script) -> Any:
        """Hold a condition of the shared lock, wait on it or notify others, and go on."""
        condition = self.objects[1 + index % 2]
        async with condition:
            if index % 3 == 0:
                condition.notify(1 + index // 3)
            else:
                await self.wait(me, "wait", condition.wait)
            return await self.block(me, script)


def _calls(*names: Any) -> Any:
    """Operations that call a method of an object; a name may bring a strategy of its arguments."""
    choices = []
    for name in names:
        method, *arguments = name if isinstance(name, tuple) else (name,)
        choices.append(g.tuples(g.just("call"), indexes, g.just(method), *arguments))
    return choices


def _awaits(*names: str) -> Any:
    return [g.tuples(g.just("await"), indexes, g.just(name)) for name in names]


_asks = g.tuples(g.just("ask"), indexes)
_notify = ("notify", g.integers(1, 3))
_counts = g.just(("count",))
_until = g.tuples(g.just("wait_until"), indexes, g.integers(1, 3))
_sizes = g.integers(0, 2)


def _family(calls: list[Any], awaits: list[Any], blocks: tuple[str, ...], things: Any) -> Any:
    return programs(g.one_of(*calls, _asks), g.one_of(*awaits), blocks, things)


def _two(name: str, size: Any = None) -> Any:
    one = g.tuples(g.just(name)) if size is None else g.tuples(g.just(name), size)
    return g.tuples(one, one)


FAMILIES: dict[str, tuple[tuple[str, ...], Any]] = {
    "locks": (("Lock",), _family(_calls("release"), _awaits("acquire"), ("with",), _two("Lock"))),
    "events": (("Event",), _family(_calls("set", "clear"), _awaits("wait"), (), _two("Event"))),
    "semaphores": (
        ("Semaphore",),
        _family(_calls("release"), _awaits("acquire"), ("with",), _two("Semaphore", _sizes)),
    ),
    "bounded semaphores": (
        ("BoundedSemaphore",),
        _family(_calls("release"), _awaits("acquire"), ("with",), _two("BoundedSemaphore", _sizes)),
    ),
    "conditions": (
        ("Condition",),
        _family(
            [*_calls("release", _notify, "notify_all"), _counts],
            [*_awaits("acquire", "wait", "wait"), _until],
            ("with", "with"),
            g.just((("Condition",),)),
        ),
    ),
    "barriers": (
        ("Barrier",),
        _family(
            [],
            _awaits("wait", "wait", "reset", "abort"),
            ("with",),
            _two("Barrier", g.integers(1, 3)),
        ),
    ),
    "conditions of a shared lock": (
        ("Lock", "Condition"),
        _family(
            [*_calls("release"), _counts],
            _awaits("acquire"),
            ("with", "with", "notifying"),
            g.just((("Lock",), ("Condition of the first",), ("Condition of the first",))),
        ),
    ),
}
