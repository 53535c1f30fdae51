"""Put a target in asyncio's place, so that CPython's own tests run against it unchanged.

A target is a module under targets/. It must have `EventLoop`, a callable without arguments (best the
class itself). Any other public name of asyncio that it has is swapped, by name, in `asyncio` and in
every asyncio submodule that holds the original. This happens in a child process that does nothing else.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import base_events, unix_events
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

# Swapped although `asyncio.__all__` does not name them everywhere.
_UNLISTED = ("_swap_current_task", "TaskGroup")

_LOOP_NAMES = ("EventLoop", "SelectorEventLoop")


# Globals of asyncio's modules that upstream's tests patch, as in `mock.patch("asyncio.base_events.logger")`.
_PATCHED: dict[str, tuple[ModuleType, ...]] = {
    "logger": (base_events,),
    "os": (unix_events,),
    "signal": (unix_events,),
    "socket": (base_events, unix_events),
    "sys": (unix_events,),
}

# A test that takes the whole of `os` away from asyncio asks about one thing. The module of the target that it is about.
_PATCHED_ONLY_IN = {"os": "sendfile"}


class _Follower:
    """Stands for such a global in a module of the target: the original, unless a test patches it just now."""

    def __init__(self, name: str) -> None:
        """Follow the global `name` wherever tests patch it."""
        self._name = name
        self._original = getattr(_PATCHED[name][0], name)

    def __getattr__(self, attribute: str) -> Any:
        current = (getattr(home, self._name) for home in _PATCHED[self._name])
        patched = (value for value in current if value is not self._original)
        return getattr(next(patched, self._original), attribute)


def install(target: ModuleType) -> None:
    """Swap the target into asyncio. To be called before any test module is imported."""
    _install_names(target)
    _install_loop(target)
    _install_close_loop()
    _follow_patches(getattr(target, "FOLLOWS_PATCHES", ""))


def _follow_patches(package: str) -> None:
    """Let what a test patches in asyncio's modules be patched in the target's modules too.

    What such tests ask is mostly a promise (what is logged, which error a failed connect raises), and only
    their way to ask it looks inside.
    """
    modules = [
        module for name, module in sys.modules.items() if package and name.startswith(package)
    ]
    for module in modules:
        for name in _PATCHED.keys() & vars(module).keys():
            if not module.__name__.endswith(_PATCHED_ONLY_IN.get(name, "")):
                continue
            follower = _Follower(name)
            if vars(module)[name] is follower._original:
                setattr(module, name, follower)


def swapped_names(target: ModuleType) -> list[str]:
    """The names of asyncio that the target takes the place of, in the order in which they are swapped."""
    names = dict.fromkeys((*asyncio.__all__, *_UNLISTED))
    return [name for name in names if name not in _LOOP_NAMES and name in vars(target)]


def _install_names(target: ModuleType) -> None:
    modules = [
        module
        for name, module in list(sys.modules.items())
        if name == "asyncio" or name.startswith("asyncio.")
    ]
    for name in swapped_names(target):
        original = getattr(asyncio, name, None)
        for module in modules:
            if name in vars(module) and vars(module)[name] is original:
                setattr(module, name, getattr(target, name))
        setattr(asyncio, name, getattr(target, name))


def _install_loop(target: ModuleType) -> None:
    factory = target.EventLoop
    # A function stored on a class would become a method of the policy.
    attribute = staticmethod(factory) if isinstance(factory, FunctionType) else factory
    # The test modules reset the policy as they finish, so the default policy itself has to make our loop.
    for name in ("_UnixDefaultEventLoopPolicy", "_DefaultEventLoopPolicy"):
        policy = getattr(unix_events, name, None)
        if policy is not None:
            policy._loop_factory = attribute
    for module in (asyncio, unix_events):
        for name in _LOOP_NAMES:
            if hasattr(module, name):
                setattr(module, name, factory)


def _install_close_loop() -> None:
    """Let `test_utils.TestCase.close_loop` do without the private `loop._default_executor`."""
    case: Any = import_module("test.test_asyncio.utils").TestCase
    original = case.close_loop

    def close_loop(loop: Any) -> None:
        if hasattr(loop, "_default_executor"):
            original(loop)
        elif not loop.is_closed():
            try:
                loop.run_until_complete(loop.shutdown_default_executor())
            finally:
                loop.close()

    case.close_loop = staticmethod(close_loop)
