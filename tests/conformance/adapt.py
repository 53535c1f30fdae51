"""Put a target in asyncio's place, so that CPython's own tests run against it unchanged.

A target is a module under targets/. It must have `EventLoop`, a callable without arguments (best the
class itself). Any other public name of asyncio that it has is swapped, by name, in `asyncio` and in
every asyncio submodule that holds the original. This happens in a child process that does nothing else.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import unix_events
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

# Swapped although `asyncio.__all__` does not name them everywhere.
_UNLISTED = ("_swap_current_task", "TaskGroup")

_LOOP_NAMES = ("EventLoop", "SelectorEventLoop")


def install(target: ModuleType) -> None:
    """Swap the target into asyncio. To be called before any test module is imported."""
    _install_names(target)
    _install_loop(target)
    _install_close_loop()


def _install_names(target: ModuleType) -> None:
    modules = [
        module
        for name, module in list(sys.modules.items())
        if name == "asyncio" or name.startswith("asyncio.")
    ]
    for name in dict.fromkeys((*asyncio.__all__, *_UNLISTED)):
        if name in _LOOP_NAMES or name not in vars(target):
            continue
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
