"""The datagram transport: the stdlib's life cycle and reading, with the newest Python's writing on every Python.

Older ones are no `asyncio.DatagramTransport`, drop empty datagrams, and count what waits in the buffer so that
a paused protocol may never go on.
"""

from __future__ import annotations

import asyncio
from asyncio import constants, selector_events
from asyncio.log import logger
from typing import Any

# Private in the stdlib, and in what is used of it here the same in every Python from 3.11 to 3.14.
_StdlibTransport: Any = selector_events._SelectorDatagramTransport  # type: ignore[attr-defined]

# For mypy no more than the class above: it would take the constructor from here.
_AbstractTransport: Any = asyncio.DatagramTransport

# What a datagram counts in the buffer beside its data: that of a UDP header, so that empty ones count too.
_HEADER_BYTES = 8


class DatagramTransport(_StdlibTransport, _AbstractTransport):  # type: ignore[misc]
    """Sends and receives datagrams for a protocol."""

    def sendto(self, data: bytes | bytearray | memoryview, addr: Any = None) -> None:
        """Send a datagram; what the kernel does not take at once is kept and sent later.

        Args:
            data: the datagram, which may be empty.
            addr: where to; None for the address that the transport was made with.

        Raises:
            TypeError: `data` is no bytes-like object.
            ValueError: the transport was made for another address.

        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            )
        if self._address:
            if addr not in (None, self._address):
                raise ValueError(f"Invalid address: must be None or {self._address}")
            addr = self._address
        if self._sock is None or (self._conn_lost and self._address):
            if self._conn_lost >= constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES:
                logger.warning("socket.send() raised exception.")
            self._conn_lost += 1
            return
        if not self._buffer:
            if self._try_to_send(data, addr):
                return
            self._loop._add_writer(self._sock_fd, self._sendto_ready)
        # A copy: the caller may change the data before it goes out.
        self._buffer.append((bytes(data), addr))
        self._buffer_size += len(data) + _HEADER_BYTES
        self._maybe_pause_protocol()

    def _sendto_ready(self) -> None:
        """Send what waits, as far as the kernel takes it."""
        while self._buffer:
            # Taken out first: the protocol may close the transport when it hears of an error.
            data, addr = self._buffer.popleft()
            if not self._try_to_send(data, addr):
                self._buffer.appendleft((data, addr))
                break
            self._buffer_size -= len(data) + _HEADER_BYTES
        if self._conn_lost:
            return
        self._maybe_resume_protocol()
        if not self._buffer:
            self._loop._remove_writer(self._sock_fd)
            if self._closing:
                self._call_connection_lost(None)

    def _try_to_send(self, data: bytes | bytearray | memoryview, addr: Any) -> bool:
        """Send a datagram, or report why that is impossible; False if it has to wait."""
        try:
            # The name of a peer may be empty: that of an unbound Unix socket is.
            if self._extra["peername"] is not None:
                self._sock.send(data)
            else:
                self._sock.sendto(data, addr)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as exc:
            # The address's fault, or the network's: the transport can still be used.
            self._protocol.error_received(exc)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001 - reported
            self._fatal_error(exc, "Fatal write error on datagram transport")
        return True

    def __repr__(self) -> str:
        """Return the state of the transport in one line."""
        parts = [type(self).__name__]
        if self._sock is None:
            parts.append("closed")
        elif self._closing:
            parts.append("closing")
        parts.append(f"fd={self._sock_fd}")
        if self._loop is not None and not self._loop.is_closed():
            parts.append(f"read={'polling' if self.is_reading() else 'idle'}")
            state = "polling" if self._buffer else "idle"
            parts.append(f"write=<{state}, bufsize={self.get_write_buffer_size()}>")
        return f"<{' '.join(parts)}>"
