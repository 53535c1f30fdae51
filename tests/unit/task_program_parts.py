"""What a program of tasks is made of, what it is run with, and what is seen of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Op = tuple[Any, ...]
Script = tuple[Op, ...]
Loop = asyncio.AbstractEventLoop


class Base(BaseException):
    """An exception that `except Exception` lets pass, and that a task keeps to itself."""


ERRORS: dict[str, Callable[[], BaseException]] = {
    "value": lambda: ValueError("v"),
    "key": lambda: KeyError("k", 2),
    "cancelled": lambda: asyncio.CancelledError("own"),
    "cancelled_bare": asyncio.CancelledError,
    "base": lambda: Base("b"),
    "exit": lambda: GeneratorExit("g"),
    "stop": lambda: StopIteration(3),
    "stop_async": lambda: StopAsyncIteration(4),
    "timeout": TimeoutError,
}

CAUGHT: dict[str, tuple[type[BaseException], ...]] = {
    "errors": (Exception,),
    "cancelled": (asyncio.CancelledError,),
    "all": (Exception, asyncio.CancelledError, Base),
}


@dataclass(frozen=True)
class Program:
    """What to run: the first `roots` scripts become tasks before the loop runs."""

    scripts: tuple[Script, ...]
    driver: tuple[Script, ...]
    roots: int = 2
    debug: bool = False


Edge = tuple[str, str]


@dataclass
class CallGraph:
    """Who is awaited, and by whom, at the end of a turn.

    `alive` are the edges to what is pending, `over` those to what is done, `grouped` those that open groups stand for.
    """

    alive: set[Edge]
    over: set[Edge]
    grouped: set[Edge]

    @property
    def edges(self) -> set[Edge]:
        """All that there are."""
        return self.alive | self.over


@dataclass
class Trace:
    """What was seen. `coarse` holds for every kind; `fine` only for kinds that are not written in Python.

    `call_graph` has an entry for each turn (Python 3.14). Tasks and futures note edges only among their like.
    """

    coarse: list[Any] = field(default_factory=list)
    fine: list[Any] = field(default_factory=list)
    call_graph: list[CallGraph] = field(default_factory=list)

    def has_call_graph_of(self, reference: Trace) -> bool:
        """Tell whether the edges are those of asyncio's own tasks, but for two things.

        In asyncio an edge ends when the waiter is woken; with us a turn earlier, when there is nothing to wait for any
        more. And asyncio forgets that a group waits for a task once its parent has waited for that task itself.
        """
        theirs = reference.call_graph
        later = [*(graph.edges for graph in theirs), set()][1:]
        return all(
            now.alive & then <= ours.edges <= now.edges | ours.grouped
            for ours, now, then in zip(self.call_graph, theirs, later, strict=True)
        )


@dataclass(frozen=True)
class Kind:
    """A combination of task, future and loop under which a program can be run."""

    name: str
    task: Any
    future: Any
    loop: Callable[[], Loop]
    # Pure Python tasks register where the functions of asyncio have not looked since 3.14.
    in_python: bool = False
    # Whose `gather`, `Lock` and so on the program uses.
    names: Any = asyncio


def loop_with(base: Any, task: Any, future: Any) -> Callable[[], Loop]:
    """Make a loop factory whose loops create tasks and futures of these classes."""

    class TheLoop(base):  # type: ignore[misc]
        def create_future(self) -> Any:
            return future(loop=self)

        def create_task(self, coro: Any, **kwargs: Any) -> Any:
            return task(coro, loop=self, **kwargs)

    return TheLoop
