"""The part of the `sock_*` family that is not native: connect, and datagrams one at a time.

Each operation tries first and waits only when the kernel says that it would block; each retries after a wait, since
being ready is a hint (another process may have taken the datagram). Cancelling a wait leaves the socket as it is:
it belongs to the caller throughout.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING, Any

from aioxide.names import ensure_resolved, needs_look_up
from aioxide.watchers import Watchers

try:
    import ssl
except ImportError:  # a Python built without OpenSSL
    ssl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_INTERNET_FAMILIES = frozenset({socket.AF_INET, socket.AF_INET6})

# How long to wait, in seconds, before knocking again at a Unix socket whose queue is full: the kernel tells nobody
# when there is room. The first is a turn of the loop under load, the last what a person does not notice.
_FULL_QUEUE_DELAY_FIRST = 0.001
_FULL_QUEUE_DELAY_LAST = 0.05


class SocketOperations(Watchers):
    """Operations of the event loop on sockets that the caller owns."""

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect a socket.

        Args:
            sock: a non-blocking socket.
            address: what `socket.connect` takes; a host name is looked up without blocking the loop.

        Raises:
            OSError: the connection was refused, or cannot be made.
            ValueError: the socket is blocking (debug mode).
            TypeError: the socket is an `ssl.SSLSocket`.

        """
        self._check_socket(sock)
        if sock.family in _INTERNET_FAMILIES:
            infos = await ensure_resolved(
                self, address, family=sock.family, type=sock.type, proto=sock.proto
            )
            address = infos[0][4]
        try:
            sock.connect(address)
        except (BlockingIOError, InterruptedError) as exc:
            queue_is_full = sock.family == socket.AF_UNIX and exc.errno == errno.EAGAIN
        else:
            return
        if queue_is_full:
            await _connect_when_room(sock, address)
            return
        await self._until_writable(sock)
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, f"Connect call failed {address}")

    async def sock_recvfrom(self, sock: socket.socket, bufsize: int) -> tuple[bytes, Any]:
        """Receive one datagram.

        Args:
            sock: a non-blocking datagram socket.
            bufsize: how many bytes to take; the rest of a longer datagram is lost.

        Returns:
            The bytes and the sender's address.

        Raises:
            OSError: the kernel refuses.
            ValueError: the socket is blocking (debug mode).
            TypeError: the socket is an `ssl.SSLSocket`.

        """
        self._check_socket(sock)
        while True:
            try:
                return sock.recvfrom(bufsize)
            except (BlockingIOError, InterruptedError):
                await self._until_readable(sock)

    async def sock_recvfrom_into(
        self, sock: socket.socket, buf: WriteableBuffer, nbytes: int = 0
    ) -> tuple[int, Any]:
        """Receive one datagram into a buffer.

        Args:
            sock: a non-blocking datagram socket.
            buf: where the bytes go.
            nbytes: how many bytes to take; 0 for as many as the buffer holds.

        Returns:
            The number of bytes and the sender's address.

        Raises:
            OSError: the kernel refuses.
            ValueError: the socket is blocking (debug mode), or the buffer is smaller than `nbytes`.
            TypeError: the socket is an `ssl.SSLSocket`.

        """
        self._check_socket(sock)
        if not nbytes:
            nbytes = memoryview(buf).nbytes
        while True:
            try:
                return sock.recvfrom_into(buf, nbytes)
            except (BlockingIOError, InterruptedError):
                await self._until_readable(sock)

    async def sock_sendto(self, sock: socket.socket, data: ReadableBuffer, address: Any) -> int:
        """Send one datagram.

        Args:
            sock: a non-blocking datagram socket.
            data: the datagram.
            address: where to; a host name is looked up without blocking the loop.

        Returns:
            The number of bytes sent.

        Raises:
            OSError: the kernel refuses.
            ValueError: the socket is blocking (debug mode).
            TypeError: the socket is an `ssl.SSLSocket`.

        """
        self._check_socket(sock)
        if _would_look_up(sock, address):
            infos = await ensure_resolved(
                self, address, family=sock.family, type=sock.type, proto=sock.proto
            )
            address = infos[0][4]
        while True:
            try:
                return sock.sendto(data, address)
            except (BlockingIOError, InterruptedError):
                await self._until_writable(sock)

    def _check_socket(self, sock: socket.socket) -> None:
        """Refuse sockets that the `sock_*` family cannot serve."""
        refuse_ssl_socket(sock)
        if self.get_debug() and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")

    async def _until_readable(self, sock: socket.socket) -> None:
        self._ensure_fd_no_transport(sock.fileno())
        await self._wait_readable(sock)

    async def _until_writable(self, sock: socket.socket) -> None:
        self._ensure_fd_no_transport(sock.fileno())
        await self._wait_writable(sock)


def refuse_ssl_socket(sock: socket.socket) -> None:
    """Raise TypeError for a socket that encrypts by itself: it is not ready when its file descriptor is."""
    if ssl is not None and isinstance(sock, ssl.SSLSocket):
        raise TypeError("Socket cannot be of type SSLSocket")


async def _connect_when_room(sock: socket.socket, address: Any) -> None:
    """Connect to a Unix socket whose queue of waiting connections was full, as soon as it is not."""
    delay = _FULL_QUEUE_DELAY_FIRST
    while True:
        await asyncio.sleep(delay)
        try:
            sock.connect(address)
        except (BlockingIOError, InterruptedError):
            delay = min(delay * 2, _FULL_QUEUE_DELAY_LAST)
        else:
            return


def _would_look_up(sock: socket.socket, address: Any) -> bool:
    """Tell whether sending to this address would make the socket ask the name service, and block."""
    return (
        sock.family in _INTERNET_FAMILIES
        and isinstance(address, tuple)
        and len(address) >= 2
        and needs_look_up(address[0])
    )
