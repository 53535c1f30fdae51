"""asyncio's names as this package has them: ours where there is one of ours, else the stdlib's own objects.

That serves programs that say `import aioxide as asyncio`. The package asks `find` for every name that it does
not define itself. Each submodule of asyncio has a mirror here, a module in which the same names mean what they mean
in this package: `aioxide.queues.Queue` is `aioxide.Queue`, and `aioxide.queues.QueueEmpty` is asyncio's.
Mirrors hold nothing of the stdlib's, so what asyncio changes in its modules shows in them.
"""

from __future__ import annotations

import asyncio
import sys
from functools import cache, partial
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from aioxide.natives import natives_by_submodule
from aioxide.passing_on import call_blaming_the_caller

_MISSING = object()


def find(name: str) -> Any:
    """Return what a name of asyncio's means in this package, which does not define it.

    Raises:
        AttributeError: asyncio has no such name, nor has a native it.

    """
    if name.startswith("__"):
        raise AttributeError(name)
    native = _public_natives().get(name, _MISSING)
    if native is not _MISSING:
        return native
    if name in vars(asyncio):
        return vars(asyncio)[name]
    # What asyncio has without holding it is deprecated. The function between is the package's `__getattr__`.
    return call_blaming_the_caller(getattr, asyncio, name, functions_between=1)


@cache
def _public_natives() -> dict[str, Any]:
    """Return the natives that asyncio itself has, or would have on a newer Python, not only a submodule of it."""
    return {
        name: native
        for submodule, names in natives_by_submodule().items()
        for name, native in names.items()
        if name in vars(asyncio) or not hasattr(getattr(asyncio, submodule), name)
    }


def reflect(package: ModuleType) -> None:
    """Give a package a mirror of each submodule that asyncio has imported.

    Args:
        package: this package. It finds the mirrors as attributes, and `import` finds them, too.

    """
    for name, original in list(vars(asyncio).items()):
        if isinstance(original, ModuleType) and original.__name__ == f"asyncio.{name}":
            module = _mirror(package, name, original)
            sys.modules[module.__name__] = module
            setattr(package, name, module)


def _mirror(package: ModuleType, name: str, original: ModuleType) -> ModuleType:
    module = ModuleType(f"{package.__name__}.{name}", original.__doc__)
    module.__package__ = package.__name__
    module.__spec__ = ModuleSpec(module.__name__, None, origin=original.__name__)
    hooks: dict[str, Any] = {
        "__getattr__": partial(_reflection, package, name, original, vars(module)),
        "__dir__": partial(dir, original),
    }
    vars(module).update(hooks)
    return module


def _reflection(
    package: ModuleType, submodule: str, original: ModuleType, held: dict[str, Any], name: str
) -> Any:
    """Return what a name of a submodule of asyncio's means in its mirror.

    Raises:
        AttributeError: asyncio's submodule has no such name, nor has a native it.

    """
    ours = natives_by_submodule().get(submodule, {}).get(name, _MISSING)
    if ours is _MISSING:
        value = getattr(original, name)
        if name not in asyncio.__all__ or value is not getattr(asyncio, name):
            return value
        ours = getattr(package, name)
        if ours is value:
            return value
    # Ours never changes its meaning.
    held[name] = ours
    return ours
