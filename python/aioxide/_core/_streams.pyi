"""Streams: what runs per packet, per read and per write.

The classes that programs use are made of these in `aioxide.natives.streams`; to a type checker they are asyncio's own.
"""

import asyncio
from collections import deque
from traceback import StackSummary
from typing import Any, Self
from weakref import ReferenceType

from typing_extensions import disjoint_base

@disjoint_base
class StreamReader(asyncio.StreamReader):
    """The native half of `asyncio.StreamReader`."""

    _buffer: bytearray
    _eof: bool
    _exception: Exception | None
    _limit: int
    _loop: asyncio.AbstractEventLoop
    _paused: bool
    _source_traceback: StackSummary | None
    _transport: asyncio.BaseTransport | None
    _waiter: asyncio.Future[None] | None

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def __init__(
        self, limit: int = 65536, loop: asyncio.AbstractEventLoop | None = None
    ) -> None: ...
    def _wakeup_waiter(self) -> None: ...
    def _maybe_resume_transport(self) -> None: ...

@disjoint_base
class StreamWriter(asyncio.StreamWriter):
    """The native half of `asyncio.StreamWriter`."""

    _loop: asyncio.AbstractEventLoop
    _protocol: Any
    _reader: asyncio.StreamReader | None
    _transport: asyncio.WriteTransport

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def __init__(
        self,
        transport: asyncio.WriteTransport,
        protocol: asyncio.BaseProtocol,
        reader: asyncio.StreamReader | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None: ...
    @property
    def _complete_fut(self) -> asyncio.Future[None]: ...

@disjoint_base
class FlowControlMixin:
    """The native half of `asyncio.streams.FlowControlMixin`."""

    _connection_lost: bool
    _loop: asyncio.AbstractEventLoop
    _paused: bool

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None: ...
    @property
    def _drain_waiters(self) -> deque[asyncio.Future[None]]: ...

@disjoint_base
class StreamReaderProtocol(FlowControlMixin):
    """The native half of `asyncio.StreamReaderProtocol`."""

    _stream_reader_wr: ReferenceType[asyncio.StreamReader] | None

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None: ...
    @property
    def _stream_reader(self) -> Any: ...
