"""The stream transport that protocols see: the Python half.

What happens to a connection happens in the native half (`_core.Stream`), which owns the socket. The methods that
protocols call most are called without a Python frame in between (`_core.NativeMethod`). Errors are reported here, and
what debug mode wants to see as handles is called here. The transport of an accepted connection is made natively,
without `__init__`.
"""

from __future__ import annotations

import asyncio
import warnings
from asyncio.log import logger
from typing import TYPE_CHECKING, Any, cast

from aioxide import _core
from aioxide.owning_transport import OwningTransport, describe, finish_waiter

if TYPE_CHECKING:
    import socket

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

    # Of the class, too: an object whose making failed is asked for it as it goes.
    _native: _core.Stream = None  # type: ignore[assignment]

    write: Any = _core.NativeMethod("_native")
    writelines: Any = _core.NativeMethod("_native")
    close: Any = _core.NativeMethod("_native", is_kept=False)
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
        self._native = stream = _core.Stream(loop, sock, protocol, self, extra, server)
        stream.start()
        if waiter is not None:
            loop.call_soon(finish_waiter, waiter, context=stream.context)

    def __repr__(self) -> str:
        return describe(self, self._sock_fd, is_open=self._native.is_open)

    def __del__(self, _warn: Any = warnings.warn) -> None:
        stream = self._native
        if stream is not None and stream.is_open:
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
            stream.release()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Information about the connection: `socket`, `sockname`, `peername`."""
        return self._native.extra_info(name, default)

    # Under the names of asyncio's transports, for those who look.

    @property
    def _extra(self) -> dict[str, Any]:
        return self._native.information

    @_extra.setter
    def _extra(self, extra: dict[str, Any]) -> None:
        self._native.information = extra

    @property
    def _loop(self) -> EventLoop | None:  # type: ignore[override]
        return cast("EventLoop | None", self._native.event_loop)

    @property
    def _sock(self) -> socket.socket | None:
        return self._native.sock

    @property
    def _sock_fd(self) -> int:
        return self._native.fd

    @property
    def _server(self) -> Server | None:
        return cast("Server | None", self._native.server)

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
        self._native.release()
