"""asyncio's names, as the standard library has them and as ours are: what a test of both asks for a `Lock` or `gather`.

Ours are those of `aioxide.natives`, which has one module for each of asyncio's, of the same name. A test that asks for
a name which is not native yet is skipped, and says which name that was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

# The modules of asyncio whose names can be native.
SUBMODULES = (
    "futures",
    "tasks",
    "locks",
    "queues",
    "timeouts",
    "taskgroups",
    "streams",
    "subprocess",
    "threads",
)

# Names that asyncio has on newer Pythons only; ours are there on each.
_NEWER = {"QueueShutDown": "queues", "timeout_at": "timeouts"}

# What is not replaced. Our loop makes futures and tasks of ours, whatever these names say, and the rest asks them
# for things that they answer themselves.
_NEVER_NATIVE = frozenset(
    {
        "Future",
        "Task",
        "create_eager_task_factory",
        "eager_task_factory",
        "future_add_to_awaited_by",
        "future_discard_from_awaited_by",
        "isfuture",
    }
)


def _homes() -> dict[str, str]:
    homes = dict(_NEWER)
    for submodule in SUBMODULES:
        module = import_module(f"asyncio.{submodule}")
        for name in getattr(module, "__all__", ()):
            # Constants and exceptions belong to asyncio whoever uses them.
            if callable(getattr(module, name)) and name not in _NEVER_NATIVE:
                homes[name] = submodule
    return homes


HOMES = _homes()


class Names:
    """The names of one implementation, looked up as attributes."""

    def __init__(self, label: str, *, native: bool) -> None:
        self.label = label
        self.native = native

    def __repr__(self) -> str:
        return self.label

    def __getattr__(self, name: str) -> Any:
        absent = self.absent([name])
        if absent is not None:
            pytest.skip(absent)
        if self.native and name in HOMES:
            return native(name)
        return getattr(asyncio, name)

    def absent(self, names: Iterable[str]) -> str | None:
        """Return the reason to skip what needs all these names, or None if they are there."""
        for name in names:
            if self.native and name in HOMES and native(name) is None:
                return f"no native of this name here: asyncio.{HOMES[name]}.{name}"
        return None

    def require(self, *names: str) -> None:
        """Skip the test unless all these names are there."""
        absent = self.absent(names)
        if absent is not None:
            pytest.skip(absent)


def native(name: str) -> Any:
    """Return our object of that name, or asyncio's exception, or None if there is none yet."""
    module = _native_module(HOMES[name])
    found = None if module is None else vars(module).get(name)
    return _exception_of_asyncio(name) if found is None else found


def _native_module(submodule: str) -> ModuleType | None:
    try:
        return import_module(f"aioxide.natives.{submodule}")
    except ModuleNotFoundError as absent:
        if absent.name not in {"aioxide.natives", f"aioxide.natives.{submodule}"}:
            raise
        return None


def _exception_of_asyncio(name: str) -> Any:
    found = getattr(asyncio, name, None)
    is_error = isinstance(found, type) and issubclass(found, BaseException)
    return found if is_error else None


STDLIB = Names("asyncio", native=False)
OURS = Names("aioxide", native=True)
