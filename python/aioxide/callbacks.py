"""What may be handed to the loop to be called, and how debug mode refuses the rest.

The native loop checks what goes through `call_soon` and its relatives by itself; this is for the other doors.
"""

from __future__ import annotations

import asyncio
import inspect

# The mark that asyncio's deprecated `coroutine` decorator, and asyncio's mocks, put on a function.
_COROUTINE_MARK: object = getattr(asyncio.coroutines, "_is_coroutine", None)


def is_coroutine_function(func: object) -> bool:
    """Tell whether calling `func` gives a coroutine, as asyncio sees it.

    asyncio's own function of this name warns from Python 3.14 on.
    """
    if inspect.iscoroutinefunction(func):
        return True
    return _COROUTINE_MARK is not None and getattr(func, "_is_coroutine", None) is _COROUTINE_MARK


def is_coroutine(callback: object) -> bool:
    """Tell whether `callback` is a coroutine, or makes one: a mistake wherever a callback is asked for."""
    return asyncio.iscoroutine(callback) or is_coroutine_function(callback)


def check_callback(callback: object, method: str) -> None:
    """Refuse what cannot be called back.

    Args:
        callback: what the user handed over.
        method: the name of the method it was handed to, for the message.

    Raises:
        TypeError: `callback` is a coroutine, makes one, or is not callable.

    """
    if is_coroutine(callback):
        raise TypeError(f"coroutines cannot be used with {method}()")
    if not callable(callback):
        raise TypeError(f"a callable object was expected by {method}(), got {callback!r}")
