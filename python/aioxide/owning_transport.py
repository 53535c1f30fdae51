"""What the transports that own a socket or a file have in common: errors, reports, and the end.

Each has a native half (`_native`) that does what runs per packet, and calls here what runs once per connection.
"""

from __future__ import annotations

import asyncio
from asyncio.log import logger
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioxide import _core
    from aioxide.foundation import Foundation


class OwningTransport(asyncio.BaseTransport):
    """A transport that closes what it owns, once, after its protocol has heard of it."""

    _native: _core.Stream | _core.DatagramEndpoint
    """The native half."""
    _loop: Foundation | None
    """None once everything is over."""

    _extra: dict[str, Any]
    """What `get_extra_info` tells."""

    _fatal_text = "Fatal error on transport"

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol that receives the data."""
        return self._native.get_protocol()  # type: ignore[return-value]

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hands the transport to another protocol."""
        self._native.set_protocol(protocol)

    # Called by the native half, and by what of asyncio knows transports from within.

    @property
    def _protocol(self) -> asyncio.BaseProtocol | None:
        return self._native.get_protocol()

    @property
    def _protocol_paused(self) -> bool:
        return self._native.is_writing_paused

    def _force_close(self, exc: BaseException | None) -> None:
        self._native._force_close(exc)

    def _fatal_error(self, exc: BaseException, message: str | None = None) -> None:
        loop = self._loop
        if loop is not None:
            message = message or self._fatal_text
            if self._is_expected(exc):
                if loop.get_debug():
                    logger.debug("%r: %s", self, message, exc_info=exc)
            else:
                self._report(message, exc)
        self._force_close(exc)

    def _is_expected(self, exc: BaseException) -> bool:
        """Tell whether an error is no more than the other end's way to go."""
        return isinstance(exc, OSError)

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
        self._tell_protocol("pause_writing")

    def _resume_protocol(self) -> None:
        self._tell_protocol("resume_writing")

    def _tell_protocol(self, method: str) -> None:
        try:
            getattr(self.get_protocol(), method)()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001 (whatever it is, it is reported)
            self._report(f"protocol.{method}() failed", exc)

    def _schedule_connection_lost(self, exc: Exception | None) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon(self._call_connection_lost, exc, context=self._native.context)
        else:
            self._release()

    def _call_connection_lost(self, exc: Exception | None) -> None:
        try:
            protocol = self._native.get_protocol()
            if protocol is not None:
                protocol.connection_lost(exc)
        finally:
            self._release()

    def _release(self) -> None:
        """Let go of everything, and close what is owned."""
        raise NotImplementedError


def describe(transport: Any, fd: int, *, is_open: bool) -> str:
    """Return the repr of a transport over a socket, as asyncio words it."""
    info = [type(transport).__name__]
    if not is_open:
        info.append("closed")
    elif transport.is_closing():
        info.append("closing")
    info.append(f"fd={fd}")
    loop = transport._loop
    if loop is not None and not loop.is_closed():
        info.append("read=polling" if transport.is_reading() else "read=idle")
        size = transport.get_write_buffer_size()
        info.append(f"write=<{'polling' if size else 'idle'}, bufsize={size}>")
    return f"<{' '.join(info)}>"


def finish_waiter(waiter: asyncio.Future[None]) -> None:
    """Tell whoever makes the transport that it is made, unless that was given up."""
    if not waiter.done():
        waiter.set_result(None)


def ask_address(ask: Callable[[], Any]) -> Any:
    """Ask the socket object, which knows every family, for an address; None if there is none."""
    try:
        return ask()
    except OSError:
        return None
