"""Calls into asyncio whose warnings are meant for the caller's caller."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def call_blaming_the_caller(
    function: Callable[..., T], *arguments: object, functions_between: int = 0
) -> T:
    """Call a function of asyncio's; what it warns of is blamed on whoever called our own caller.

    asyncio blames who calls it, and by default Python shows deprecations only to a `__main__` that is to blame.
    For the time of the call the filters of warnings are replaced, which other threads may notice before Python 3.14.

    Args:
        function: called with the arguments that follow.
        arguments: for the function.
        functions_between: how many more functions of ours stand between our caller and whom to blame.

    """
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        result = function(*arguments)
    for warning in heard:
        warnings.warn(warning.message, stacklevel=3 + functions_between)
    return result
