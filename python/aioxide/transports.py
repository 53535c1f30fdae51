"""The stream transport that protocols see: the Python half, which owns the socket and its life cycle.

What runs per packet is in the native half (`_core.Stream`), whose methods stand here as
instance attributes, so that a call reaches them without a Python frame in between. What runs
once per connection is here: `connection_made`, `connection_lost`, errors, and information.
"""

from __future__ import annotations

import asyncio
import socket
import warnings
from asyncio.log import logger
from asyncio.trsock import TransportSocket
from typing import TYPE_CHECKING, Any

from aioxide import _core

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioxide.event_loop import EventLoop
    from aioxide.servers import Server

# asyncio keeps this enum private; `loop.sendfile` of every supported version reads it.
from asyncio.constants import _SendfileMode


class StreamTransport(asyncio.Transport):
    """A connected TCP or Unix stream socket.

    Made by `create_connection`, `create_server` and their kin, never by users. The socket must be
    non-blocking and connected; the transport closes it.
    """

    _start_tls_compatible = True
    _sendfile_compatible = _SendfileMode.TRY_NATIVE

    # Of the class, too: an object whose making failed is asked for it as it goes.
    _sock: socket.socket | None = None

    def __init__(
        self,
        loop: EventLoop,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
        server: Server | None = None,
    ) -> None:
        super().__init__(extra)
        self._loop: EventLoop | None = loop
        self._sock_fd = sock.fileno()
        self._server = server
        stream = _core.Stream(loop, sock, protocol, self)
        self._sock = sock
        self._stream = stream
        self._learn_addresses(sock)
        # Instance attributes, not methods: see the module's first lines.
        self.write = stream.write  # type: ignore[method-assign]
        self.writelines = stream.writelines  # type: ignore[method-assign]
        self.close = stream.close  # type: ignore[method-assign]
        self.is_closing = stream.is_closing  # type: ignore[method-assign]
        self.pause_reading = stream.pause_reading  # type: ignore[method-assign]
        self.resume_reading = stream.resume_reading  # type: ignore[method-assign]
        loop._transports[self._sock_fd] = self
        if server is not None:
            server._attach(self)
        context = stream.context
        loop.call_soon(protocol.connection_made, self, context=context)
        loop.call_soon(stream.begin, context=context)
        if waiter is not None:
            loop.call_soon(_finish_waiter, waiter, context=context)

    def _learn_addresses(self, sock: socket.socket) -> None:
        extra: dict[str, Any] = self._extra  # type: ignore[attr-defined]
        extra["socket"] = TransportSocket(sock)
        extra["sockname"] = self._stream.local_address() or _address(sock.getsockname)
        if "peername" not in extra:
            extra["peername"] = self._stream.peer_address() or _address(sock.getpeername)

    def __repr__(self) -> str:
        info = [self.__class__.__name__]
        if self._sock is None:
            info.append("closed")
        elif self.is_closing():
            info.append("closing")
        info.append(f"fd={self._sock_fd}")
        if self._loop is not None and not self._loop.is_closed():
            info.append("read=polling" if self.is_reading() else "read=idle")
            size = self.get_write_buffer_size()
            info.append(f"write=<{'polling' if size else 'idle'}, bufsize={size}>")
        return f"<{' '.join(info)}>"

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if self._sock is not None:
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
            self._stream.detach()
            self._sock.close()
            if self._server is not None:
                self._server._detach(self)

    # Reading.

    def is_reading(self) -> bool:
        """Whether incoming data is being read."""
        return self._stream.is_reading()

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol that receives the data."""
        return self._stream.get_protocol()  # type: ignore[return-value]

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hands the connection to another protocol."""
        self._stream.set_protocol(protocol)

    # Writing.

    def can_write_eof(self) -> bool:
        """True: a socket can be closed in one direction."""
        return True

    def write_eof(self) -> None:
        """Ends the stream towards the peer once everything written has gone out."""
        self._stream.write_eof()

    def get_write_buffer_size(self) -> int:
        """How many bytes wait for the kernel to take them."""
        return self._stream.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The low- and the high-water mark, in bytes."""
        return self._stream.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Sets the water marks, in bytes. Raises `ValueError` unless high >= low >= 0."""
        self._stream.set_write_buffer_limits(high, low)

    def abort(self) -> None:
        """Closes the connection at once; what the kernel has not taken is dropped."""
        self._stream.abort()

    # Called by the native half, by asyncio's TLS protocol and by `loop.sendfile`.

    @property
    def _protocol(self) -> asyncio.BaseProtocol | None:
        return self._stream.get_protocol()

    @property
    def _protocol_paused(self) -> bool:
        return self._stream.is_writing_paused

    def _force_close(self, exc: BaseException | None) -> None:
        self._stream._force_close(exc)

    def _make_empty_waiter(self) -> asyncio.Future[None]:
        return self._stream.make_empty_waiter()

    def _reset_empty_waiter(self) -> None:
        self._stream.reset_empty_waiter()

    def _fatal_error(self, exc: BaseException, message: str = "Fatal error on transport") -> None:
        loop = self._loop
        if loop is not None:
            if isinstance(exc, OSError):
                if loop.get_debug():
                    logger.debug("%r: %s", self, message, exc_info=exc)
            else:
                self._report(message, exc)
        self._force_close(exc)

    def _report(self, message: str, exc: BaseException) -> None:
        if self._loop is not None:
            self._loop.call_exception_handler(
                {
                    "message": message,
                    "exception": exc,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )

    def _pause_protocol(self) -> None:
        try:
            self.get_protocol().pause_writing()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001 (whatever it is, it is reported)
            self._report("protocol.pause_writing() failed", exc)

    def _resume_protocol(self) -> None:
        try:
            self.get_protocol().resume_writing()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001 (whatever it is, it is reported)
            self._report("protocol.resume_writing() failed", exc)

    def _note_eof(self) -> None:
        """Called by the native half in debug mode."""
        logger.debug("%r received EOF", self)

    def _schedule_connection_lost(self, exc: Exception | None) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon(self._call_connection_lost, exc, context=self._stream.context)
        else:
            self._release()

    def _call_connection_lost(self, exc: Exception | None) -> None:
        try:
            protocol = self._protocol
            if protocol is not None:
                protocol.connection_lost(exc)
        finally:
            self._release()

    def _release(self) -> None:
        """Lets go of everything; the socket is closed exactly once, here."""
        sock, self._sock = self._sock, None
        self._stream.detach()
        if sock is not None:
            sock.close()
        self._loop = None
        server, self._server = self._server, None
        if server is not None:
            server._detach(self)


def _finish_waiter(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _address(ask: Callable[[], Any]) -> Any:
    """Ask the socket object, which knows every family; None if the address is gone."""
    try:
        return ask()
    except OSError:
        return None
