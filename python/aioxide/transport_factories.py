"""How the loop makes transports over connected sockets, under asyncio's names: programs call them, or put in their own.

Private names of asyncio kept, compared in 3.11.7, 3.12.1, 3.13.0 and 3.14.8: `_make_socket_transport` and
`_make_ssl_transport` of the selector loop, with their arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aioxide.stream_transport import StreamTransport
from aioxide.tls import TlsSettings, tls_over_socket
from aioxide.watchers import Watchers

if TYPE_CHECKING:
    import asyncio
    import socket
    from ssl import SSLContext

    from aioxide.servers import Server
    from aioxide.tls import SSLTransport


class TransportFactories(Watchers):
    """Makes transports."""

    def _make_socket_transport(
        self,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        *,
        extra: dict[str, Any] | None = None,
        server: Server | None = None,
    ) -> StreamTransport:
        loop: Any = self
        return StreamTransport(loop, sock, protocol, waiter, extra, server)

    def _make_ssl_transport(
        self,
        rawsock: socket.socket,
        protocol: asyncio.BaseProtocol,
        sslcontext: SSLContext | None,
        waiter: asyncio.Future[None] | None = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: dict[str, Any] | None = None,
        server: Server | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> SSLTransport:
        settings = TlsSettings(
            sslcontext, server_side, server_hostname, ssl_handshake_timeout, ssl_shutdown_timeout
        )
        loop: Any = self
        return tls_over_socket(
            loop, rawsock, protocol, settings, waiter, extra=extra, server=server
        )
