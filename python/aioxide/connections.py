"""Connections that this side makes, and accepted sockets that it is handed.

A socket has one owner at each moment: the attempt that made it until it is connected, then the transport, which
closes it. Who fails or is cancelled closes what it owns, so no socket is closed twice and none is left open.
"""

from __future__ import annotations

import functools
import itertools
import os
import socket
from asyncio.log import logger
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, TypeVar

from aioxide.happy_eyeballs import race
from aioxide.names import ensure_resolved
from aioxide.socket_operations import refuse_ssl_socket
from aioxide.tls import TlsSettings
from aioxide.transport_factories import TransportFactories

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from ssl import SSLContext

    from aioxide.names import AddressInfo

    PathLike = str | bytes | os.PathLike[str] | os.PathLike[bytes]

ProtocolT = TypeVar("ProtocolT", bound="asyncio.BaseProtocol")


class Connections(TransportFactories):
    """Makes client transports."""

    async def create_connection(  # type: ignore[override,unused-ignore]
        self,
        protocol_factory: Callable[[], ProtocolT],
        host: str | None = None,
        port: int | str | None = None,
        *,
        ssl: bool | SSLContext | None = None,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        sock: socket.socket | None = None,
        local_addr: tuple[str, int] | None = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        happy_eyeballs_delay: float | None = None,
        interleave: int | None = None,
        all_errors: bool = False,
    ) -> tuple[asyncio.Transport, ProtocolT]:
        """Connect to a TCP server.

        Args:
            protocol_factory: makes the protocol, once there is a connection.
            host: the server's name or address.
            port: its port.
            ssl: a context for TLS, True for the default one, None for a plain connection.
            family: an address family, or 0 for any.
            proto: a protocol number, or 0 for any.
            flags: `AI_*` flags for the look-up.
            sock: a connected socket, in place of host and port; it belongs to the transport from now on.
            local_addr: the host and port to connect from.
            server_hostname: the name that the certificate must bear, by default `host`.
            ssl_handshake_timeout: seconds until the handshake counts as failed; None for 60.
            ssl_shutdown_timeout: seconds until the closing counts as failed; None for 30.
            happy_eyeballs_delay: seconds an address is tried alone, before the next is tried beside it; None to try
                one address after the other.
            interleave: how many addresses of the first family to try before families take turns.
            all_errors: whether to raise every error as an ExceptionGroup.

        Returns:
            The transport and the protocol.

        Raises:
            OSError: no address could be connected, or the handshake failed.
            ExceptionGroup: no address could be connected, with `all_errors`.
            ValueError: arguments that exclude each other.
            TypeError: `sock` is an `ssl.SSLSocket`.

        """
        server_hostname = _checked_hostname(ssl, server_hostname, host)
        refuse_timeouts_without_tls(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
        if sock is not None:
            refuse_ssl_socket(sock)
        if host is not None or port is not None:
            if sock is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            look_up = functools.partial(
                ensure_resolved, self, family=family, proto=proto, flags=flags
            )
            infos = _not_empty(await look_up((host, port)))
            local_infos = None if local_addr is None else _not_empty(await look_up(local_addr))
            if happy_eyeballs_delay is not None and interleave is None:
                interleave = 1
            if interleave:
                infos = _interleaved(infos, interleave)
            sock = await self._connected_socket(
                infos, local_infos, happy_eyeballs_delay, all_errors=all_errors
            )
        elif sock is None:
            raise ValueError("host and port was not specified and no sock specified")
        elif sock.type != socket.SOCK_STREAM:
            raise ValueError(f"A Stream Socket was expected, got {sock!r}")
        settings = _tls_settings(
            ssl, ssl_handshake_timeout, ssl_shutdown_timeout, server_hostname=server_hostname
        )
        transport, protocol = await self._connect_transport(sock, protocol_factory, settings)
        if self.get_debug():
            logger.debug(
                "%r connected to %s:%r: (%r, %r)",
                transport.get_extra_info("socket"),
                host,
                port,
                transport,
                protocol,
            )
        return transport, protocol

    async def create_unix_connection(
        self,
        protocol_factory: Callable[[], ProtocolT],
        path: PathLike | None = None,
        *,
        ssl: bool | SSLContext | None = None,
        sock: socket.socket | None = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> tuple[asyncio.Transport, ProtocolT]:
        """Connect to a server on a Unix socket.

        Args:
            protocol_factory: makes the protocol, once there is a connection.
            path: the socket's path, or a name that begins with a NUL in the abstract name space.
            ssl: a context for TLS, True for the default one, None for a plain connection.
            sock: a connected socket, in place of the path; it belongs to the transport from now on.
            server_hostname: the name that the certificate must bear; required for TLS.
            ssl_handshake_timeout: seconds until the handshake counts as failed; None for 60.
            ssl_shutdown_timeout: seconds until the closing counts as failed; None for 30.

        Returns:
            The transport and the protocol.

        Raises:
            OSError: no connection could be made, or the handshake failed.
            ValueError: arguments that exclude each other.

        """
        if ssl and server_hostname is None:
            raise ValueError("you have to pass server_hostname when using ssl")
        if not ssl and server_hostname is not None:
            raise ValueError("server_hostname is only meaningful with ssl")
        refuse_timeouts_without_tls(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
        if path is not None:
            if sock is not None:
                raise ValueError("path and sock can not be specified at the same time")
            path = os.fspath(path)
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                await self.sock_connect(sock, path)
            except BaseException:
                sock.close()
                raise
        elif sock is None:
            raise ValueError("no path and sock were specified")
        elif sock.family != socket.AF_UNIX or sock.type != socket.SOCK_STREAM:
            raise ValueError(f"A UNIX Domain Stream Socket was expected, got {sock!r}")
        settings = _tls_settings(
            ssl, ssl_handshake_timeout, ssl_shutdown_timeout, server_hostname=server_hostname
        )
        return await self._connect_transport(sock, protocol_factory, settings)

    async def connect_accepted_socket(
        self,
        protocol_factory: Callable[[], ProtocolT],
        sock: socket.socket,
        *,
        ssl: bool | SSLContext | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> tuple[asyncio.Transport, ProtocolT]:
        """Take over a connection that was accepted elsewhere.

        Args:
            protocol_factory: makes the protocol.
            sock: what `socket.accept` returned; it belongs to the transport from now on.
            ssl: a context for TLS, None for a plain connection.
            ssl_handshake_timeout: seconds until the handshake counts as failed; None for 60.
            ssl_shutdown_timeout: seconds until the closing counts as failed; None for 30.

        Returns:
            The transport and the protocol.

        Raises:
            OSError: the handshake failed.
            ValueError: not a stream socket, or arguments that exclude each other.
            TypeError: `sock` is an `ssl.SSLSocket`.

        """
        if sock.type != socket.SOCK_STREAM:
            raise ValueError(f"A Stream Socket was expected, got {sock!r}")
        refuse_timeouts_without_tls(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
        refuse_ssl_socket(sock)
        settings = _tls_settings(
            ssl, ssl_handshake_timeout, ssl_shutdown_timeout, server_hostname="", server_side=True
        )
        transport, protocol = await self._connect_transport(sock, protocol_factory, settings)
        if self.get_debug():
            logger.debug(
                "%r handled: (%r, %r)", transport.get_extra_info("socket"), transport, protocol
            )
        return transport, protocol

    async def _connect_transport(
        self,
        sock: socket.socket,
        protocol_factory: Callable[[], ProtocolT],
        tls: TlsSettings | None,
    ) -> tuple[asyncio.Transport, ProtocolT]:
        """Make a transport of a connected socket, which is closed if that fails."""
        transport: asyncio.Transport
        try:
            sock.setblocking(False)
            protocol = protocol_factory()
            self._ensure_fd_no_transport(sock)
            waiter = self.create_future()
            if tls is None:
                transport = self._make_socket_transport(sock, protocol, waiter)
            else:
                transport = self._make_ssl_transport(
                    sock,
                    protocol,
                    tls.context,
                    waiter,
                    server_side=tls.server_side,
                    server_hostname=tls.server_hostname,
                    ssl_handshake_timeout=tls.handshake_timeout,
                    ssl_shutdown_timeout=tls.shutdown_timeout,
                )
        except BaseException:
            if not self._has_transport(sock):
                sock.close()
            raise
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        return transport, protocol

    def _has_transport(self, sock: socket.socket) -> bool:
        """Tell whether a transport owns the socket: then it is not ours to close."""
        return self._transport_of(sock.fileno()) is not None

    async def _connected_socket(
        self,
        infos: Sequence[AddressInfo],
        local_infos: Sequence[AddressInfo] | None,
        delay: float | None,
        *,
        all_errors: bool,
    ) -> socket.socket:
        """Return a socket that is connected to one of the addresses, or raise what went wrong with them."""
        # One list for each attempt, since attempts that run side by side do not fail in order.
        failures: list[list[OSError]] = []
        try:
            if delay is None:
                for info in infos:
                    with suppress(OSError):
                        return await self._attempt(info, local_infos, failures)
            else:
                # Kept in no variable of this frame either, as they hold the failures.
                sock = await race(
                    self,
                    [
                        functools.partial(self._attempt, info, local_infos, failures)
                        for info in infos
                    ],
                    delay,
                    dispose=socket.socket.close,
                )
                if sock is not None:
                    return sock
            _raise_failures(list(itertools.chain.from_iterable(failures)), all_errors=all_errors)
        finally:
            # The exceptions refer to this frame, which must not refer to them.
            del failures

    async def _attempt(
        self,
        info: AddressInfo,
        local_infos: Sequence[AddressInfo] | None,
        failures: list[list[OSError]],
    ) -> socket.socket:
        """Return a socket that is connected to one address. What fails is also noted in `failures`."""
        noted: list[OSError] = []
        failures.append(noted)
        family, kind, proto, _, address = info
        sock = None
        try:
            sock = socket.socket(family=family, type=kind, proto=proto)
            sock.setblocking(False)
            if local_infos is not None:
                _bind(sock, local_infos, noted)
            await self.sock_connect(sock, address)
        except BaseException as exc:
            if isinstance(exc, OSError):
                noted.append(exc)
            if sock is not None:
                # Whatever closing says is less to the point.
                with suppress(OSError):
                    sock.close()
            raise
        else:
            return sock
        finally:
            del noted, failures


def refuse_timeouts_without_tls(
    ssl: object, handshake_timeout: float | None, shutdown_timeout: float | None
) -> None:
    """Raise ValueError for a TLS timeout on a connection that has no TLS."""
    if ssl:
        return
    if handshake_timeout is not None:
        raise ValueError("ssl_handshake_timeout is only meaningful with ssl")
    if shutdown_timeout is not None:
        raise ValueError("ssl_shutdown_timeout is only meaningful with ssl")


def _checked_hostname(ssl: object, server_hostname: str | None, host: str | None) -> str | None:
    """Return the name that the certificate must bear, which an empty one switches off."""
    if server_hostname is not None and not ssl:
        raise ValueError("server_hostname is only meaningful with ssl")
    if server_hostname is None and ssl:
        if not host:
            raise ValueError("You must set server_hostname when using ssl without a host")
        return host
    return server_hostname


def _tls_settings(
    ssl: bool | SSLContext | None,
    handshake_timeout: float | None,
    shutdown_timeout: float | None,
    *,
    server_hostname: str | None,
    server_side: bool = False,
) -> TlsSettings | None:
    if not ssl:
        return None
    context = None if isinstance(ssl, bool) else ssl
    return TlsSettings(context, server_side, server_hostname, handshake_timeout, shutdown_timeout)


def _not_empty(infos: list[AddressInfo]) -> list[AddressInfo]:
    if not infos:
        raise OSError("getaddrinfo() returned empty list")
    return infos


def _interleaved(infos: Sequence[AddressInfo], first_count: int) -> list[AddressInfo]:
    """Let the address families take turns, after `first_count` addresses of the first family: RFC 8305, section 4."""
    by_family: dict[int, list[AddressInfo]] = {}
    for info in infos:
        by_family.setdefault(info[0], []).append(info)
    first, *others = by_family.values()
    alone = max(first_count - 1, 0)
    ahead, first = first[:alone], first[alone:]
    turns = itertools.zip_longest(first, *others)
    return ahead + [info for turn in turns for info in turn if info is not None]


def _bind(sock: socket.socket, local_infos: Sequence[AddressInfo], noted: list[OSError]) -> None:
    """Bind to the first local address of the socket's family that is free; note why the others were not."""
    last: OSError | None = None
    try:
        for family, _, _, _, address in local_infos:
            if family != sock.family:
                continue
            try:
                sock.bind(address)
            except OSError as exc:
                if last is not None:
                    noted.append(last)
                last = OSError(
                    exc.errno,
                    f"error while attempting to bind on address {address!r}: {str(exc).lower()}",
                )
            else:
                if last is not None:
                    noted.append(last)
                return
        if last is None:
            family = sock.family
            raise OSError(f"no matching local address with {family=} found")
        raise last
    finally:
        del last


def _raise_failures(failures: list[OSError], *, all_errors: bool) -> NoReturn:
    """Raise what all attempts together failed of."""
    try:
        if not failures:
            raise TimeoutError("create_connection failed")
        if all_errors:
            raise ExceptionGroup("create_connection failed", failures)
        texts = [str(failure) for failure in failures]
        if len(set(texts)) == 1:
            raise failures[0]
        raise OSError(f"Multiple exceptions: {', '.join(texts)}")
    finally:
        del failures
