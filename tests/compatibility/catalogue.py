"""The list of probes: one for each method of an event loop, and one for each keyword of a method.

A probe is a function that takes a fresh loop and uses what it probes. It returns if the effect is asyncio's, and raises
if it is not. A coroutine function is run by the loop; any other is called while the loop does not run.
"""

from __future__ import annotations

import asyncio
import inspect
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Function = Callable[[asyncio.AbstractEventLoop], Any]

# Only Windows has these; elsewhere they must keep their defaults.
_WINDOWS_KEYWORDS = frozenset({"startupinfo", "creationflags"})

# What `**kwargs` of these methods are passed on to, and which arguments asyncio sets itself.
_SPAWNING = ("subprocess_exec", "subprocess_shell")
_SET_BY_ASYNCIO = frozenset({"args"})
_TASK_KEYWORDS = ("name", "context", "eager_start")


@dataclass(frozen=True, slots=True)
class Probe:
    """One row of the table."""

    method: str
    """`create_server`, or `Server.close_clients` for what is no method of the loop."""
    keyword: str
    """A parameter of the method, or empty for the method itself."""
    function: Function
    """What tries it."""

    @property
    def name(self) -> str:
        """`create_server(backlog)`."""
        return f"{self.method}({self.keyword})" if self.keyword else self.method


PROBES: dict[str, Probe] = {}


def probe(method: str, *keywords: str) -> Callable[[Function], Function]:
    """Enter a function into the list: for these keywords of a method, or without any, for the method itself."""

    def enter(function: Function) -> Function:
        for keyword in keywords or ("",):
            entered = Probe(method, keyword, function)
            assert entered.name not in PROBES, entered.name
            PROBES[entered.name] = entered
        return function

    return enter


def unprobed() -> list[str]:
    """Return the methods of this Python's event loop, and their keywords, that no probe tries."""
    loop = asyncio.SelectorEventLoop
    names = []
    for method in dir(loop):
        if method.startswith("_"):
            continue
        names += [method, *(f"{method}({keyword})" for keyword in _keywords(getattr(loop, method)))]
    return [name for name in names if name not in PROBES]


def parameters(function: Any) -> list[str] | None:
    """Return the names of a function's parameters in order, without self. None if it does not tell."""
    try:
        found = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return None
    return [str(one).split(":")[0].split("=")[0] for name, one in found.items() if name != "self"]


def _keywords(method: Callable[..., Any]) -> list[str]:
    found = inspect.signature(method).parameters.values()
    keywords = [one.name for one in found if one.default is not one.empty]
    if method.__name__ in _SPAWNING:
        keywords += inspect.signature(subprocess.Popen).parameters
    elif method.__name__ == "create_task":
        keywords += _TASK_KEYWORDS[:2]
    unwanted = _WINDOWS_KEYWORDS | _SET_BY_ASYNCIO
    return [keyword for keyword in dict.fromkeys(keywords) if keyword not in unwanted]
