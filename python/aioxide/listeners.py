"""The accept loop: one listening socket of a server, and the loop's watch on it.

When the socket is ready, as many connections are accepted as its queue holds, and each becomes a transport at once, in
a copy of the context that the server was started in: a task for each, as asyncio makes, would only delay it. What a
connection's protocol factory raises is reported, and costs that connection only.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import socket
from asyncio.log import logger
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from aioxide import _core
from aioxide.tls import SSLTransport, TlsSettings, tls_over_socket
from aioxide.transports import StreamTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioxide._core import Handle, TimerHandle
    from aioxide.event_loop import EventLoop
    from aioxide.foundation import Foundation
    from aioxide.servers import Server

# Seconds until accepting is tried again when the system has run out of something: as in asyncio.
_ACCEPT_PAUSE = 1

# What accept says when the system has run out of descriptors or memory. The connection stays in the queue, so the
# socket stays ready: going on at once would keep the loop busy with nothing.
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Listener:
    """Accepts connections for a server. Who makes one owns it; `close` closes the socket."""

    def __init__(
        self,
        server: Server,
        loop: EventLoop,
        sock: socket.socket,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        tls: TlsSettings | None,
        backlog: int,
    ) -> None:
        self._server = server
        self._loop = loop
        self._sock = sock
        self._protocol_factory = protocol_factory
        self._tls = tls
        self._backlog = backlog
        if type(sock) is socket.socket:
            kind = int(sock.type) | socket.SOCK_NONBLOCK
            self._accept = functools.partial(  # type: ignore[method-assign]
                _core.accept, sock, int(sock.family), kind, sock.proto
            )
        # The watch on the socket, while connections are accepted.
        self._watch: Handle | None = None
        # The end of a pause, while the system is short of something.
        self._pause: TimerHandle | None = None

    def start(self) -> None:
        """Listen, and accept connections from now on. Raises OSError if the socket cannot listen."""
        self._sock.listen(self._backlog)
        self._resume()

    def close(self) -> None:
        """Accept no more, and close the socket."""
        if self._pause is not None:
            self._pause.cancel()
        self._stop_watching()
        self._sock.close()

    def _resume(self) -> None:
        self._pause = None
        self._watch = self._loop._add_reader(self._sock.fileno(), self._accept_all)

    def _stop_watching(self) -> None:
        watch, self._watch = self._watch, None
        if watch is None:
            return
        number = self._sock.fileno()
        if number == -1:
            # Somebody has closed the socket under us; its number may be another's by now.
            watch.cancel()
        else:
            self._loop._remove_reader(number)

    def _accept_all(self) -> None:
        """Accept what is in the queue. One more than it holds, so that the last attempt finds it empty."""
        for _ in range(self._backlog + 1):
            try:
                accepted = self._accept()
            except ConnectionAbortedError:
                continue  # gone before it was accepted; the next one may be there
            except OSError as exc:
                if exc.errno not in _EXHAUSTED:
                    raise
                self._pause_accepting(exc)
                return
            if accepted is None:
                return
            conn, peer = accepted
            if self._loop.get_debug():
                logger.debug("%r got a new connection from %r: %r", self._server, peer, conn)
            copy_context().run(self._connect, conn, {"peername": peer})
            if self._watch is None:
                return  # closed by what it has just called

    def _accept(self) -> tuple[socket.socket, Any] | None:
        """Accept a connection from a socket of a class of its own, which may have its own way to do so."""
        try:
            conn, peer = self._sock.accept()
        except (BlockingIOError, InterruptedError):
            return None
        conn.setblocking(False)
        return conn, peer

    def _pause_accepting(self, exc: OSError) -> None:
        self._loop.call_exception_handler(
            {
                "message": "socket.accept() out of system resource",
                "exception": exc,
                "socket": asyncio.trsock.TransportSocket(self._sock),
            }
        )
        if self._watch is None:
            return  # closed by the exception handler
        self._stop_watching()
        self._pause = self._loop.call_later(_ACCEPT_PAUSE, self._resume)

    def _connect(self, conn: socket.socket, extra: dict[str, Any]) -> None:
        """Make a transport of an accepted socket, which is closed if that fails."""
        protocol = None
        try:
            protocol = self._protocol_factory()
            if self._tls is None:
                StreamTransport(self._loop, conn, protocol, extra=extra, server=self._server)
            else:
                tls_over_socket(
                    self._loop,
                    conn,
                    protocol,
                    self._tls,
                    on_failure=_close_after_failure,
                    extra=extra,
                    server=self._server,
                )
        except BaseException as exc:
            conn.close()
            if isinstance(exc, SystemExit | KeyboardInterrupt):
                raise
            _report_lost_connection(self._loop, exc, protocol, None)


def _close_after_failure(
    transport: SSLTransport, protocol: asyncio.BaseProtocol, exc: BaseException
) -> None:
    """End a connection whose handshake has failed. That concerns nobody but the peer, as in asyncio."""
    loop = transport._loop
    transport.close()
    if loop.get_debug():
        _report_lost_connection(loop, exc, protocol, transport)


def _report_lost_connection(
    loop: Foundation,
    exc: BaseException,
    protocol: asyncio.BaseProtocol | None,
    transport: SSLTransport | None,
) -> None:
    context: dict[str, Any] = {
        "message": "Error on transport creation for incoming connection",
        "exception": exc,
    }
    if protocol is not None:
        context["protocol"] = protocol
    if transport is not None:
        context["transport"] = transport
    loop.call_exception_handler(context)
