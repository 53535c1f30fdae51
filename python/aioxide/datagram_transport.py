"""The datagram transport that protocols see: the Python half, which owns the socket and its life cycle.

What runs per datagram is in the native half (`_core.DatagramEndpoint`), whose methods stand here as
instance attributes, so that a call reaches them without a Python frame in between. What runs
once per endpoint is here: `connection_made`, `connection_lost`, errors, and information.
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


# As asyncio's, it is a stream transport by its class, too: that declares `pause_reading` and the water marks.
class DatagramTransport(asyncio.Transport, asyncio.DatagramTransport):
    """A UDP or Unix datagram socket.

    Made by `create_datagram_endpoint`, never by users. The socket must be non-blocking; the
    transport closes it.
    """

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
        self._loop: EventLoop | None = loop
        self._sock_fd = sock.fileno()
        self._address = address
        endpoint = _core.DatagramEndpoint(loop, sock, protocol, self, address)
        self._sock = sock
        self._endpoint = endpoint
        extra: dict[str, Any] = self._extra  # type: ignore[attr-defined]
        extra["socket"] = TransportSocket(sock)
        extra["sockname"] = _name(sock.getsockname)
        extra["peername"] = _name(sock.getpeername)
        # Instance attributes, not methods: see the module's first lines.
        self.sendto = endpoint.sendto  # type: ignore[method-assign]
        self.close = endpoint.close  # type: ignore[method-assign]
        self.is_closing = endpoint.is_closing  # type: ignore[method-assign]
        self.get_write_buffer_size = endpoint.get_write_buffer_size  # type: ignore[method-assign]
        loop._transports[self._sock_fd] = self
        context = endpoint.context
        loop.call_soon(protocol.connection_made, self, context=context)
        loop.call_soon(endpoint.begin, context=context)
        if waiter is not None:
            loop.call_soon(_finish_waiter, waiter, context=context)

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
            self._endpoint.detach()
            self._sock.close()

    # Receiving.

    def is_reading(self) -> bool:
        """Whether datagrams are being received."""
        return self._endpoint.is_reading()

    def pause_reading(self) -> None:
        """Stops receiving: datagrams wait in the kernel, as far as it has room, until `resume_reading`."""
        self._endpoint.pause_reading()

    def resume_reading(self) -> None:
        """Goes on receiving. Does nothing if it is not paused."""
        self._endpoint.resume_reading()

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol that receives the datagrams."""
        return self._endpoint.get_protocol()  # type: ignore[return-value]

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hands the endpoint to another protocol."""
        self._endpoint.set_protocol(protocol)

    # Sending.

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The low- and the high-water mark, in bytes."""
        return self._endpoint.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Sets the water marks, in bytes. Raises `ValueError` unless high >= low >= 0."""
        self._endpoint.set_write_buffer_limits(high, low)

    def abort(self) -> None:
        """Closes the endpoint at once; what the kernel has not taken is dropped."""
        self._endpoint.abort()

    # Called by the native half.

    @property
    def _protocol(self) -> asyncio.BaseProtocol | None:
        return self._endpoint.get_protocol()

    @property
    def _protocol_paused(self) -> bool:
        return self._endpoint.is_writing_paused

    def _force_close(self, exc: BaseException | None) -> None:
        self._endpoint._force_close(exc)

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

    def _schedule_connection_lost(self, exc: Exception | None) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon(self._call_connection_lost, exc, context=self._endpoint.context)
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
        self._endpoint.detach()
        if sock is not None:
            sock.close()
        self._loop = None


def _finish_waiter(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _name(ask: Callable[[], Any]) -> Any:
    """Ask the socket object, which knows every family; None if there is no such name."""
    try:
        return ask()
    except OSError:
        return None
