"""Files sent without a copy: `sendfile` to a transport and `sock_sendfile` to a socket.

The kernel copies from file to socket by itself where it can; where it cannot (an encrypted connection, a file that is
none), the file is read in the default executor and written piece by piece. Either way the file's position ends where
the last byte sent was taken from.

Private names of asyncio relied upon, compared in 3.11.7, 3.12.1, 3.13.0 and 3.14.8: `constants._SendfileMode` and its
three values. A transport says with `_sendfile_compatible` which of them it is; a native one has `_sock`, `_sock_fd`,
`_make_empty_waiter` and `_reset_empty_waiter`, and each has `_protocol_paused`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import io
import os
import socket
import sys
from asyncio import constants
from typing import TYPE_CHECKING, Any

from aioxide.socket_operations import refuse_ssl_socket
from aioxide.watchers import Watchers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import IO

    from _typeshed import FileDescriptorLike

_Mode: Any = constants._SendfileMode  # type: ignore[attr-defined,unused-ignore]

# What is read at once when the kernel cannot help, as in asyncio; for a transport it is one TLS record.
_SOCKET_READ_BYTES = 256 * 1024
_TRANSPORT_READ_BYTES = 16 * 1024

# The most that one system call is asked for: half of what a signed offset can say, as in asyncio.
_SYSCALL_BYTES_MAX = sys.maxsize // 2 + 1


class Sendfile(Watchers):
    """Sends files over transports and sockets."""

    async def sendfile(
        self,
        transport: asyncio.WriteTransport,
        file: IO[bytes],
        offset: int = 0,
        count: int | None = None,
        *,
        fallback: bool = True,
    ) -> int:
        """Send a file over a transport.

        Args:
            transport: a stream transport, plain or encrypted.
            file: a file that is open in binary mode.
            offset: the first byte to send, counted from 0.
            count: how many bytes to send; None for all that follow.
            fallback: whether to read and write the file where the kernel cannot send it.

        Returns:
            The number of bytes sent.

        Raises:
            asyncio.SendfileNotAvailableError: the kernel cannot send this file, and `fallback` is false.
            RuntimeError: the transport is closing, or cannot send files in this way.
            OSError: the connection was lost.

        """
        if transport.is_closing():
            raise RuntimeError("Transport is closing")
        mode = getattr(transport, "_sendfile_compatible", _Mode.UNSUPPORTED)
        if mode is _Mode.UNSUPPORTED:
            raise RuntimeError(f"sendfile is not supported for transport {transport!r}")
        if mode is _Mode.TRY_NATIVE:
            try:
                return await self._sendfile_native(transport, file, offset, count)
            except asyncio.SendfileNotAvailableError:
                if not fallback:
                    raise
        if not fallback:
            raise RuntimeError(
                "fallback is disabled and native sendfile is not "
                f"supported for transport {transport!r}"
            )
        return await self._sendfile_fallback(transport, file, offset, count)

    async def sock_sendfile(
        self,
        sock: socket.socket,
        file: IO[bytes],
        offset: int = 0,
        count: int | None = None,
        *,
        fallback: bool | None = True,
    ) -> int:
        """Send a file over a socket.

        Args:
            sock: a non-blocking, connected stream socket.
            file: a file that is open in binary mode.
            offset: the first byte to send, counted from 0.
            count: how many bytes to send; None for all that follow.
            fallback: whether to read and write the file where the kernel cannot send it.

        Returns:
            The number of bytes sent.

        Raises:
            asyncio.SendfileNotAvailableError: the kernel cannot send this file, and `fallback` is false.
            ValueError: a text file, no stream socket, a negative offset, a count below 1, or a blocking socket (debug
                mode).
            TypeError: offset or count is not a number, or the socket is an `ssl.SSLSocket`.
            OSError: the connection was lost.

        """
        if self.get_debug() and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")
        refuse_ssl_socket(sock)
        _check_sendfile_arguments(sock, file, offset, count)
        try:
            return await self._sock_sendfile_native(sock, file, offset, count)
        except asyncio.SendfileNotAvailableError:
            if not fallback:
                raise
        return await self._sock_sendfile_fallback(sock, file, offset, count)

    async def _sendfile_native(
        self, transp: Any, file: IO[bytes], offset: int, count: int | None
    ) -> int:
        """Let the kernel write to the transport's own socket, while the transport holds still."""
        _check_sendfile_arguments(transp._sock, file, offset, count)
        # Refuses a second file at the same time.
        written = transp._make_empty_waiter()
        relay = _Relay(self, transp)
        try:
            await written
            return await _send_file(transp._sock, file, offset, count, relay.until_writable)
        finally:
            transp._reset_empty_waiter()
            relay.restore()

    async def _sendfile_fallback(
        self, transp: Any, file: IO[bytes], offset: int, count: int | None
    ) -> int:
        relay = _Relay(self, transp)

        async def write(data: memoryview) -> None:
            # The transport may keep what it is given, and the buffer is used again.
            transp.write(bytes(data))
            await relay.drain()

        try:
            await relay.drain()
            return await self._copy(file, offset, count, _TRANSPORT_READ_BYTES, write)
        finally:
            relay.restore()

    async def _sock_sendfile_native(
        self, sock: socket.socket, file: IO[bytes], offset: int, count: int | None
    ) -> int:
        source, wanted = _file_to_send(file, count)
        if not wanted:
            return 0
        sent: asyncio.Future[int] = self.create_future()
        self._sock_sendfile_native_impl(sent, None, sock, source, offset, count, wanted, 0)
        return await sent

    def _sock_sendfile_native_impl(
        self,
        fut: asyncio.Future[int],
        registered_fd: FileDescriptorLike | None,
        sock: socket.socket,
        fileno: int,
        offset: int,
        count: int | None,
        blocksize: int,
        total_sent: int,
    ) -> None:
        """Send what the kernel takes now, and watch the socket to be called again for the rest.

        The name and the arguments are asyncio's, so that a step can be taken by hand: `offset` is where this one
        begins, after `total_sent` bytes that went before, and `registered_fd` is what is watched since the last.
        """
        if registered_fd is not None:
            self.remove_writer(registered_fd)
        if fut.cancelled():
            return
        try:
            wanted = count - total_sent if count else blocksize
            sent = _send_piece(sock, fileno, offset, wanted, total_sent)
            if sent is not None:
                offset += sent
                total_sent += sent
            if sent == 0 or total_sent == count:
                fut.set_result(total_sent)
                return
            if registered_fd is None:
                fut.add_done_callback(functools.partial(self._stop_sending, sock))
            # The socket's buffer is full now, or nearly; other work comes first in any case.
            rest = (fut, sock, sock, fileno, offset, count, blocksize, total_sent)
            self.add_writer(sock, self._sock_sendfile_native_impl, *rest)
        except Exception as exc:  # noqa: BLE001 - whoever awaits the future is told
            fut.set_exception(exc)
        finally:
            _move_to(fileno, offset)

    def _stop_sending(self, sock: socket.socket, fut: asyncio.Future[int]) -> None:
        if fut.cancelled():
            self.remove_writer(sock)

    async def _sock_sendfile_fallback(
        self, sock: socket.socket, file: IO[bytes], offset: int, count: int | None
    ) -> int:
        async def write(data: memoryview) -> None:
            await self.sock_sendall(sock, data)

        return await self._copy(file, offset, count, _SOCKET_READ_BYTES, write)

    async def _copy(
        self,
        file: Any,
        offset: int,
        count: int | None,
        read_bytes: int,
        write: Callable[[memoryview], Awaitable[None]],
    ) -> int:
        """Read the file in the default executor, and write it, piece by piece; return the bytes written."""
        if hasattr(file, "seek"):
            file.seek(offset)
        buffer = memoryview(bytearray(min(count, read_bytes) if count else read_bytes))
        written = 0
        try:
            while not count or written < count:
                piece = buffer[: count - written] if count else buffer
                filled = await self.run_in_executor(None, file.readinto, piece)
                if not filled:
                    break
                await write(piece[:filled])
                written += filled
        finally:
            if written > 0 and hasattr(file, "seek"):
                file.seek(offset + written)
        return written


class _Relay(asyncio.Protocol):
    """Stands in for a transport's protocol while a file is written, to hear of pauses and of the end."""

    def __init__(self, loop: Watchers, transport: Any) -> None:
        if not hasattr(transport, "_protocol_paused"):
            raise TypeError("transport should be _FlowControlMixin instance")
        self._loop = loop
        self._transport = transport
        self._protocol = transport.get_protocol()
        self._was_reading = transport.is_reading()
        self._was_paused = bool(transport._protocol_paused)
        # There while the transport asks to write no more.
        self._writable: asyncio.Future[None] | None = None
        # There while the kernel cannot take more; the loop then watches the transport's socket for us.
        self._kernel_ready: asyncio.Future[None] | None = None
        transport.pause_reading()
        transport.set_protocol(self)
        if self._was_paused:
            self._writable = loop.create_future()

    async def drain(self) -> None:
        """Wait until the transport wants more.

        Raises:
            ConnectionError: there is no connection any more.

        """
        if self._transport.is_closing():
            raise ConnectionError("Connection closed by peer")
        if self._writable is not None:
            await self._writable

    async def until_writable(self) -> None:
        """Wait until the kernel takes more from the transport's own socket.

        Raises:
            ConnectionError: the transport was closed.

        """
        if self._transport.is_closing():
            raise ConnectionError("Connection closed by peer")
        self._kernel_ready = ready = self._loop.create_future()
        self._loop._add_writer(self._transport._sock_fd, _finish, ready)
        try:
            await ready
        finally:
            self._stop_watching()

    def _stop_watching(self) -> None:
        """Leave the transport's file descriptor alone, in time: once it is closed, its number may be another's."""
        if self._kernel_ready is not None:
            self._kernel_ready = None
            self._loop._remove_writer(self._transport._sock_fd)

    def restore(self) -> None:
        """Give the transport its protocol back, in the state it was in."""
        self._transport.set_protocol(self._protocol)
        if self._was_reading:
            self._transport.resume_reading()
        if self._writable is not None:
            self._writable.cancel()
        # The protocol has missed what happened meanwhile, and takes neither a pause nor its end twice.
        is_paused = self._transport._protocol_paused and not self._transport.is_closing()
        if self._was_paused and not is_paused:
            self._protocol.resume_writing()
        elif is_paused and not self._was_paused:
            self._protocol.pause_writing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        raise RuntimeError("Invalid state: connection should have been established already.")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._writable is not None and not self._writable.done():
            # Whoever waits has more to write, so this is a failure even without a reason.
            self._writable.set_exception(exc or ConnectionError("Connection is closed by peer"))
        ready = self._kernel_ready
        self._stop_watching()
        if ready is not None and not ready.done():
            ready.set_exception(exc or ConnectionError("Connection is closed by peer"))
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def data_received(self, data: bytes) -> None:
        raise RuntimeError("Invalid state: reading should be paused")

    def eof_received(self) -> bool | None:
        raise RuntimeError("Invalid state: reading should be paused")


def _check_sendfile_arguments(
    sock: socket.socket, file: IO[bytes], offset: object, count: object
) -> None:
    if "b" not in getattr(file, "mode", "b"):
        raise ValueError("file should be opened in binary mode")
    if sock.type != socket.SOCK_STREAM:
        raise ValueError("only SOCK_STREAM type sockets are supported")
    if count is not None:
        refusal = f"count must be a positive integer (got {count!r})"
        if not isinstance(count, int):
            raise TypeError(refusal)
        if count <= 0:
            raise ValueError(refusal)
    refusal = f"offset must be a non-negative integer (got {offset!r})"
    if not isinstance(offset, int):
        raise TypeError(refusal)
    if offset < 0:
        raise ValueError(refusal)


async def _send_file(
    sock: socket.socket,
    file: IO[bytes],
    offset: int,
    count: int | None,
    until_writable: Callable[[], Awaitable[None]],
) -> int:
    """Let the kernel send the file; return the bytes sent. What has to be read and written instead is refused."""
    source, wanted = _file_to_send(file, count)
    if not wanted:
        return 0
    sent_total = 0
    try:
        while True:
            if count is not None:
                wanted = count - sent_total
            sent = _send_piece(sock, source, offset + sent_total, wanted, sent_total)
            sent_total += sent or 0
            if sent == 0 or sent_total == count:
                return sent_total
            await until_writable()
    finally:
        _move_to(source, offset + sent_total)


def _send_piece(
    sock: socket.socket, source: int, offset: int, wanted: int, sent_total: int
) -> int | None:
    """Have the kernel send some of a file; return how many bytes it took, or None if it takes none now."""
    try:
        return os.sendfile(sock.fileno(), source, offset, min(wanted, _SYSCALL_BYTES_MAX))
    except (BlockingIOError, InterruptedError):
        return None
    except OSError as exc:
        if sent_total == 0:
            # The usual reason is a file that the kernel cannot map, which can be read and written all the same.
            raise asyncio.SendfileNotAvailableError("os.sendfile call failed") from exc
        if exc.errno == errno.ENOTCONN:
            raise ConnectionError("socket is not connected", errno.ENOTCONN) from exc
        raise


def _move_to(source: int, offset: int) -> None:
    # What has no position, such as a pipe, keeps none.
    with contextlib.suppress(OSError):
        os.lseek(source, offset, os.SEEK_SET)


def _file_to_send(file: IO[bytes], count: int | None) -> tuple[int, int]:
    """Return the file descriptor that the kernel is to read, and how many bytes to ask it for at first."""
    if not hasattr(os, "sendfile"):
        raise asyncio.SendfileNotAvailableError("os.sendfile() is not available")
    try:
        number = file.fileno()
        size = os.fstat(number).st_size
    except (AttributeError, io.UnsupportedOperation, OSError) as exc:
        raise asyncio.SendfileNotAvailableError("not a regular file") from exc
    return number, count or size


def _finish(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
