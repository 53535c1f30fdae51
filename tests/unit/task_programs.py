"""Programs of tasks: the machine that runs one and writes down all that can be seen.

A program is plain data. It has scripts, which tasks follow, and a driver, which acts between the turns of the loop from
outside of any task. The same program, run with two kinds of tasks and futures, must leave the same trace: who ran in
which turn, what every wait gave or raised, what every question to a task or future was answered, in what order
callbacks ran, and what the loop's exception handler was told.

The machine keeps programs from waiting in circles: to cancel such a circle is endless recursion for every kind of task,
and a task that awaits itself cannot be awaited by others any more if it is the standard library's C task.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

from .task_program_parts import CAUGHT, ERRORS, CallGraph, Kind, Loop, Op, Program, Script, Trace

FUTURES = 3
TASKS_MAX = 14
TURNS_MAX = 400
# A wake-up goes through three turns that nobody sees, at most: the child's, gather's and the parent's.
QUIET_TURNS = 6

HAS_EAGER = sys.version_info >= (3, 12)
# Before, a call that uses the state of a task that has finished eagerly may crash the stdlib's.
HAS_STACK_OF_EAGER = sys.version_info >= (3, 13)
# Natives are as on the newest Python, where an exception handler runs in the context of what has failed.
HANDLES_IN_CONTEXT = sys.version_info >= (3, 12)
HAS_CALL_GRAPH = sys.version_info >= (3, 14)

VAR: contextvars.ContextVar[int] = contextvars.ContextVar("VAR", default=0)

# What asyncio's callbacks, and those of natives, are called in the repr of a task that has them.
CALLBACKS_OF_WAITS = re.compile(
    r"TaskGroup\._on_task_done\(\)"
    r"|(gather|_wait|shield)\.<locals>\.\w+\(\)( at \S+:\d+)?"
    r"|<aioxide\._core\.\w+ object>\(\)"
)

# asyncio's shield has two callbacks from 3.14 on, and natives have one, so that what a repr says of several is not the
# same. How many there are, this one left out, is compared.
CLEARS_EDGE = "shield.<locals>._clear_awaited_by_callback"
SEVERAL_WITH_WAITS = re.compile(r"\bcb=\[[^\[\]]*wait\(\)[^\[\]]*\]")
MORE = re.compile(r"<\d+ more>")

# What newer versions of asyncio have a gather do for the call graph when it is over; natives do so without a callback.
END_OF_GATHER = re.compile(r"_discard_awaited_by\(\)\(\)( at \S+:\d+)?(, )?")

GO_ON = object()


class Awaitable:
    """Yields what it was made with, whatever a task may think of it."""

    def __init__(self, thing: object) -> None:
        self._thing = thing

    def __await__(self) -> Iterator[Any]:
        got = yield self._thing
        return got


class InOrder(dict[Any, None]):
    """What a TaskGroup needs of a set, but with an order that does not depend on addresses."""

    def add(self, task: Any) -> None:
        self[task] = None

    def discard(self, task: Any) -> None:
        self.pop(task, None)


class Machine:
    """Runs one program with one kind of tasks, once."""

    def __init__(self, program: Program, kind: Kind) -> None:
        self.trace = Trace()
        self._program = program
        self._kind = kind
        self._loop = kind.loop()
        self._loop.set_debug(program.debug)
        self._loop.set_exception_handler(self._reported)
        self._turn = 0
        self._labels: dict[int, str] = {}
        self._kept: list[Any] = []
        self._futures: list[Any] = []
        self._tasks: list[Any] = []
        self._made = 0
        self._callbacks: dict[tuple[int, int], Callable[[Any], None]] = {}
        self._waits: dict[int, list[int]] = {}
        # The tasks of open groups by their numbers, with the numbers of those who have opened the groups.
        self._grouped: dict[int, tuple[Any, int]] = {}
        self._lock = kind.names.Lock()
        self._late: list[Any] = []
        self._over = False
        self._context = contextvars.copy_context()
        self._context.run(VAR.set, 100)
        self._first_number = 0

    # --- the run

    def run(self) -> Trace:
        """Run to the end: until nothing happens any more, then once more with everything cancelled."""
        # What the run leaves is all in the youngest generation then, where a collection costs little.
        gc.collect(0)
        gc.disable()
        try:
            with self._asyncio_knows_python_tasks():
                self._find_first_number()
                for index in range(FUTURES):
                    self._new_future(index)
                for index in range(self._program.roots):
                    self._spawn(-1, index, "lazy", None)
                self._run_until_quiet(list(self._program.driver))
                self._wind_up()
                self._take_down()
        finally:
            gc.enable()
            self._loop.close()
        return self.trace

    @contextmanager
    def _asyncio_knows_python_tasks(self) -> Iterator[None]:
        if not self._kind.in_python or sys.version_info < (3, 14):
            yield
            return
        tasks: Any = asyncio.tasks
        with (
            mock.patch.object(tasks, "current_task", tasks._py_current_task),
            mock.patch.object(tasks, "all_tasks", tasks._py_all_tasks),
        ):
            yield

    def _find_first_number(self) -> None:
        async def nothing() -> None:
            pass

        probe = self._kind.task(nothing(), loop=self._loop)
        self._first_number = int(probe.get_name().removeprefix("Task-"))
        self._make_turn()

    def _run_until_quiet(self, driver: list[Script]) -> None:
        quiet = 0
        while (driver or quiet < QUIET_TURNS) and self._turn < TURNS_MAX:
            seen = len(self.trace.coarse)
            if driver:
                self._loop.call_soon(self._drive, driver.pop(0))
            self._make_turn()
            quiet = 0 if len(self.trace.coarse) > seen else quiet + 1

    def _make_turn(self) -> None:
        self._turn += 1
        self._loop.call_soon(self._loop.stop)
        self._loop.run_forever()
        if HAS_CALL_GRAPH:
            self.trace.call_graph.append(self._call_graph())

    def _call_graph(self) -> CallGraph:
        edges = [
            ((self._label(thing), self._label(waiter)), thing.done())
            for thing in [*self._futures, *self._tasks]
            for waiter in thing._asyncio_awaited_by or ()
        ]
        grouped = {
            (self._label(task), f"T{parent}")
            for task, parent in self._grouped.values()
            if not task.done()
        }
        return CallGraph(
            alive={edge for edge, is_done in edges if not is_done},
            over={edge for edge, is_done in edges if is_done},
            grouped=grouped,
        )

    def _drive(self, actions: Script) -> None:
        for op in actions:
            self._act(-1, op)

    def _wind_up(self) -> None:
        for _ in range(40):
            pending = [task for task in self._tasks if not task.done()]
            if not pending:
                break
            for task in pending:
                self.note("wind up", self._label(task), task.cancel("wind up"))
            self._run_until_quiet([])
        self.note("left", [self._label(task) for task in self._tasks if not task.done()])
        for target in [*self._futures, *self._tasks]:
            self._ask(target)
            self._outcome(target)

    def _take_down(self) -> None:
        """Let go of everything: what nobody has looked at is reported now. The order is the collector's affair."""
        self._over = True
        for left in (self._futures, self._tasks, self._kept, self._grouped):
            left.clear()
        self._callbacks.clear()
        gc.collect(0)
        self._make_turn()
        self.trace.coarse.append(("late", sorted(self._late, key=repr)))

    # --- the trace

    def note(self, event: str, *details: Any, fine: Any = None) -> None:
        """Write down something that happened here and now."""
        if self._over:
            return
        current = asyncio.tasks.current_task(self._loop)
        who = "-" if current is None else self._label(current)
        self.trace.coarse.append((self._turn, who, VAR.get(), event, *details))
        self.trace.fine.append(fine)

    def _label(self, thing: Any) -> str:
        return self._labels.get(id(thing)) or self._text(thing)

    def _text(self, thing: Any) -> str:
        return self._neutral(repr(thing))

    def _neutral(self, text: str) -> str:
        """A text without what differs from run to run, and from kind to kind."""
        text = re.sub(r" at 0x[0-9a-f]+", "", text)
        text = END_OF_GATHER.sub("", CALLBACKS_OF_WAITS.sub("wait()", text))
        if HAS_CALL_GRAPH:
            text = MORE.sub("<more>", SEVERAL_WITH_WAITS.sub("cb=[waits]", text))
        text = re.sub(r"'Task-(\d+)'", lambda m: f"'Task+{int(m[1]) - self._first_number}'", text)
        text = re.sub(r"Task\.(task_wakeup|__wakeup)\(\)", "Task.wakeup()", text)
        # A report shortens the repr that it quotes, and may cut off the words before the place.
        text = re.sub(r"\.\.\.\S*\.py:\d+>", "...>", text)
        return re.sub(r" created at [^ >]+", " created", text)

    def _describe(self, exc: BaseException | None) -> tuple[Any, Any]:
        """An exception for everybody's eyes, and what else there is to it: its identity and where it comes from."""
        if exc is None:
            return None, None
        args = tuple(self._text(arg) for arg in exc.args)
        if isinstance(exc, asyncio.InvalidStateError):
            args = ("invalid state",)
        inner = []
        if isinstance(exc, BaseExceptionGroup):
            inner = [self._describe(member) for member in exc.exceptions]
            args = args[:1]
        fine = (
            self._identity(exc),
            [part[1] for part in inner],
            exc.__suppress_context__,
            self._chain(exc.__cause__),
            self._chain(exc.__context__),
        )
        return (type(exc).__name__, args, [part[0] for part in inner]), fine

    def _identity(self, exc: BaseException) -> int:
        for index, known in enumerate(self._kept):
            if known is exc:
                return index
        self._kept.append(exc)
        return len(self._kept) - 1

    def _chain(self, exc: BaseException | None) -> list[tuple[str, int]]:
        chain = []
        while exc is not None and len(chain) < 8:
            chain.append((type(exc).__name__, self._identity(exc)))
            exc = exc.__context__
        return chain

    def _note_exception(self, event: str, *details: Any, exc: BaseException) -> None:
        coarse, fine = self._describe(exc)
        self.note(event, *details, coarse, fine=fine)

    def _reported(self, loop: Loop, told: dict[str, Any]) -> None:
        coarse, fine = self._describe(told.get("exception"))
        about = [self._text(told[key]) for key in ("future", "task") if key in told]
        report = (self._neutral(told["message"]), sorted(told), about, coarse)
        if "handle" not in told:
            # A destructor speaks, and when it does depends on cycles that only some kinds leave.
            self._late.append(report)
        else:
            context = contextvars.copy_context() if HANDLES_IN_CONTEXT else contextvars.Context()
            context.run(self.note, "reported", report, fine=fine)

    # --- what there is

    def _new_future(self, index: int) -> None:
        future = self._loop.create_future()
        self._labels[id(future)] = f"F{index}"
        self._kept.append(future)
        if len(self._futures) < FUTURES:
            self._futures.append(future)
        else:
            self._futures[index] = future

    def _target(self, where: tuple[str, int]) -> Any:
        kind, index = where
        things = self._tasks if kind == "t" and self._tasks else self._futures
        return things[index % len(things)]

    def _spawn(self, me: int, index: int, how: str, name: str | None) -> Any:
        """Make a task, in one of the ways that there are. Gives None if there are enough."""
        if self._made >= TASKS_MAX:
            self.note("enough tasks")
            return None
        number = self._made
        self._made += 1
        script = self._program.scripts[index % len(self._program.scripts)]
        coro = self._body(number, script)
        loop: Any = self._loop
        match how:
            case "eager" if HAS_EAGER:
                task = self._kind.task(coro, loop=loop, name=name, eager_start=True)
            case "context":
                task = loop.create_task(coro, context=self._context)
            case "class":
                task = self._kind.task(coro, loop=loop, name=name)
            case _:
                task = loop.create_task(coro, name=name) if name else loop.create_task(coro)
        self._add(task, number)
        return task

    def _add(self, task: Any, number: int) -> None:
        self._labels[id(task)] = f"T{number}"
        self._tasks.append(task)
        self._kept.append(task)
        self.note("made", f"T{number}", self._text(task))

    async def _body(self, me: int, script: Script) -> Any:
        self.note("starts", me)
        try:
            outcome = await self._block(me, script)
        except BaseException as exc:
            self._note_exception("raises", me, exc=exc)
            raise
        finally:
            self._waits.pop(me, None)
        self.note("returns", me, outcome is GO_ON)
        return me if outcome is GO_ON else outcome

    async def _block(self, me: int, script: Script) -> Any:
        for op in script:
            wait = getattr(self, "_do_" + op[0], None)
            if wait is None:
                self._act(me, op)
                continue
            outcome = await wait(me, *op[1:])
            if outcome is not GO_ON:
                return outcome
        return GO_ON

    # --- what tasks and the driver do without waiting

    def _act(self, me: int, op: Op) -> None:
        action = getattr(self, "_act_" + op[0])
        try:
            action(me, *op[1:])
        except (asyncio.InvalidStateError, RuntimeError, TypeError) as exc:
            self._note_exception("refused", op[0], exc=exc)

    def _act_set_result(self, me: int, index: int) -> None:
        self.note("sets result", index)
        self._futures[index].set_result(index * 11)

    def _act_set_exception(self, me: int, index: int, error: str, as_class: bool) -> None:
        self.note("sets exception", index, error)
        made = ERRORS[error]()
        self._futures[index].set_exception(type(made) if as_class else made)

    def _act_cancel(self, me: int, where: tuple[str, int], message: Any) -> None:
        target = self._target(where)
        answer = target.cancel() if message is None else target.cancel(message)
        self.note("cancels", self._label(target), answer)
        self._ask(target)

    def _act_uncancel(self, me: int, index: int) -> None:
        target = self._target(("t", index))
        if hasattr(target, "uncancel"):
            self.note("uncancels", self._label(target), target.uncancel())
            self._ask(target)

    def _act_new_future(self, me: int, index: int) -> None:
        if self._futures[index].done():
            self._new_future(index)
            self.note("new future", index)

    def _act_spawn(self, me: int, index: int, how: str, name: str | None) -> None:
        self._spawn(me, index, how, name)

    def _act_var(self, me: int, value: int) -> None:
        VAR.set(value)
        self.note("var")

    def _act_ask(self, me: int, where: tuple[str, int]) -> None:
        self._ask(self._target(where))

    def _act_outcome(self, me: int, where: tuple[str, int]) -> None:
        self._outcome(self._target(where))

    def _act_add_callback(
        self, me: int, where: tuple[str, int], index: int, own_context: bool
    ) -> None:
        target = self._target(where)
        callback = self._callback(target, index)
        if own_context:
            target.add_done_callback(callback, context=self._context)
        else:
            target.add_done_callback(callback)
        self.note("adds callback", self._label(target), index)

    def _act_remove_callback(self, me: int, where: tuple[str, int], index: int) -> None:
        target = self._target(where)
        count = target.remove_done_callback(self._callback(target, index))
        self.note("removes callback", self._label(target), index, count)

    def _act_add_and_remove_callback(self, me: int, where: tuple[str, int], times: int) -> None:
        for _ in range(times):
            self._act_add_callback(me, where, 0, False)
        self._act_remove_callback(me, where, 0)

    def _act_all_tasks(self, me: int) -> None:
        names = sorted(self._label(task) for task in asyncio.tasks.all_tasks(self._loop))
        self.note("all tasks", names)

    def _callback(self, target: Any, index: int) -> Callable[[Any], None]:
        """Give the same function for the same index each time, so that it can be removed again."""
        key = (id(target), index)
        if key not in self._callbacks:

            def callback(future: Any) -> None:
                self._called_back(future, index)

            self._callbacks[key] = callback
        return self._callbacks[key]

    def _called_back(self, future: Any, index: int) -> None:
        self.note("callback", self._label(future), index)
        match index:
            case 1:
                self._ask(future)
            case 2:
                raise ValueError("callback")
            case 3:
                future.add_done_callback(self._callback(future, 0))
            case 4:
                self.note("cancels late", future.cancel("late"))
            case 5:
                self._act(-1, ("set_result", 0))
            case 6:
                self._act(-1, ("cancel", ("t", 0), "from callback"))

    def _ask(self, target: Any) -> None:
        """Ask a task or future everything that it answers without being changed by the question."""
        answers = [
            self._text(target),
            target.done(),
            target.cancelled(),
            target._state,
            target._log_traceback,
            self._text(target._cancel_message),
            target._asyncio_future_blocking,
            self._count_callbacks(target),
        ]
        fine: list[Any] = []
        if hasattr(target, "uncancel"):
            waiter = target._fut_waiter
            answers += [
                target.cancelling(),
                target._must_cancel,
                target._log_destroy_pending,
                None if waiter is None else self._label(waiter),
                target.get_name().partition("-")[0],
                target._coro is None,
            ]
            if HAS_STACK_OF_EAGER and not target.done():
                codes = [frame.f_code for frame in target.get_stack()]
                # The stack of a running task goes down to where the loop was started.
                fine.append([c.co_name for c in codes if c.co_flags & inspect.CO_COROUTINE])
        self.note("asks", self._label(target), *answers, fine=fine)

    def _count_callbacks(self, target: Any) -> int:
        functions = [callback for callback, _context in target._callbacks or ()]
        names = [getattr(function, "__qualname__", None) for function in functions]
        return len(names) - names.count(CLEARS_EDGE)

    def _outcome(self, target: Any) -> None:
        for question in ("exception", "result"):
            try:
                answer = getattr(target, question)()
            except BaseException as exc:  # noqa: BLE001 - whatever was set comes out
                self._note_exception(question, self._label(target), exc=exc)
            else:
                if isinstance(answer, BaseException):
                    self._note_exception(question + " is", self._label(target), exc=answer)
                else:
                    self.note(question, self._label(target), self._text(answer))

    # --- what only tasks can do: waits, and what has waits in it

    async def _wait(self, me: int, what: str, targets: Sequence[Any], awaitable: Any) -> Any:
        """Await, and write down what came of it. Where it would make a circle, nothing is awaited."""
        others = [self._tasks.index(target) for target in targets if target in self._tasks]
        numbers = [int(self._labels[id(self._tasks[other])][1:]) for other in others]
        if any(self._leads_to(number, me) for number in numbers):
            self.note("would wait in a circle", what)
            return GO_ON
        self._waits.setdefault(me, []).extend(numbers)
        self.note("waits", me, what, [self._label(target) for target in targets])
        try:
            got = await awaitable()
        except BaseException as exc:
            self._note_exception("gets error", me, what, exc=exc)
            raise
        finally:
            for number in numbers:
                self._waits[me].remove(number)
        self.note("gets", me, what, self._got(got))
        return GO_ON

    def _got(self, got: Any) -> Any:
        if isinstance(got, tuple) and len(got) == 2 and isinstance(got[0], set):
            return [sorted(self._label(future) for future in part) for part in got]
        if isinstance(got, list):
            return [self._got(member) for member in got]
        return self._describe(got)[0] if isinstance(got, BaseException) else self._text(got)

    def _leads_to(self, start: int, goal: int) -> bool:
        seen, left = set(), [start]
        while left:
            number = left.pop()
            if number == goal:
                return True
            if number not in seen:
                seen.add(number)
                left += self._waits.get(number, ())
        return False

    async def _do_sleep(self, me: int) -> Any:
        return await self._wait(me, "sleep", (), lambda: self._kind.names.sleep(0))

    async def _do_await(self, me: int, where: tuple[str, int]) -> Any:
        target = self._target(where)
        return await self._wait(me, "await", (target,), lambda: target)

    async def _do_shield(self, me: int, where: tuple[str, int]) -> Any:
        target = self._target(where)
        return await self._wait(me, "shield", (target,), lambda: self._kind.names.shield(target))

    async def _do_gather(self, me: int, where: Sequence[tuple[str, int]], quietly: bool) -> Any:
        targets = [self._target(one) for one in where]
        return await self._wait(
            me,
            "gather",
            targets,
            lambda: self._kind.names.gather(*targets, return_exceptions=quietly),
        )

    async def _do_gather_coroutines(self, me: int, index: int) -> Any:
        """Gather coroutines, which become tasks that nobody else knows."""
        script = self._program.scripts[index % len(self._program.scripts)]
        ops = [op for op in script if op[0] in ("sleep", "raise", "var", "return")]
        return await self._wait(
            me,
            "gather coroutines",
            (),
            lambda: self._kind.names.gather(*(self._block(me, (op, op)) for op in ops)),
        )

    async def _do_wait(self, me: int, where: Sequence[tuple[str, int]], when: str) -> Any:
        targets = [self._target(one) for one in where]
        return await self._wait(
            me, "wait", targets, lambda: self._kind.names.wait(targets, return_when=when)
        )

    async def _do_wait_for(self, me: int, where: tuple[str, int]) -> Any:
        target = self._target(where)
        return await self._wait(
            me, "wait_for", (target,), lambda: self._kind.names.wait_for(target, None)
        )

    async def _do_odd(self, me: int, thing: str) -> Any:
        """Yield to the task something that is not for it."""
        odd: Any = {
            "none": None,
            "number": 42,
            "text": "text",
            "future": self._futures[0],
            "list": [],
            "generator": (i for i in ()),
        }[thing]
        return await self._wait(me, "odd", (), lambda: Awaitable(odd))

    async def _do_spawn_and_await(self, me: int, index: int, how: str) -> Any:
        task = self._spawn(me, index, how, None)
        if task is None:
            return GO_ON
        return await self._wait(me, "await", (task,), lambda: task)

    async def _do_lock(self, me: int, script: Script) -> Any:
        if self._lock.locked() and me in self._waits.get(-2, ()):
            return GO_ON
        async with self._lock:
            self._waits.setdefault(-2, []).append(me)
            try:
                return await self._block(me, script)
            finally:
                self._waits[-2].remove(me)

    async def _do_call(self, me: int, script: Script) -> Any:
        return await self._block(me, script)

    async def _do_catch(self, me: int, kinds: str, script: Script, handler: Script) -> Any:
        try:
            return await self._block(me, script)
        except CAUGHT[kinds] as exc:
            self._note_exception("catches", me, exc=exc)
            return await self._block(me, handler)

    async def _do_finally(self, me: int, script: Script, last: Script) -> Any:
        try:
            outcome = await self._block(me, script)
        finally:
            self.note("finally", me)
            await self._block(me, last)
        return outcome

    async def _do_timeout(self, me: int, script: Script) -> Any:
        """Run under a deadline that has passed already, so that the clock has no say."""
        try:
            async with self._kind.names.timeout(-1) as timeout:
                return await self._block(me, script)
        finally:
            self.note("timeout", me, timeout.expired())

    async def _do_group(self, me: int, indexes: Sequence[int], script: Script) -> Any:
        first = self._made
        numbers: list[int] = []
        try:
            async with self._kind.names.TaskGroup() as group:
                if isinstance(group, asyncio.TaskGroup):
                    group._tasks = InOrder()  # type: ignore[attr-defined]
                for index in indexes:
                    if self._made >= TASKS_MAX:
                        break
                    numbers.append(self._made)
                    self._make_in(group, me, index)
                return await self._block(me, script)
        finally:
            for number in numbers:
                self._grouped.pop(number, None)
            self._waits[me] = [n for n in self._waits.get(me, ()) if n < first]
            self.note("group over", me)

    def _make_in(self, group: Any, me: int, index: int) -> None:
        number = self._made
        self._made += 1
        script = self._program.scripts[index % len(self._program.scripts)]
        self._waits.setdefault(me, []).append(number)
        task = group.create_task(self._body(number, script))
        self._grouped[number] = task, me
        self._add(task, number)

    async def _do_raise(self, me: int, error: str) -> Any:
        made = ERRORS[error]()
        raise made

    async def _do_return(self, me: int) -> Any:
        return ("returned", me)


def run(program: Program, kind: Kind) -> Trace:
    """Run a program once and return what was seen."""
    return contextvars.copy_context().run(Machine(program, kind).run)
