"""The natives: what of asyncio is written in Rust, in modules that are named as asyncio's.

The `__all__` of `natives.locks` says which names of `asyncio.locks` are native, and so on; there is no other
list. A native may be of a name that asyncio has only in a newer Python.
"""

from __future__ import annotations

import asyncio
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any


@cache
def natives_by_submodule() -> dict[str, dict[str, Any]]:
    """Return the natives by the submodule of asyncio where they live, and there by name.

    The modules of this package are imported here and not before, as `import aioxide` has no need of them.
    """
    import pkgutil

    natives = {}
    for found in pkgutil.iter_modules(__path__):
        if isinstance(getattr(asyncio, found.name, None), ModuleType):
            module = import_module(f"{__name__}.{found.name}")
            natives[found.name] = {name: getattr(module, name) for name in module.__all__}
    return natives
