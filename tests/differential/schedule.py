"""Loops on which a program runs in the same order each time: turn by turn, with a clock that stands still until moved.

The standard library's loop orders timers of one deadline as its heap happens to; here they run as they were scheduled,
which is what our loop promises.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.namespaces import STDLIB, Names

import aioxide

Loop = asyncio.AbstractEventLoop


class _Timer(asyncio.TimerHandle):
    """A timer of the standard library that knows its turn among those of the same deadline."""

    _numbers = itertools.count()

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._number = next(self._numbers)

    def __lt__(self, other: Any) -> bool:
        return (self._when, self._number) < (other._when, other._number)


class StandingLoop(asyncio.SelectorEventLoop):
    """The standard library's loop, whose time passes only when `advance` says so."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__()

    def time(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        inner: Any = self
        timer = _Timer(when, callback, args, self, context)
        heapq.heappush(inner._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer


class OurLoop(aioxide.EventLoop):
    """Our loop on a virtual clock that never jumps by itself."""

    def __init__(self) -> None:
        self._virtual = aioxide.VirtualClock(autojump_threshold=None)
        super().__init__(clock=self._virtual)

    def advance(self, seconds: float) -> None:
        self._virtual.advance(seconds)


@dataclass(frozen=True)
class Kind:
    """Whose primitives a program uses, and whose loop it runs on."""

    names: Names
    loop: Callable[[], Any]
    overrides: tuple[tuple[str, Any], ...] = ()

    @property
    def label(self) -> str:
        """What to call it in the name of a test."""
        where = "ours" if self.loop is OurLoop else "the stdlib's"
        return f"{self.names.label}'s on {where}"

    def __getattr__(self, name: str) -> Any:
        for overridden, value in self.overrides:
            if overridden == name:
                return value
        return getattr(self.names, name)

    def with_(self, **overrides: Any) -> Kind:
        """Return the same with some names standing for something else: for mutants."""
        return Kind(self.names, self.loop, tuple(overrides.items()))


REFERENCE = Kind(STDLIB, StandingLoop)
