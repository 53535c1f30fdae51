"""`asyncio.streams`, natively.

What runs per packet, per read and per write is native. What runs once per connection is here.
"""

from __future__ import annotations

import asyncio
import sys
import warnings
import weakref
from asyncio.log import logger
from typing import TYPE_CHECKING, Any

from aioxide import _core
from aioxide.natives.templates import native

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterable
    from traceback import StackSummary
    from types import ModuleType
    from typing import SupportsIndex, TypeAlias

    from _typeshed import ReadableBuffer, StrPath

    ClientConnectedCallback: TypeAlias = Callable[
        ["StreamReader", "StreamWriter"], Awaitable[None] | None
    ]

__all__ = [
    "FlowControlMixin",
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "open_connection",
    "open_unix_connection",
    "start_server",
    "start_unix_server",
]

_DEFAULT_LIMIT = 64 * 1024

_PROTOCOL_KEEPS_WRITER = sys.version_info < (3, 13)
_CALLBACK_FAILURE_IS_REPORTED = sys.version_info >= (3, 14)


class StreamReader(_core.StreamReader):
    """What a transport has received and nobody has read yet.

    Args:
        limit: the longest line in bytes, without its separator; with twice as much buffered, the transport pauses.
        loop: the event loop; by default the current one.

    Raises:
        ValueError: `limit` is not above zero.

    """

    __slots__ = ()

    def __repr__(self) -> str:
        info = ["StreamReader"]
        if self._buffer:
            info.append(f"{len(self._buffer)} bytes")
        if self._eof:
            info.append("eof")
        if self._limit != _DEFAULT_LIMIT:
            info.append(f"limit={self._limit}")
        if self._waiter:
            info.append(f"waiter={self._waiter!r}")
        if self._exception:
            info.append(f"exception={self._exception!r}")
        if self._transport:
            info.append(f"transport={self._transport!r}")
        if self._paused:
            info.append("paused")
        return f"<{' '.join(info)}>"

    if sys.version_info >= (3, 14):

        def _replace_transport(self, transport: asyncio.BaseTransport) -> None:
            if self._transport is None:
                raise AssertionError("Transport not set")
            self._transport = transport

    @native
    def exception(self) -> Exception:
        """Return the exception that every read fails with, or None."""
        raise NotImplementedError

    @native
    def set_exception(self, exc: Exception) -> None:
        """Make every read fail with an exception, and the one that waits."""
        raise NotImplementedError

    @native
    def set_transport(self, transport: asyncio.BaseTransport) -> None:
        """Say which transport is to pause when too much is buffered."""
        raise NotImplementedError

    @native
    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """Add what has arrived: bytes, or anything that `bytearray.extend` takes."""
        raise NotImplementedError

    @native
    def feed_eof(self) -> None:
        """Say that no more will come."""
        raise NotImplementedError

    @native
    def at_eof(self) -> bool:
        """Tell whether everything was read and no more will come."""
        raise NotImplementedError

    @native
    async def _wait_for_data(self, func_name: str) -> None:
        """Wait until there is more, or the end; a paused transport goes on."""
        raise NotImplementedError

    @native
    async def read(self, n: int = -1) -> bytes:
        """Read what there is, but no more than `n` bytes; if that is nothing, wait for something.

        Args:
            n: in bytes. Below zero, everything up to the end of the stream is waited for and read.

        Returns:
            Nothing only at the end of the stream, or if nothing was asked for.

        """
        raise NotImplementedError

    @native
    async def readexactly(self, n: int) -> bytes:
        """Read `n` bytes.

        Raises:
            IncompleteReadError: the stream has ended before; `partial` is what there was.
            ValueError: `n` is below zero.

        """
        raise NotImplementedError

    @native
    async def readline(self) -> bytes:
        """Read up to the end of the line and with it, or to the end of the stream.

        Raises:
            ValueError: the line is longer than the limit, and was dropped as far as it had come.

        """
        raise NotImplementedError

    if sys.version_info >= (3, 13):

        @native
        async def readuntil(
            self, separator: ReadableBuffer | tuple[ReadableBuffer, ...] = b"\n"
        ) -> bytes:
            """Read up to a separator and with it.

            Args:
                separator: with several, the first to end counts.

            Raises:
                IncompleteReadError: the stream has ended before; `partial` is what there was.
                LimitOverrunError: there are more bytes before it than the limit. They can still be read.
                ValueError: there is no separator, or an empty one.

            """
            raise NotImplementedError

    else:

        @native
        async def readuntil(self, separator: ReadableBuffer = b"\n") -> bytes:
            """Read up to a separator and with it.

            Raises:
                IncompleteReadError: the stream has ended before; `partial` is what there was.
                LimitOverrunError: there are more bytes before it than the limit. They can still be read.
                ValueError: the separator is empty.

            """
            raise NotImplementedError

    def __aiter__(self) -> StreamReader:
        return self

    @native
    async def __anext__(self) -> bytes:
        """Read the next line; it is never empty."""
        raise NotImplementedError


class StreamWriter(_core.StreamWriter):
    """A transport to write to, with a way to wait until it takes more.

    Args:
        transport: what is written to.
        protocol: the transport's protocol, which knows when writing has to pause.
        reader: what the other direction is read from, or None.
        loop: the event loop.

    """

    __slots__ = ()

    def __repr__(self) -> str:
        info = [self.__class__.__name__, f"transport={self._transport!r}"]
        if self._reader is not None:
            info.append(f"reader={self._reader!r}")
        return f"<{' '.join(info)}>"

    @property
    def transport(self) -> asyncio.WriteTransport:
        """What is written to."""
        return self._transport

    @native
    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Hand data to the transport, which sends it when it can."""
        raise NotImplementedError

    @native
    def writelines(self, data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Hand several pieces of data to the transport."""
        raise NotImplementedError

    @native
    def write_eof(self) -> None:
        """End the stream towards the peer."""
        raise NotImplementedError

    @native
    def can_write_eof(self) -> bool:
        """Tell whether the stream towards the peer can end before the connection does."""
        raise NotImplementedError

    @native
    def close(self) -> None:
        """Close the transport."""
        raise NotImplementedError

    @native
    def is_closing(self) -> bool:
        """Tell whether the transport is closing or closed."""
        raise NotImplementedError

    @native
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the transport knows by this name, or `default`."""
        raise NotImplementedError

    @native
    async def drain(self) -> None:
        """Wait until the transport takes more, if it has asked to pause.

        Raises:
            ConnectionResetError: the connection is lost.
            Exception: whatever the reader has failed with.

        """
        raise NotImplementedError

    async def wait_closed(self) -> None:
        """Wait until the connection is closed. Raises what has ended it, if that was an error."""
        await self._protocol._get_close_waiter(self)

    async def start_tls(
        self,
        sslcontext: ssl.SSLContext,
        *,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> None:
        """Go on with TLS.

        Args:
            sslcontext: how.
            server_hostname: the name that the peer's certificate must have.
            ssl_handshake_timeout: seconds, 60 by default.
            ssl_shutdown_timeout: seconds, 30 by default.

        """
        protocol = self._protocol
        is_server = protocol._client_connected_cb is not None
        await self.drain()
        transport: Any = await self._loop.start_tls(
            self._transport,
            protocol,
            sslcontext,
            server_side=is_server,
            server_hostname=server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        self._transport = transport
        if _PROTOCOL_KEEPS_WRITER:
            protocol._replace_writer(self)
        else:
            protocol._replace_transport(transport)

    def __del__(self, warnings: ModuleType = warnings) -> None:
        if self._transport.is_closing():
            return
        if self._loop.is_closed():
            warnings.warn("loop is closed", ResourceWarning)
        else:
            self.close()
            warnings.warn(f"unclosed {self!r}", ResourceWarning)


class FlowControlMixin(_core.FlowControlMixin, asyncio.Protocol):
    """What a protocol of streams knows of writing: whether it is paused, and who waits for that to end."""

    __slots__ = ()

    def pause_writing(self) -> None:
        """Called by the transport when its buffer is full."""
        if self._paused:
            raise AssertionError
        self._paused = True
        if self._loop.get_debug():
            logger.debug("%r pauses writing", self)

    def resume_writing(self) -> None:
        """Called by the transport when its buffer is empty enough."""
        if not self._paused:
            raise AssertionError
        self._paused = False
        if self._loop.get_debug():
            logger.debug("%r resumes writing", self)
        for waiter in self._drain_waiters:
            if not waiter.done():
                waiter.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake those who wait to write."""
        self._connection_lost = True
        if not self._paused:
            return
        for waiter in self._drain_waiters:
            if not waiter.done():
                if exc is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(exc)

    @native
    async def _drain_helper(self) -> None:
        """Wait until writing is not paused."""
        raise NotImplementedError

    def _get_close_waiter(self, stream: StreamWriter) -> asyncio.Future[None]:
        raise NotImplementedError


class StreamReaderProtocol(_core.StreamReaderProtocol, FlowControlMixin):
    """The protocol between a transport and a reader.

    Args:
        stream_reader: what is fed. It is held weakly, so that it goes with those who could read from it.
        client_connected_cb: called with the reader and a writer once there is a connection; a coroutine that it
            returns becomes a task.
        loop: the event loop; by default the current one.

    """

    __slots__ = (
        "_client_connected_cb",
        "_closed",
        "_over_ssl",
        "_reject_connection",
        "_source_traceback",
        "_stream_writer",
        "_strong_reader",
        "_task",
        "_transport",
    )

    _source_traceback: StackSummary | None

    def __init__(
        self,
        stream_reader: StreamReader | None,
        client_connected_cb: ClientConnectedCallback | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(loop=loop)
        self._source_traceback = None
        if stream_reader is not None:
            self._stream_reader_wr = weakref.ref(stream_reader)
            self._source_traceback = stream_reader._source_traceback
        if client_connected_cb is not None:
            # Nobody else holds the reader of a server before there is a connection.
            self._strong_reader: StreamReader | None = stream_reader
        self._reject_connection = False
        if _PROTOCOL_KEEPS_WRITER:
            self._stream_writer: StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.BaseTransport | None = None
        self._client_connected_cb = client_connected_cb
        self._over_ssl = False
        self._closed: asyncio.Future[None] = self._loop.create_future()

    if _PROTOCOL_KEEPS_WRITER:

        def _replace_writer(self, writer: StreamWriter) -> None:
            self._take_transport(writer.transport)
            self._stream_writer = writer

    else:

        def _replace_transport(self, transport: Any) -> None:
            self._take_transport(transport)
            if _CALLBACK_FAILURE_IS_REPORTED:
                reader = self._stream_reader
                if reader is not None:
                    reader._replace_transport(transport)

    def _take_transport(self, transport: Any) -> None:
        self._transport = transport
        self._over_ssl = transport.get_extra_info("sslcontext") is not None

    def connection_made(self, transport: Any) -> None:
        """Give the reader its transport, and call back with a writer to it."""
        if self._reject_connection:
            self._reject(transport)
            return
        reader = self._stream_reader
        self._transport = transport
        if reader is not None:
            reader.set_transport(transport)
        self._over_ssl = transport.get_extra_info("sslcontext") is not None
        callback = self._client_connected_cb
        if callback is not None:
            try:
                self._call_back(callback, transport, reader)
            finally:
                self._strong_reader = None

    def _reject(self, transport: Any) -> None:
        context: dict[str, Any] = {
            "message": (
                "An open stream was garbage collected prior to "
                "establishing network connection; "
                'call "stream.close()" explicitly.'
            )
        }
        if self._source_traceback:
            context["source_traceback"] = self._source_traceback
        self._loop.call_exception_handler(context)
        transport.abort()

    def _call_back(self, callback: ClientConnectedCallback, transport: Any, reader: Any) -> None:
        writer = StreamWriter(transport, self, reader, self._loop)
        if _PROTOCOL_KEEPS_WRITER:
            self._stream_writer = writer
        try:
            result = callback(reader, writer)
        except Exception as exc:
            if not _CALLBACK_FAILURE_IS_REPORTED:
                raise
            self._report(transport, exc)
            transport.close()
            return
        if asyncio.iscoroutine(result):

            def follow(task: asyncio.Task[None]) -> None:
                if task.cancelled():
                    transport.close()
                    return
                exc = task.exception()
                if exc is not None:
                    self._report(transport, exc)
                    transport.close()

            self._task = self._loop.create_task(result)
            self._task.add_done_callback(follow)

    def _report(self, transport: Any, exc: BaseException) -> None:
        self._loop.call_exception_handler(
            {
                "message": "Unhandled exception in client_connected_cb",
                "exception": exc,
                "transport": transport,
            }
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who wait: who reads, who waits for the end, and who wants to write."""
        reader = self._stream_reader
        if reader is not None:
            if exc is None:
                reader.feed_eof()
            else:
                reader.set_exception(exc)
        if not self._closed.done():
            if exc is None:
                self._closed.set_result(None)
            else:
                self._closed.set_exception(exc)
        super().connection_lost(exc)
        self._stream_reader_wr = None
        self._stream_writer = None
        self._task = None
        self._transport = None

    @native
    def data_received(self, data: bytes) -> None:
        """Hand what has arrived to the reader."""
        raise NotImplementedError

    def eof_received(self) -> bool:
        """Tell the reader. The connection stays open for writing, unless it is over TLS, which cannot."""
        reader = self._stream_reader
        if reader is not None:
            reader.feed_eof()
        return not self._over_ssl

    def _get_close_waiter(self, stream: StreamWriter) -> asyncio.Future[None]:
        return self._closed

    def __del__(self) -> None:
        try:
            closed = self._closed
        except AttributeError:
            return  # `__init__` has failed.
        if closed.done() and not closed.cancelled():
            # Nobody has to ask for it.
            closed.exception()


async def open_connection(
    host: str | None = None,
    port: int | str | None = None,
    *,
    limit: int = _DEFAULT_LIMIT,
    **kwds: Any,
) -> tuple[StreamReader, StreamWriter]:
    """Connect to a TCP server.

    Args:
        host: a name or an address.
        port: a number or a service's name.
        limit: the reader's.
        **kwds: as for `loop.create_connection`.

    """
    loop: Any = asyncio.get_running_loop()
    reader = StreamReader(limit=limit, loop=loop)
    protocol = StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, host, port, **kwds)
    return reader, StreamWriter(transport, protocol, reader, loop)


async def start_server(
    client_connected_cb: ClientConnectedCallback,
    host: str | list[str] | None = None,
    port: int | str | None = None,
    *,
    limit: int = _DEFAULT_LIMIT,
    **kwds: Any,
) -> asyncio.Server:
    """Serve TCP: `client_connected_cb` is called with a reader and a writer for each connection.

    Args:
        client_connected_cb: a coroutine that it returns becomes a task.
        host: names or addresses; by default all of this machine.
        port: a number or a service's name.
        limit: the readers'.
        **kwds: as for `loop.create_server`.

    """
    loop: Any = asyncio.get_running_loop()

    def factory() -> StreamReaderProtocol:
        reader = StreamReader(limit=limit, loop=loop)
        return StreamReaderProtocol(reader, client_connected_cb, loop=loop)

    server: asyncio.Server = await loop.create_server(factory, host, port, **kwds)
    return server


async def open_unix_connection(
    path: StrPath | None = None, *, limit: int = _DEFAULT_LIMIT, **kwds: Any
) -> tuple[StreamReader, StreamWriter]:
    """Connect to a Unix socket, as `open_connection` does to a TCP server."""
    loop: Any = asyncio.get_running_loop()
    reader = StreamReader(limit=limit, loop=loop)
    protocol = StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_unix_connection(lambda: protocol, path, **kwds)
    return reader, StreamWriter(transport, protocol, reader, loop)


async def start_unix_server(
    client_connected_cb: ClientConnectedCallback,
    path: StrPath | None = None,
    *,
    limit: int = _DEFAULT_LIMIT,
    **kwds: Any,
) -> asyncio.Server:
    """Serve a Unix socket, as `start_server` does TCP."""
    loop: Any = asyncio.get_running_loop()

    def factory() -> StreamReaderProtocol:
        reader = StreamReader(limit=limit, loop=loop)
        return StreamReaderProtocol(reader, client_connected_cb, loop=loop)

    server: asyncio.Server = await loop.create_unix_server(factory, path, **kwds)
    return server
