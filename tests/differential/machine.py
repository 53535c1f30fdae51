"""The machine that runs one program on a deterministic schedule, and writes down all that can be seen.

A program is plain data: scripts, which tasks follow, and a driver, which acts between the turns of the loop, outside of
any task, and moves the clock. The same program, run with two implementations, must leave the same trace: who ran in
which turn, what every wait gave or raised, and what is left in every queue, buffer and list of waiters at the end.

What all programs can do is here; a family of primitives adds its own operations as methods, `_do_name` for what waits
and `_act_name` for what does not.
"""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .schedule import Kind, Loop

Op = tuple[Any, ...]
Script = tuple[Op, ...]

TASKS_MAX = 12
TURNS_MAX = 400
# A wake-up goes through some turns that nobody sees: a child's, that of what gathers it, and the parent's.
QUIET_TURNS = 6
# The clock moves in quarters of a second, which no arithmetic rounds.
TICK_S = 0.25
# Later than every deadline of a program.
AGES = 4_000

GO_ON = object()


class Base(BaseException):
    """An exception that `except Exception` lets pass, and that a task keeps to itself."""


ERRORS: dict[str, Callable[[], BaseException]] = {
    "value": lambda: ValueError("v"),
    "key": lambda: KeyError("k", 2),
    "cancelled": lambda: asyncio.CancelledError("own"),
    "base": lambda: Base("b"),
    "timeout": lambda: TimeoutError("t"),
}

CAUGHT: dict[str, tuple[type[BaseException], ...]] = {
    "errors": (Exception,),
    "cancelled": (asyncio.CancelledError,),
    "all": (Exception, asyncio.CancelledError, Base),
}


@dataclass(frozen=True)
class Program:
    """What to run: each script becomes a task before the loop runs. `settings` are the family's affair."""

    scripts: tuple[Script, ...]
    driver: tuple[Script, ...]
    settings: tuple[Any, ...] = ()
    debug: bool = False


@dataclass
class Trace:
    """What was seen; `chains` is the causes and contexts of the exceptions that were."""

    events: list[Any] = field(default_factory=list)
    chains: list[Any] = field(default_factory=list)


class Machine:
    """Runs one program with one kind of primitives, once."""

    def __init__(self, program: Program, kind: Kind) -> None:
        self.trace = Trace()
        self.kind = kind
        self.program = program
        self.loop: Any = kind.loop()
        self.loop.set_debug(program.debug)
        self.loop.set_exception_handler(self._reported)
        self.tasks: list[Any] = []
        self.labels: dict[int, str] = {}
        self._turn = 0
        self._late: list[Any] = []
        self._over = False
        self._kept: list[Any] = []

    def set_up(self) -> None:
        """Make what the family's operations work on. The loop runs."""

    def relent(self) -> None:
        """Give tasks that may not be cancelled what they wait for. The loop runs."""

    def left(self) -> Any:
        """Return what is left in the family's objects."""
        return None

    def take_down(self) -> None:
        """Let go of the family's objects."""

    # --- the run

    def run(self) -> Trace:
        """Run to the end: until nothing happens any more, then long after all deadlines, then with all cancelled."""
        # What the run leaves is all in the youngest generation then, where a collection costs little.
        gc.collect(0)
        gc.disable()
        try:
            self._in_a_turn(self.set_up)
            for index in range(len(self.program.scripts)):
                self._in_a_turn(lambda index=index: self.spawn(index))
            self._run_until_quiet(list(self.program.driver))
            self._wind_up()
            self.note("left", self.left())
            self._end()
        finally:
            gc.enable()
            self.loop.close()
        return self.trace

    def _in_a_turn(self, action: Callable[[], object]) -> None:
        raised: list[BaseException] = []

        def act() -> None:
            try:
                action()
            except BaseException as exc:  # noqa: BLE001 - a skip, too, has to get out of the loop
                raised.append(exc)

        self.loop.call_soon(act)
        self._make_turn()
        if raised:
            raise raised.pop()

    def _run_until_quiet(self, driver: list[Script]) -> None:
        quiet, last = 0, self._turn + TURNS_MAX
        while (driver or quiet < QUIET_TURNS) and self._turn < last:
            seen = len(self.trace.events)
            if driver:
                self._drive(driver.pop(0))
            self._make_turn()
            quiet = 0 if len(self.trace.events) > seen else quiet + 1

    def _make_turn(self) -> None:
        self._turn += 1
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()

    def _drive(self, actions: Script) -> None:
        for op in actions:
            if op[0] == "advance":
                self.loop.advance(op[1] * TICK_S)
            else:
                self.loop.call_soon(self.act, op)

    def _wind_up(self) -> None:
        self.note("ages pass")
        self.loop.advance(AGES * TICK_S)
        self._run_until_quiet([])
        for _ in range(20):
            pending = [task for task in self.tasks if not task.done()]
            if not pending:
                break
            self.note("before the end", self.left())
            self._in_a_turn(self.relent)
            for task in pending:
                self.note("wind up", self.label(task), task.cancel("wind up"))
            self._run_until_quiet([])
        self.note("unfinished", [self.label(task) for task in self.tasks if not task.done()])
        for task in self.tasks:
            if task.done() and not task.cancelled():
                task.exception()

    def _end(self) -> None:
        """Let go of everything: what nobody has looked at is reported now. The order is the collector's affair."""
        self._over = True
        self.take_down()
        self.tasks.clear()
        self._kept.clear()
        gc.collect(0)
        self._make_turn()
        self.trace.events.append(("late", sorted(self._late, key=repr)))

    # --- the trace

    def note(self, event: str, *details: Any) -> None:
        """Write down something that happened here and now."""
        if self._over:
            return
        current = asyncio.current_task(self.loop)
        who = "-" if current is None else self.label(current)
        self.trace.events.append((self._turn, who, event, *details))

    def note_exception(self, event: str, *details: Any, exc: BaseException) -> None:
        """Write down an exception, and its causes beside."""
        self.note(event, *details, self.describe(exc))
        self.trace.chains.append((len(self.trace.events), self._chain(exc, 0)))

    def label(self, thing: Any) -> str:
        """Return the name of a task or future in the trace."""
        return self.labels.get(id(thing)) or f"unknown {type(thing).__name__}"

    def name(self, thing: Any, label: str) -> Any:
        """Give a task or future its name in the trace, and keep it, so that no other has its address."""
        self.labels[id(thing)] = label
        self._kept.append(thing)
        return thing

    def text(self, thing: Any) -> str:
        """Return a repr without what differs from run to run."""
        text = re.sub(r" at 0x[0-9a-f]+", "", repr(thing))
        text = re.sub(r"Task-\d+", "Task", text)
        return re.sub(r" created at [^ >]+", " created", text)

    def describe(self, exc: BaseException | None) -> Any:
        """Return what everybody sees of an exception."""
        if exc is None:
            return None
        if isinstance(exc, BaseExceptionGroup):
            inner = [self.describe(member) for member in exc.exceptions]
            return type(exc).__name__, exc.args[0], inner
        args = tuple(self.text(arg) for arg in exc.args)
        own = sorted(vars(exc)) if not isinstance(exc, BaseExceptionGroup) else []
        return f"{type(exc).__module__}.{type(exc).__qualname__}", args, own

    def _chain(self, exc: BaseException | None, depth: int) -> Any:
        if exc is None or depth == 6:
            return None
        name = type(exc).__name__
        below = [self._chain(each, depth + 1) for each in (exc.__cause__, exc.__context__)]
        members = [
            self._chain(each, depth + 1)
            for each in (exc.exceptions if isinstance(exc, BaseExceptionGroup) else ())
        ]
        return name, exc.__suppress_context__, *below, members

    def _reported(self, loop: Loop, context: dict[str, Any]) -> None:
        message = re.sub(r" at 0x[0-9a-f]+", "", context["message"])
        report = (message, sorted(context), self.describe(context.get("exception")))
        self._late.append(report)

    # --- tasks, and what they do

    def spawn(self, index: int) -> Any:
        """Make a task of one of the scripts, or give None if there are enough."""
        number = len(self.tasks)
        if number >= TASKS_MAX:
            self.note("enough tasks")
            return None
        script = self.program.scripts[index % len(self.program.scripts)]
        task = self.loop.create_task(self.body(number, script))
        self.tasks.append(self.name(task, f"T{number}"))
        return task

    async def body(self, me: int, script: Script) -> Any:
        """Follow a script."""
        try:
            outcome = await self.block(me, script)
        except BaseException as exc:
            self.note_exception("raises", me, exc=exc)
            raise
        self.note("returns", me)
        return me if outcome is GO_ON else outcome

    async def block(self, me: int, script: Script) -> Any:
        """Follow a part of a script."""
        for op in script:
            wait = getattr(self, "_do_" + op[0], None)
            if wait is None:
                self.act(op)
                continue
            outcome = await wait(me, *op[1:])
            if outcome is not GO_ON:
                return outcome
        return GO_ON

    async def wait(self, me: int, what: str, make: Callable[[], Any]) -> Any:
        """Await what `make` makes, and write down what came of it."""
        self.note("waits", what)
        try:
            got = await make()
        except BaseException as exc:
            self.note_exception("gets error", what, exc=exc)
            raise
        self.note("gets", what, self.got(got))
        return GO_ON

    def got(self, got: Any) -> Any:
        """Return what the trace says of a result."""
        return self.describe(got) if isinstance(got, BaseException) else self.text(got)

    def act(self, op: Op) -> Any:
        """Do what does not wait, and write down its answer or the error."""
        action = getattr(self, "_act_" + op[0])
        try:
            answer = action(*op[1:])
        except Exception as exc:  # noqa: BLE001 - whatever it is, the other implementation has to raise it too
            self.note_exception("refused", op[0], exc=exc)
        else:
            self.note("did", op[0], op[1:], self.got(answer))

    def _act_cancel(self, index: int, message: Any) -> Any:
        if not self.tasks:
            return None
        task = self.tasks[index % len(self.tasks)]
        return task.cancel() if message is None else task.cancel(message)

    def _act_uncancel(self, index: int) -> Any:
        return self.tasks[index % len(self.tasks)].uncancel() if self.tasks else None

    def _act_spawn(self, index: int) -> Any:
        self.spawn(index)

    async def _do_sleep(self, me: int) -> Any:
        return await self.wait(me, "sleep", lambda: asyncio.sleep(0))

    async def _do_sleep_for(self, me: int, ticks: int) -> Any:
        return await self.wait(me, "sleep for", lambda: asyncio.sleep(ticks * TICK_S))

    async def _do_raise(self, me: int, error: str) -> Any:
        made = ERRORS[error]()
        raise made

    async def _do_return(self, me: int) -> Any:
        return ("returned", me)

    async def _do_catch(self, me: int, kinds: str, script: Script, handler: Script) -> Any:
        try:
            return await self.block(me, script)
        except CAUGHT[kinds] as exc:
            self.note_exception("catches", me, exc=exc)
            return await self.block(me, handler)

    async def _do_finally(self, me: int, script: Script, last: Script) -> Any:
        try:
            outcome = await self.block(me, script)
        finally:
            self.note("finally", me)
            await self.block(me, last)
        return outcome

    async def _do_within(self, me: int, ticks: int, script: Script) -> Any:
        """Run under a deadline of the standard library's, whatever is under test."""
        try:
            async with asyncio.timeout(ticks * TICK_S):
                return await self.block(me, script)
        except TimeoutError as exc:
            self.note_exception("too late", me, exc=exc)
            return GO_ON


def run(machine: type[Machine], program: Program, kind: Kind) -> Trace:
    """Run a program once and return what was seen."""
    return machine(program, kind).run()
