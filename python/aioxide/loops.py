"""asyncio's ways to get an event loop of its choice, with ours being the choice."""

from __future__ import annotations

import asyncio
import selectors
import sys
from asyncio import unix_events
from typing import TYPE_CHECKING, Any

from aioxide.event_loop import EventLoop
from aioxide.passing_on import call_blaming_the_caller

if TYPE_CHECKING:
    from aioxide._core import VirtualClock

# A selector that the stdlib made says how to wait, not what for: our loop's own way of waiting serves as well.
_STDLIB_SELECTORS = frozenset(
    getattr(selectors, name)
    for name in ("DefaultSelector", "EpollSelector", "PollSelector", "SelectSelector")
    if hasattr(selectors, name)
)


class _SelectorEventLoopType(type(EventLoop)):  # type: ignore[misc]
    """Lets every loop of ours pass for an `asyncio.SelectorEventLoop`, as every loop of asyncio's does."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, EventLoop) or super().__instancecheck__(instance)


class SelectorEventLoop(EventLoop, metaclass=_SelectorEventLoopType):
    """What `aioxide.SelectorEventLoop` means, and `asyncio.SelectorEventLoop` and `asyncio.EventLoop` while installed.

    It takes the one argument that asyncio's class takes. A selector of the stdlib is not used; a program that
    brings a selector class of its own is given asyncio's loop, since that selector has to be asked for events.
    """

    def __new__(cls, selector: selectors.BaseSelector | None = None) -> Any:
        """Return a loop of ours, or asyncio's for a selector that only asyncio's can use."""
        if selector is None or type(selector) in _STDLIB_SELECTORS:
            return super().__new__(cls)
        return unix_events._UnixSelectorEventLoop(selector)

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        super().__init__()


def new_event_loop(*, clock: VirtualClock | None = None) -> EventLoop:
    """Return a new event loop, which is neither running nor set as the current one.

    It is a loop factory: pass it wherever one is asked for, as in
    `asyncio.run(main(), loop_factory=aioxide.new_event_loop)`.

    Args:
        clock: where `time` and all timers of the loop read the time; None means the clock of `time.monotonic`.

    Raises:
        TypeError: `clock` is neither None nor a `VirtualClock`.

    """
    return EventLoop(clock=clock)


if sys.version_info >= (3, 14):
    # There it makes no loop, so there is nothing to choose.
    from asyncio import get_event_loop as get_event_loop
else:

    def get_event_loop() -> asyncio.AbstractEventLoop:
        """Return the running event loop, else the current one; where asyncio would make that, it is one of ours.

        Raises:
            RuntimeError: there is no current event loop, and asyncio would not make one here.

        """
        running = asyncio._get_running_loop()
        if running is not None:
            return running
        policy = asyncio.get_event_loop_policy()
        # A policy that a program has set makes the loops that the program wants.
        if type(policy) is not asyncio.DefaultEventLoopPolicy:
            return call_blaming_the_caller(policy.get_event_loop)
        chosen: Any = policy
        # On the instance, and for this call only: what asyncio makes when it is asked itself stays asyncio's.
        chosen._loop_factory = EventLoop
        try:
            return call_blaming_the_caller(policy.get_event_loop)
        finally:
            del chosen._loop_factory
