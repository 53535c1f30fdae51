"""Listening sockets: `create_server`, `create_unix_server`, and the `Server` they return.

How connections are accepted is in `aioxide.listeners`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
import sys
from asyncio.log import logger
from collections.abc import Iterable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from aioxide import _core
from aioxide.connections import refuse_timeouts_without_tls
from aioxide.listeners import Listeners
from aioxide.names import ensure_resolved
from aioxide.socket_operations import refuse_ssl_socket
from aioxide.tls import TlsSettings

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket
    from collections.abc import Callable, Sequence
    from ssl import SSLContext
    from typing import Self

    from aioxide.connections import PathLike
    from aioxide.event_loop import EventLoop
    from aioxide.names import AddressInfo

# Programs written for an older Python remove the file themselves, and would fail if it were gone.
_CLEANUP_SOCKET = sys.version_info >= (3, 13)
# Before, connections had the context of whoever had the server start to serve.
_CONTEXT_IS_THE_MAKERS = sys.version_info >= (3, 15)


class Server(_core.Clients, asyncio.AbstractServer):
    """A server that the loop accepts connections for. Made by `create_server` and `create_unix_server`."""

    def __init__(
        self,
        loop: EventLoop,
        sockets: Sequence[socket.socket],
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        tls: TlsSettings | None,
        backlog: int,
    ) -> None:
        self._loop = loop
        # None once the server is closed.
        self._sockets: Sequence[socket.socket] | None = sockets
        self._protocol_factory = protocol_factory
        self._tls = tls
        self._backlog = backlog
        # What connections have copies of.
        self._context = copy_context() if _CONTEXT_IS_THE_MAKERS else None
        # Who waits in `wait_closed`; None once there is nothing more to wait for.
        self._waiters: list[asyncio.Future[None]] | None = []
        self._serving = False
        self._serving_forever: asyncio.Future[None] | None = None
        # The files that bind made, with their inodes, to be removed when the server closes.
        self._files: list[tuple[str | bytes, int]] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} sockets={self.sockets!r}>"

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop that accepts the connections."""
        return self._loop

    def is_serving(self) -> bool:
        """Tell whether connections are accepted."""
        return self._serving

    @property
    def sockets(self) -> tuple[TransportSocket, ...]:
        """The listening sockets; none once the server is closed."""
        return tuple(asyncio.trsock.TransportSocket(sock) for sock in self._sockets or ())

    async def start_serving(self) -> None:
        """Start to accept connections; does nothing if they are accepted already.

        Raises:
            RuntimeError: the server is closed.
            OSError: a socket cannot listen.

        """
        self._start_serving()
        # The first connections may be accepted before the caller goes on, as in asyncio.
        await asyncio.sleep(0)

    async def serve_forever(self) -> None:
        """Accept connections until this is cancelled, or the server is closed; then close its connections too.

        Raises:
            RuntimeError: the server is closed, or somebody waits here already.
            asyncio.CancelledError: always, in the end.

        """
        if self._serving_forever is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        self._start_serving()
        self._serving_forever = self._loop.create_future()
        try:
            await self._serving_forever
        except asyncio.CancelledError:
            self.close()
            self.close_clients()
            await self.wait_closed()
            raise
        finally:
            self._serving_forever = None

    def close(self) -> None:
        """Accept no more connections, and close the listening sockets. Connections stay; see `close_clients`."""
        sockets, self._sockets = self._sockets, None
        if sockets is None:
            return
        self._serving = False
        for sock in sockets:
            self._loop._stop_serving(sock)
        for path, inode in self._files:
            _remove_own_file(path, inode)
        if self._serving_forever is not None:
            self._serving_forever.cancel()
            self._serving_forever = None
        self._wake_if_over()

    def close_clients(self) -> None:
        """Close every connection, each after the data already written to it."""
        for transport in self._living_clients():
            transport.close()

    def abort_clients(self) -> None:
        """Close every connection at once; data not yet sent is lost."""
        for transport in self._living_clients():
            transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the server is closed and its last connection is gone."""
        if self._waiters is None:
            return
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()
        await self.wait_closed()

    def _start_serving(self) -> None:
        if self._sockets is None:
            raise RuntimeError(f"server {self!r} is closed")
        if self._serving:
            return
        self._serving = True
        tls = self._tls or TlsSettings(None)
        timeouts = (tls.handshake_timeout, tls.shutdown_timeout)
        serve: Any = self._loop._start_serving
        if self._context is not None:
            serve = partial(serve, context=self._context)
        for sock in self._sockets:
            sock.listen(self._backlog)
            serve(self._protocol_factory, sock, tls.context, self, self._backlog, *timeouts)

    def _remove_file_when_closed(self, sock: socket.socket) -> None:
        """Remember the file of a Unix socket. An abstract name has none."""
        path = sock.getsockname()
        if _is_abstract(path):
            return
        with suppress(FileNotFoundError):
            self._files.append((path, os.stat(path).st_ino))

    def _note_last_gone(self) -> None:
        """Called when there is no connection any more."""
        if self._sockets is None:
            self._wake_if_over()

    def _wake_if_over(self) -> None:
        if self._waiters is None or self._has_clients:
            return
        waiters, self._waiters = self._waiters, None
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class Servers(Listeners):
    """Makes servers."""

    async def create_server(  # type: ignore[override,unused-ignore]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | Iterable[str | None] | None = None,
        port: int | str | None = None,
        *,
        family: int = socket.AF_UNSPEC,
        flags: int = socket.AI_PASSIVE,
        sock: socket.socket | None = None,
        backlog: int = 100,
        ssl: SSLContext | None = None,
        reuse_address: bool | None = None,
        reuse_port: bool | None = None,
        keep_alive: bool | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        start_serving: bool = True,
    ) -> Server:
        """Listen for TCP connections.

        Args:
            protocol_factory: makes the protocol of each connection.
            host: a name or address to listen on, several of them, or None for every interface.
            port: the port; 0 for any that is free, a different one on each address.
            family: an address family, or 0 for any.
            flags: `AI_*` flags for the look-up.
            sock: a bound socket, in place of host and port; it belongs to the server from now on.
            backlog: how many connections may wait to be accepted.
            ssl: a context for TLS, None for plain connections.
            reuse_address: whether to take a port over from connections that still close; None for yes.
            reuse_port: whether other servers may listen on the same port too.
            keep_alive: whether the system probes silent connections.
            ssl_handshake_timeout: seconds until a handshake counts as failed; None for 60.
            ssl_shutdown_timeout: seconds until a closing counts as failed; None for 30.
            start_serving: whether to accept connections at once, or wait for `start_serving()`.

        Raises:
            OSError: no address could be bound.
            ValueError: arguments that exclude each other.
            TypeError: `ssl` is a bool, or `sock` an `ssl.SSLSocket`.

        """
        tls = _server_tls(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
        if sock is not None:
            refuse_ssl_socket(sock)
        if host is not None or port is not None:
            if sock is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            infos = await self._resolve_hosts(host, port, family, flags)
            options = []
            if reuse_address or reuse_address is None:
                options.append(socket.SO_REUSEADDR)
            if keep_alive:
                options.append(socket.SO_KEEPALIVE)
            sockets = self._bound_sockets(infos, options, reuse_port=bool(reuse_port))
        elif sock is None:
            raise ValueError("Neither host/port nor sock were specified")
        elif sock.type != socket.SOCK_STREAM:
            raise ValueError(f"A Stream Socket was expected, got {sock!r}")
        else:
            sockets = [sock]
        server = Server(cast("EventLoop", self), sockets, protocol_factory, tls, backlog)
        await self._put_into_service(server, start_serving=start_serving, own=sock is None)
        if self.get_debug():
            logger.info("%r is serving", server)
        return server

    async def create_unix_server(  # type: ignore[override,unused-ignore]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        path: PathLike | None = None,
        *,
        sock: socket.socket | None = None,
        backlog: int = 100,
        ssl: SSLContext | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        start_serving: bool = True,
        cleanup_socket: bool = _CLEANUP_SOCKET,
    ) -> Server:
        """Listen for connections on a Unix socket.

        Args:
            protocol_factory: makes the protocol of each connection.
            path: where to make the socket, replacing one that is there already; a name that begins with a NUL is in
                the abstract name space.
            sock: a bound socket, in place of the path; it belongs to the server from now on.
            backlog: how many connections may wait to be accepted.
            ssl: a context for TLS, None for plain connections.
            ssl_handshake_timeout: seconds until a handshake counts as failed; None for 60.
            ssl_shutdown_timeout: seconds until a closing counts as failed; None for 30.
            start_serving: whether to accept connections at once, or wait for `start_serving()`.
            cleanup_socket: whether closing the server removes the file, unless another took its place meanwhile; the
                default is asyncio's, which is no before Python 3.13, where programs remove it themselves.

        Raises:
            OSError: the path cannot be bound.
            ValueError: arguments that exclude each other.
            TypeError: `ssl` is a bool.

        """
        tls = _server_tls(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
        own = path is not None
        if path is not None:
            if sock is not None:
                raise ValueError("path and sock can not be specified at the same time")
            sock = _bound_unix_socket(os.fspath(path))
        elif sock is None:
            raise ValueError("path was not specified, and no sock specified")
        elif sock.family != socket.AF_UNIX or sock.type != socket.SOCK_STREAM:
            raise ValueError(f"A UNIX Domain Stream Socket was expected, got {sock!r}")
        server = Server(cast("EventLoop", self), [sock], protocol_factory, tls, backlog)
        if cleanup_socket:
            server._remove_file_when_closed(sock)
        await self._put_into_service(server, start_serving=start_serving, own=own)
        return server

    async def _put_into_service(self, server: Server, *, start_serving: bool, own: bool) -> None:
        """Make a new server ready. One that cannot be closes its sockets, unless they came from the caller."""
        try:
            for sock in server._sockets or ():
                sock.setblocking(False)
            if start_serving:
                await server.start_serving()
        except BaseException:
            if own:
                server.close()
            raise

    async def _resolve_hosts(
        self,
        host: str | Iterable[str | None] | None,
        port: int | str | None,
        family: int,
        flags: int,
    ) -> list[AddressInfo]:
        """Return each address of the hosts once, in order."""
        hosts: list[Any]
        if host == "":
            hosts = [None]
        elif isinstance(host, str | bytes) or not isinstance(host, Iterable):
            hosts = [host]
        else:
            hosts = list(host)
        answers = await asyncio.gather(
            *(ensure_resolved(self, (name, port), family=family, flags=flags) for name in hosts)
        )
        for name, infos in zip(hosts, answers, strict=True):
            if not infos:
                raise OSError(f"getaddrinfo({name!r}) returned empty list")
        return list(dict.fromkeys(info for infos in answers for info in infos))

    def _bound_sockets(
        self, infos: Sequence[AddressInfo], options: Iterable[int], *, reuse_port: bool
    ) -> list[socket.socket]:
        """Return a socket bound to each address that this machine has, with these options of SOL_SOCKET."""
        sockets: list[socket.socket] = []
        try:
            for family, kind, proto, _, address in infos:
                try:
                    sock = socket.socket(family, kind, proto)
                except OSError:
                    # The machine lacks the family.
                    if self.get_debug():
                        logger.warning(
                            "create_server() failed to create socket.socket(%r, %r, %r)",
                            family,
                            kind,
                            proto,
                            exc_info=True,
                        )
                    continue
                sockets.append(sock)
                _set_options(sock, options, reuse_port=reuse_port)
                if not self._bind(sock, address):
                    sockets.pop().close()
            if not sockets:
                addresses = [info[4] for info in infos]
                raise OSError(f"could not bind on any address out of {addresses!r}")
        except BaseException:
            for sock in sockets:
                sock.close()
            raise
        return sockets

    def _bind(self, sock: socket.socket, address: Any) -> bool:
        """Bind a socket, and tell whether the machine has the address at all."""
        try:
            sock.bind(address)
        except OSError as exc:
            message = f"error while attempting to bind on address {address!r}: {str(exc).lower()}"
            if exc.errno != errno.EADDRNOTAVAIL:
                raise OSError(exc.errno, message) from None
            # An address of a family that is switched off, such as ::1 on a machine without IPv6.
            if self.get_debug():
                logger.warning(message)
            return False
        return True


def _server_tls(
    ssl: SSLContext | bool | None, handshake_timeout: float | None, shutdown_timeout: float | None
) -> TlsSettings | None:
    if isinstance(ssl, bool):
        raise TypeError("ssl argument must be an SSLContext or None")
    refuse_timeouts_without_tls(ssl, handshake_timeout, shutdown_timeout)
    if not ssl:
        return None
    return TlsSettings(
        ssl,
        server_side=True,
        handshake_timeout=handshake_timeout,
        shutdown_timeout=shutdown_timeout,
    )


def _set_options(sock: socket.socket, options: Iterable[int], *, reuse_port: bool) -> None:
    for option in options:
        sock.setsockopt(socket.SOL_SOCKET, option, 1)
    if reuse_port and sock.family in {socket.AF_INET, socket.AF_INET6}:
        if not hasattr(socket, "SO_REUSEPORT"):
            raise ValueError("reuse_port not supported by socket module")
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        except OSError:
            raise ValueError(
                "reuse_port not supported by socket module, "
                "SO_REUSEPORT defined but not implemented."
            ) from None
    if sock.family == socket.AF_INET6:
        # IPv4 has a socket of its own; one for both would take its port away.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


def _bound_unix_socket(path: str | bytes) -> socket.socket:
    """Return a Unix socket bound to the path, which takes the place of a socket that was left there."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if not _is_abstract(path):
            _remove_stale_socket(path)
        sock.bind(path)
    except OSError as exc:
        sock.close()
        if exc.errno == errno.EADDRINUSE:
            raise OSError(errno.EADDRINUSE, f"Address {path!r} is already in use") from None
        raise
    except BaseException:
        sock.close()
        raise
    return sock


def _is_abstract(path: str | bytes) -> bool:
    """Tell whether the name of a Unix socket is no path: a socket bound to "" is given an abstract name, too."""
    return not path or path[0] in {0, "\0"}


def _remove_stale_socket(path: str | bytes) -> None:
    try:
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.remove(path)
    except FileNotFoundError:
        pass
    except OSError as exc:
        # A directory may allow to make a socket and nothing else; then bind decides.
        logger.error("Unable to check or remove stale UNIX socket %r: %r", path, exc)


def _remove_own_file(path: str | bytes, inode: int) -> None:
    """Remove the file of a Unix socket, unless it is another's by now."""
    try:
        if os.stat(path).st_ino == inode:
            os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as exc:
        logger.error("Unable to clean up listening UNIX socket %r: %r", path, exc)
