"""The stream transport that protocols see: the Python half, which owns the socket and its life cycle.

What runs per packet is in the native half (`_core.Stream`), and its methods are called without a Python frame
in between (`_core.NativeMethod`). What runs once per connection is here: `connection_made`, `connection_lost`,
errors, and information.
"""

from __future__ import annotations

import asyncio
import socket
import warnings
import weakref
from asyncio.log import logger
from asyncio.trsock import TransportSocket
from typing import TYPE_CHECKING, Any

from aioxide import _core
from aioxide.owning_transport import OwningTransport, ask_address, describe, finish_waiter

if TYPE_CHECKING:
    from aioxide.event_loop import EventLoop
    from aioxide.servers import Server

# asyncio keeps this enum private; `loop.sendfile` of every supported version reads it.
from asyncio.constants import _SendfileMode


class StreamTransport(OwningTransport, asyncio.Transport):
    """A connected TCP or Unix stream socket.

    Made by `create_connection`, `create_server` and their kin, never by users. The socket must be
    non-blocking and connected; the transport closes it.
    """

    _start_tls_compatible = True
    _sendfile_compatible = _SendfileMode.TRY_NATIVE

    _native: _core.Stream

    # Of the class, too: an object whose making failed is asked for it as it goes.
    _sock: socket.socket | None = None

    write: Any = _core.NativeMethod("_native")
    writelines: Any = _core.NativeMethod("_native")
    close: Any = _core.NativeMethod("_native")
    is_closing: Any = _core.NativeMethod("_native")
    pause_reading: Any = _core.NativeMethod("_native")
    resume_reading: Any = _core.NativeMethod("_native")

    def __init__(
        self,
        loop: EventLoop,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
        server: Server | None = None,
    ) -> None:
        self._extra = extra = {} if extra is None else extra
        self._loop = loop
        self._sock_fd = fd = sock.fileno()
        self._server = server
        self._native = stream = _core.Stream(loop, sock, protocol, self)
        self._sock = sock
        extra["socket"] = TransportSocket(sock)
        extra["sockname"] = stream.local_address() or ask_address(sock.getsockname)
        if "peername" not in extra:
            extra["peername"] = stream.peer_address() or ask_address(sock.getpeername)
        loop._transports[fd] = weakref.ref(self)
        if server is not None:
            server._attach(self)
        context = stream.context
        loop.call_soon(protocol.connection_made, self, context=context)
        loop.call_soon(stream.begin, context=context)
        if waiter is not None:
            loop.call_soon(finish_waiter, waiter, context=context)

    def __repr__(self) -> str:
        return describe(self, self._sock_fd, is_open=self._sock is not None)

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if self._sock is not None:
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
            self._native.detach()
            self._sock.close()
            if self._server is not None:
                self._server._detach(self)

    # Reading.

    def is_reading(self) -> bool:
        """Whether incoming data is being read."""
        return self._native.is_reading()

    # Writing.

    def can_write_eof(self) -> bool:
        """True: a socket can be closed in one direction."""
        return True

    def write_eof(self) -> None:
        """Ends the stream towards the peer once everything written has gone out."""
        self._native.write_eof()

    def get_write_buffer_size(self) -> int:
        """How many bytes wait for the kernel to take them."""
        return self._native.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The low- and the high-water mark, in bytes."""
        return self._native.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Sets the water marks, in bytes. Raises `ValueError` unless high >= low >= 0."""
        self._native.set_write_buffer_limits(high, low)

    def abort(self) -> None:
        """Closes the connection at once; what the kernel has not taken is dropped."""
        self._native.abort()

    # Called by the native half and by `loop.sendfile`.

    def _make_empty_waiter(self) -> asyncio.Future[None]:
        return self._native.make_empty_waiter()

    def _reset_empty_waiter(self) -> None:
        self._native.reset_empty_waiter()

    def _note_eof(self) -> None:
        """Called by the native half in debug mode."""
        logger.debug("%r received EOF", self)

    def _release(self) -> None:
        """Lets go of everything; the socket is closed exactly once, here."""
        sock, self._sock = self._sock, None
        self._native.detach()
        if sock is not None:
            sock.close()
        self._loop = None
        server, self._server = self._server, None
        if server is not None:
            server._detach(self)
