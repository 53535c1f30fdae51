"""Decorators that give a class the methods of the file in its `_file`, for programs that make such classes."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    Decorator = Callable[["ClassT"], "ClassT"]

ClassT = TypeVar("ClassT", bound=type)


def delegate_to_executor(*attrs: str) -> Decorator[Any]:
    """Return a decorator that adds methods which call the file's in a thread.

    Args:
        attrs: their names.

    """
    return _adding(attrs, _hopping)


def proxy_method_directly(*attrs: str) -> Decorator[Any]:
    """Return a decorator that adds methods which call the file's at once.

    Args:
        attrs: their names.

    """
    return _adding(attrs, _calling)


def proxy_property_directly(*attrs: str) -> Decorator[Any]:
    """Return a decorator that adds properties which are the file's.

    Args:
        attrs: their names.

    """
    return _adding(attrs, lambda name: property(attrgetter(f"_file.{name}")))


def cond_delegate_to_executor(*attrs: str) -> Decorator[Any]:
    """Return a decorator that adds methods which call a spooled file's, in a thread once it is on the disk.

    Args:
        attrs: their names.

    """
    return _adding(attrs, _hopping_once_rolled)


def _adding(names: tuple[str, ...], make: Callable[[str], Any]) -> Decorator[Any]:
    def add(kind: ClassT) -> ClassT:
        for name in names:
            setattr(kind, name, make(name))
        return kind

    return add


def _calling(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._file, name)(*args, **kwargs)

    return method


def _hopping(name: str) -> Callable[..., Any]:
    async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = partial(getattr(self._file, name), *args, **kwargs)
        return await self._loop.run_in_executor(self._executor, call)

    return method


def _hopping_once_rolled(name: str) -> Callable[..., Any]:
    at_once, hopping = _calling(name), _hopping(name)

    async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not self._file._rolled:
            return at_once(self, *args, **kwargs)
        return await hopping(self, *args, **kwargs)

    return method
