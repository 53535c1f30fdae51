"""How natives get their signatures: a function whose body never runs is the template of a native one.

    @native
    async def sleep(delay: float, result: T = None) -> T:
        '''Wait for `delay` seconds …'''

    @native_methods(_core.Lock)
    class Lock:
        async def acquire(self) -> Literal[True]:
            '''Wait until the lock is free …'''

The template is what `inspect.signature`, `help`, type checkers and `unittest.mock` see. Calls go to the native
function of the same qualified name, and to the template only if their arguments do not fit it: then Python
refuses them in its own words.
"""

from __future__ import annotations

import copyreg
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aioxide import _core
from aioxide.natives.copying import reduce

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioxide.natives.copying import State

F = TypeVar("F", bound="Callable[..., Any]")
C = TypeVar("C", bound=type)


def native(template: F) -> F:
    """Return the native function that `template` is the signature of.

    Raises:
        LookupError: there is no native function of this qualified name.

    """
    return cast("F", _core.native_function(template))


def native_methods(
    owner: type, get_state: Callable[[Any], State] | None = None
) -> Callable[[C], C]:
    """Give the native class `owner` the methods whose templates a class of the same name holds.

    Args:
        owner: the native class.
        get_state: what `copy` and `pickle` take along of its objects; None for those that cannot be copied.

    Raises:
        LookupError: a template has no native function of its qualified name.

    """

    def attach(templates: C) -> C:
        for name, template in vars(templates).items():
            if isinstance(template, FunctionType):
                setattr(owner, name, native(template))
        if get_state is not None:
            owner.__getstate__ = get_state  # type: ignore[assignment, method-assign]
            owner.__reduce_ex__ = reduce  # type: ignore[assignment, method-assign]
        # The interpreter's own messages name classes of extensions with their modules, until they are given a name.
        owner.__name__ = templates.__name__
        return cast("C", owner)

    return attach


def _name(function: Any) -> str:
    """Say by which name `pickle` and `copy` find a function."""
    return cast("str", function.__qualname__)


copyreg.pickle(_core.NativeFunction, _name)
