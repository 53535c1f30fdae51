"""What `python -m aioxide --info` prints, all of it read off the running process."""

from __future__ import annotations

import asyncio
import platform
import sys
from types import MethodDescriptorType

from aioxide import _core
from aioxide.event_loop import EventLoop
from aioxide.natives import natives_by_submodule


def describe() -> str:
    """Return the versions, the backend, and what is native, one fact a line."""
    methods = _methods_by_origin()
    build = _core.build_info()
    facts = {
        "aioxide": _core.__version__,
        "Python": f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "extension": f"{build['version']} for {build['target']}, optimised by {build['optimised by']}",
        "waits with": build["backend"],
        "files": _file_backend(),
        "tasks, futures": f"{asyncio.Task.__module__}.Task, {asyncio.Future.__module__}.Future",
    }
    facts |= {
        f"loop, {origin}": f"{len(names)} methods: {', '.join(names)}"
        for origin, names in methods.items()
        if names
    }
    facts |= {
        f"natives, {submodule}": f"{len(natives)} names: {', '.join(natives)}"
        for submodule, natives in sorted(natives_by_submodule().items())
    }
    width = max(map(len, facts)) + 2
    return "".join(f"{name:<{width}}{value}\n" for name, value in facts.items())


def _file_backend() -> str:
    """Say how files are served, or why they cannot be as the environment asks."""
    try:
        return _core.file_backend()
    except (OSError, ValueError) as error:
        return str(error)


def _methods_by_origin() -> dict[str, list[str]]:
    """Sort the public methods of asyncio's abstract event loop by who implements them for us."""
    found: dict[str, list[str]] = {"native": [], "Python": [], "stdlib": []}
    for name in sorted(vars(asyncio.AbstractEventLoop)):
        if name.startswith("_"):
            continue
        owner = next(cls for cls in EventLoop.__mro__ if name in vars(cls))
        if owner.__module__.startswith("aioxide."):
            # Some native methods are those of the very class of loops: see `_core.adopt_methods`.
            is_native = isinstance(vars(owner)[name], MethodDescriptorType)
            found["native" if is_native else "Python"].append(name)
        else:
            found["stdlib"].append(name)
    return found
