"""`install` and `uninstall`: asyncio makes our event loops and has our natives, until they are taken back.

What is replaced is one table: the ways to make a loop, from `_loop_replacements`, and every place in asyncio
where something stands that has a native, from `_native_replacements`. What stood there is kept and put back. Nothing
here runs at import. Like asyncio's own policy, an installation belongs to the process, not to a thread: call
these functions from the main thread, before loops are made.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import events, unix_events
from typing import TYPE_CHECKING, NamedTuple

from aioxide.event_loop import EventLoop
from aioxide.loops import SelectorEventLoop
from aioxide.natives import natives_by_submodule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType
    from typing import Any


class _Replacement(NamedTuple):
    """One attribute that `install` has replaced."""

    owner: Any
    name: str
    original: object
    ours: object


# What `uninstall` has to put back, in the order it was replaced; empty means not installed.
_replaced: list[_Replacement] = []

# The modules of asyncio that were there when natives were put in place.
_modules_seen: list[ModuleType] = []


def install(*, natives: bool = True) -> None:
    """Make every event loop that asyncio makes an `aioxide.EventLoop`, and put the natives in asyncio's place.

    The first covers `asyncio.run`, `asyncio.Runner`, `asyncio.new_event_loop`, `asyncio.get_event_loop` where
    it makes a loop, `asyncio.EventLoop` and `asyncio.SelectorEventLoop`. Loops that exist already stay what they
    are, though a loop that was set with `asyncio.set_event_loop` is no longer the current one. The second covers
    every module of asyncio in which a name stands for something that has a native, but neither `asyncio.Future`
    nor `asyncio.Task`, which a loop of ours has no need of. Names that were imported from asyncio earlier
    (`from asyncio import sleep`) keep their meaning. A second call does nothing.

    Args:
        natives: whether `asyncio.sleep` and the others are replaced by natives; otherwise only loops are ours.

    """
    if _replaced:
        return
    _replace(_loop_replacements())
    if natives:
        _modules_seen.extend(_asyncio_modules())
        _replace(list(_native_replacements()))


def uninstall() -> None:
    """Put back exactly what `install` found; what others have replaced in the meantime is left to them.

    Does nothing unless installed. Loops of ours that exist stay what they are, and so does all else.
    """
    _make_late_modules_forget()
    while _replaced:
        owner, name, original, ours = _replaced.pop()
        if getattr(owner, name) is ours:
            setattr(owner, name, original)


def installed() -> bool:
    """Tell whether `install` is in effect."""
    return bool(_replaced)


def _replace(table: Iterable[tuple[Any, str, object]]) -> None:
    for owner, name, ours in table:
        _replaced.append(_Replacement(owner, name, getattr(owner, name), ours))
        setattr(owner, name, ours)


def _loop_replacements() -> list[tuple[Any, str, object]]:
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


def _native_replacements() -> Iterator[tuple[ModuleType, str, object]]:
    """Find each place in asyncio, under whatever name, of something that has a native."""
    replacements: dict[int, object] = {}
    for submodule, ours in natives_by_submodule().items():
        originals = vars(getattr(asyncio, submodule))
        replacements |= {
            id(originals[name]): native for name, native in ours.items() if name in originals
        }
    for module in _modules_seen:
        for name, value in vars(module).items():
            if id(value) in replacements:
                yield module, name, replacements[id(value)]


def _make_late_modules_forget() -> None:
    """Let modules of asyncio that were imported while installed, and took natives over, have what asyncio has."""
    originals = {
        id(replacement.ours): replacement.original
        for replacement in _replaced
        if replacement.owner in _modules_seen
    }
    for module in _asyncio_modules():
        if module not in _modules_seen:
            for name, value in list(vars(module).items()):
                if id(value) in originals:
                    setattr(module, name, originals[id(value)])
    _modules_seen.clear()


def _asyncio_modules() -> list[ModuleType]:
    """Return asyncio and those of its submodules that have been imported."""
    return [
        module
        for name, module in list(sys.modules.items())
        if name == "asyncio" or name.startswith("asyncio.")
    ]
