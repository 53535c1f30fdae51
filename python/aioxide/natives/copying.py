"""What `copy` and `pickle` take along of a native object: what the standard library's object has in its `__dict__`.

A native object keeps its state out of Python's sight, behind private attributes of asyncio's names. They are handed
over as those of `__slots__` are: the copy is made without `__init__`, and gets them one by one.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from typing import Any

State = tuple[dict[str, Any] | None, dict[str, Any]]


def state_of(*names: str) -> Callable[[Any], State]:
    """Return a `__getstate__` for objects whose state is in the attributes of these names."""

    def __getstate__(self: Any) -> State:  # noqa: N807 - it is put into a class
        """Return the attributes for a copy: those of the dictionary, and those that are not in it."""
        state = {name: getattr(self, name) for name in names}
        if self._loop is not None:
            state["_loop"] = self._loop
        for name in copyreg._slotnames(type(self)):  # type: ignore[attr-defined]
            if hasattr(self, name):
                state[name] = getattr(self, name)
        return vars(self).copy() or None, state

    return __getstate__


def reduce(thing: Any, protocol: int) -> str | tuple[Any, ...]:
    """Return what to pickle, as `__reduce_ex__`: below protocol 2 `object` knows no way for classes of extensions."""
    return object.__reduce_ex__(thing, max(protocol, 2))


def state_of_condition(condition: Any) -> State:
    """Return the attributes of a condition: of its lock's methods, only what is not simply the lock's."""
    attributes, state = _state_of_condition(condition)
    for name in ("locked", "acquire", "release"):
        method = getattr(condition, name)
        if method != getattr(condition._lock, name):
            state[name] = method
    return attributes, state


_state_of_condition = state_of("_lock", "_waiters")
