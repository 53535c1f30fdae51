"""`install` and `uninstall`: every event loop that asyncio makes is ours, until it is taken back.

What is replaced is one table, made by `_replacements`; what stood there is kept and put back. Nothing here
runs at import. Like asyncio's own policy, an installation belongs to the process, not to a thread: call these
functions from the main thread, before loops are made.
"""

from __future__ import annotations

import asyncio
import selectors
from asyncio import events, unix_events
from typing import TYPE_CHECKING, NamedTuple

from aioxide.event_loop import EventLoop

if TYPE_CHECKING:
    from typing import Any

# A selector that the stdlib made says how to wait, not what for: our loop's own way of waiting serves as well.
_STDLIB_SELECTORS = frozenset(
    getattr(selectors, name)
    for name in ("DefaultSelector", "EpollSelector", "PollSelector", "SelectSelector")
    if hasattr(selectors, name)
)


class _Replacement(NamedTuple):
    """One attribute that `install` has replaced."""

    owner: Any
    name: str
    original: object
    ours: object


# What `uninstall` has to put back, in the order it was replaced; empty means not installed.
_replaced: list[_Replacement] = []


class _SelectorEventLoopType(type(EventLoop)):  # type: ignore[misc]
    """Lets every loop of ours pass for an `asyncio.SelectorEventLoop`, as every loop of asyncio's does."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, EventLoop) or super().__instancecheck__(instance)


class SelectorEventLoop(EventLoop, metaclass=_SelectorEventLoopType):
    """What `asyncio.SelectorEventLoop` and `asyncio.EventLoop` mean while installed.

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


def install() -> None:
    """Make every event loop that asyncio makes an `aioxide.EventLoop`.

    That covers `asyncio.run`, `asyncio.Runner`, `asyncio.new_event_loop`, `asyncio.get_event_loop` where it
    makes a loop, `asyncio.EventLoop` and `asyncio.SelectorEventLoop`. Loops that exist already stay what they
    are, though a loop that was set with `asyncio.set_event_loop` is no longer the current one. Names that were
    imported from asyncio earlier (`from asyncio import SelectorEventLoop`) keep their meaning. A second call
    does nothing.
    """
    if _replaced:
        return
    for owner, name, ours in _replacements():
        _replaced.append(_Replacement(owner, name, getattr(owner, name), ours))
        setattr(owner, name, ours)


def uninstall() -> None:
    """Put back exactly what `install` found; what others have replaced in the meantime is left to them.

    Does nothing unless installed. Loops of ours that exist stay what they are.
    """
    while _replaced:
        owner, name, original, ours = _replaced.pop()
        if getattr(owner, name) is ours:
            setattr(owner, name, original)


def installed() -> bool:
    """Tell whether `install` is in effect."""
    return bool(_replaced)


def _replacements() -> list[tuple[Any, str, object]]:
    """Return each place where asyncio keeps a way to make a loop, and what is to stand there."""
    from aioxide.policy import EventLoopPolicy

    table: list[tuple[Any, str, object]] = [
        # Whoever resets the policy, or makes a default one, still gets our loops.
        (EventLoopPolicy.__base__, "_loop_factory", EventLoop),
        # The variable and not its setter: that one warns from 3.14 on, and the getter makes a policy where
        # there was none, which could not be undone.
        (events, "_event_loop_policy", EventLoopPolicy()),
    ]
    table += [
        (module, name, SelectorEventLoop)
        for module in (asyncio, unix_events)
        for name in ("SelectorEventLoop", "EventLoop")
        if hasattr(module, name)
    ]
    return table
