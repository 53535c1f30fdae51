"""Accepting connections: the loop's watch on each listening socket of a server.

When the socket is ready, as many connections are accepted as its queue holds, and each becomes a transport at once, in
a copy of the context that the server was started in: a task for each, as asyncio makes, would only delay it. What a
connection's protocol factory raises is reported, and costs that connection only. All of this is native (`_core.admit`)
unless something unusual is asked for.

What servers ask of the loop has the names and arguments that it has in asyncio, for whoever looks on or steps between.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from asyncio.log import logger
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from aioxide import _core
from aioxide.tls import SSLTransport
from aioxide.transport_factories import TransportFactories

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context
    from ssl import SSLContext

    from aioxide.servers import Server

# Seconds until accepting is tried again when the system has run out of something: as in asyncio.
_ACCEPT_PAUSE = 1

# Arguments are counted by whoever steps between.
_SERVERS_HAVE_CONTEXTS = sys.version_info >= (3, 15)

# What accept says when the system has run out of descriptors or memory. The connection stays in the queue, so the
# socket stays ready: going on at once would keep the loop busy with nothing.
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Listeners(TransportFactories):
    """Accepts connections for servers."""

    _accepting: WeakKeyDictionary[socket.socket, asyncio.Handle]
    """The watch on each listening socket, or the end of a pause while the system is short of something."""

    def __init__(self) -> None:
        super().__init__()
        self._accepting = WeakKeyDictionary()

    def _start_serving(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        sock: socket.socket,
        sslcontext: SSLContext | None = None,
        server: Server | None = None,
        backlog: int = 100,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        context: Context | None = None,
    ) -> None:
        """Accept connections from now on, on a socket that listens, in a context or else the current one."""
        timeouts = (ssl_handshake_timeout, ssl_shutdown_timeout)
        accept: Any = self._accept_connection
        arguments: tuple[Any, ...] = (
            protocol_factory,
            sock,
            sslcontext,
            server,
            backlog,
            *timeouts,
        )
        watch: Any = self._add_reader
        if context is not None:
            watch = partial(context.run, watch)
            arguments = (*arguments, context)
        self._accepting[sock] = watch(sock.fileno(), accept, *arguments)

    def _stop_serving(self, sock: socket.socket) -> None:
        """Accept no more, and close the socket."""
        accepting = self._accepting.pop(sock, None)
        number = sock.fileno()
        if accepting is not None:
            accepting.cancel()
            # Somebody may have closed the socket under us; its number may be another's by now.
            if number != -1:
                self._remove_reader(number)
        sock.close()

    def _accept_connection(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        sock: socket.socket,
        sslcontext: SSLContext | None = None,
        server: Server | None = None,
        backlog: int = 100,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        context: Context | None = None,
    ) -> None:
        """Accept what is in the queue."""
        timeouts = (ssl_handshake_timeout, ssl_shutdown_timeout)
        contexts = (context,) if _SERVERS_HAVE_CONTEXTS else ()
        arguments = (protocol_factory, sock, sslcontext, server, backlog, *timeouts, *contexts)
        if sslcontext is None and self._admits_natively(sock):
            loop: Any = self
            try:
                if _core.admit(loop, sock, protocol_factory, server, backlog):
                    return
            except OSError as exc:
                self._pause_accepting(exc, arguments)
                return
        accept = _core.accept if type(sock) is socket.socket else _accept_in_its_own_way
        # One more than it holds, so that the last attempt finds it empty.
        for _ in range(backlog + 1):
            try:
                accepted = accept(sock)
            except ConnectionAbortedError:
                continue  # gone before it was accepted; the next one may be there
            except OSError as exc:
                self._pause_accepting(exc, arguments)
                return
            if accepted is None:
                return
            conn, peer = accepted
            if self.get_debug():
                logger.debug("%r got a new connection from %r: %r", server, peer, conn)
            copy_context().run(
                self._connect_accepted, protocol_factory, conn, peer, sslcontext, timeouts, server
            )
            if sock.fileno() == -1:
                return  # closed by what it has just called

    def _admits_natively(self, sock: socket.socket) -> bool:
        """Tell whether connections need no Python on their way from a listening socket to their transports."""
        make: Any = self._make_socket_transport
        is_own = getattr(make, "__func__", None) is TransportFactories._make_socket_transport
        return is_own and type(sock) is socket.socket and not self.get_debug()

    def _pause_accepting(self, exc: OSError, arguments: tuple[Any, ...]) -> None:
        """Stop to accept for a while, if the system has run out of something. Raises what else it is."""
        if exc.errno not in _EXHAUSTED:
            raise exc
        sock = arguments[1]
        self._report_exhaustion(sock, exc)
        if sock.fileno() != -1:  # not closed by the exception handler
            self._remove_reader(sock.fileno())
            again: Any = self._start_serving
            self._accepting[sock] = self.call_later(_ACCEPT_PAUSE, again, *arguments)

    def _report_exhaustion(self, sock: socket.socket, exc: OSError) -> None:
        self.call_exception_handler(
            {
                "message": "socket.accept() out of system resource",
                "exception": exc,
                "socket": asyncio.trsock.TransportSocket(sock),
            }
        )

    def _connect_accepted(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        conn: socket.socket,
        peer: Any,
        sslcontext: SSLContext | None,
        timeouts: tuple[float | None, float | None],
        server: Server | None,
    ) -> None:
        """Make a transport of an accepted socket, which is closed if that fails."""
        protocol = None
        extra = {"peername": peer}
        try:
            protocol = protocol_factory()
            if sslcontext is None:
                self._make_socket_transport(conn, protocol, extra=extra, server=server)
            else:
                transport = self._make_ssl_transport(
                    conn,
                    protocol,
                    sslcontext,
                    server_side=True,
                    extra=extra,
                    server=server,
                    ssl_handshake_timeout=timeouts[0],
                    ssl_shutdown_timeout=timeouts[1],
                )
                if isinstance(transport, SSLTransport):
                    transport._on_failure = _close_after_failure
        except BaseException as exc:
            conn.close()
            if isinstance(exc, SystemExit | KeyboardInterrupt):
                raise
            self._report_lost_connection(exc, protocol)

    def _report_lost_connection(
        self,
        exc: BaseException,
        protocol: asyncio.BaseProtocol | None,
        transport: SSLTransport | None = None,
    ) -> None:
        context: dict[str, Any] = {
            "message": "Error on transport creation for incoming connection",
            "exception": exc,
        }
        if protocol is not None:
            context["protocol"] = protocol
        if transport is not None:
            context["transport"] = transport
        self.call_exception_handler(context)


def _accept_in_its_own_way(sock: socket.socket) -> tuple[socket.socket, Any] | None:
    try:
        conn, peer = sock.accept()
    except (BlockingIOError, InterruptedError):
        return None
    conn.setblocking(False)
    return conn, peer


def _close_after_failure(
    transport: SSLTransport, protocol: asyncio.BaseProtocol, exc: BaseException
) -> None:
    """End a connection whose handshake has failed. That concerns nobody but the peer, as in asyncio."""
    loop: Any = transport._loop
    transport.close()
    if loop.get_debug():
        loop._report_lost_connection(exc, protocol, transport)
