"""The datagram transport that protocols see: the Python half, which owns the socket and its life cycle.

What runs per datagram is in the native half (`_core.DatagramEndpoint`), whose methods stand here as
instance attributes, so that a call reaches them without a Python frame in between. What runs
once per endpoint is here: `connection_made`, `connection_lost`, errors, and information.
"""

from __future__ import annotations

import asyncio
import socket
import warnings
import weakref
from asyncio.trsock import TransportSocket
from typing import TYPE_CHECKING, Any

from aioxide import _core
from aioxide.owning_transport import OwningTransport, ask_address, describe, finish_waiter

if TYPE_CHECKING:
    from aioxide.event_loop import EventLoop


# As asyncio's, it is a stream transport by its class, too: that declares `pause_reading` and the water marks.
class DatagramTransport(OwningTransport, asyncio.Transport, asyncio.DatagramTransport):
    """A UDP or Unix datagram socket.

    Made by `create_datagram_endpoint`, never by users. The socket must be non-blocking; the
    transport closes it.
    """

    _native: _core.DatagramEndpoint

    # Of the class, too: an object whose making failed is asked for it as it goes.
    _sock: socket.socket | None = None

    def __init__(
        self,
        loop: EventLoop,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
    ) -> None:
        super().__init__()
        self._loop = loop
        self._sock_fd = sock.fileno()
        self._address = address
        endpoint = _core.DatagramEndpoint(loop, sock, protocol, self, address)
        self._sock = sock
        self._native = endpoint
        extra = self._extra
        extra["socket"] = TransportSocket(sock)
        extra["sockname"] = ask_address(sock.getsockname)
        extra["peername"] = ask_address(sock.getpeername)
        # Instance attributes, not methods: see the module's first lines.
        self.sendto = endpoint.sendto  # type: ignore[method-assign]
        self.close = endpoint.close  # type: ignore[method-assign]
        self.is_closing = endpoint.is_closing  # type: ignore[method-assign]
        self.get_write_buffer_size = endpoint.get_write_buffer_size  # type: ignore[method-assign]
        loop._transports[self._sock_fd] = weakref.ref(self)
        context = endpoint.context
        loop.call_soon(protocol.connection_made, self, context=context)
        loop.call_soon(endpoint.begin, context=context)
        if waiter is not None:
            loop.call_soon(finish_waiter, waiter, context=context)

    def __repr__(self) -> str:
        return describe(self, self._sock_fd, is_open=self._sock is not None)

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if self._sock is not None:
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
            self._native.detach()
            self._sock.close()

    # Receiving.

    def is_reading(self) -> bool:
        """Whether datagrams are being received."""
        return self._native.is_reading()

    def pause_reading(self) -> None:
        """Stops receiving: datagrams wait in the kernel, as far as it has room, until `resume_reading`."""
        self._native.pause_reading()

    def resume_reading(self) -> None:
        """Goes on receiving. Does nothing if it is not paused."""
        self._native.resume_reading()

    # Sending.

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The low- and the high-water mark, in bytes."""
        return self._native.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Sets the water marks, in bytes. Raises `ValueError` unless high >= low >= 0."""
        self._native.set_write_buffer_limits(high, low)

    def abort(self) -> None:
        """Closes the endpoint at once; what the kernel has not taken is dropped."""
        self._native.abort()

    def _release(self) -> None:
        """Lets go of everything; the socket is closed exactly once, here."""
        sock, self._sock = self._sock, None
        self._native.detach()
        if sock is not None:
            sock.close()
        self._loop = None
