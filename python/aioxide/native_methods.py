"""Methods of transports that are those of their native halves, so that a call enters no Python frame."""

from __future__ import annotations

from typing import Any


class NativeMethod:
    """A method of a transport's native half under the same name.

    It becomes an attribute of the transport when it is asked for the first time, and is found there from then on:
    most connections use few of them, and the transports below TLS none.
    """

    def __init__(self, half: str) -> None:
        self._half = half
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, transport: Any, owner: type | None = None) -> Any:
        if transport is None:
            return self
        method = getattr(getattr(transport, self._half), self._name)
        setattr(transport, self._name, method)
        return method
