"""Operations on sockets."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar, final

from ._event_loop import EventLoop

_T_co = TypeVar("_T_co", covariant=True)

@final
class SockOperation(Coroutine[Any, Any, _T_co], Generic[_T_co]):
    """A `sock_*` operation under way."""

    __name__: str
    __qualname__: str

    def __await__(self) -> Generator[Any, None, _T_co]: ...
    def send(self, value: Any) -> Any: ...
    def throw(self, typ: Any, val: Any = None, tb: Any = None) -> Any: ...
    def close(self) -> None: ...

@final
class Wait:
    """A `sock_*` operation that waits for its socket."""

def accept(listener: socket.socket) -> tuple[socket.socket, Any] | None: ...
def admit(
    event_loop: EventLoop,
    listener: socket.socket,
    protocol_factory: Callable[[], asyncio.BaseProtocol],
    server: Any,
    backlog: int,
) -> bool: ...
