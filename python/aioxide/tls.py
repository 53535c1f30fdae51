"""TLS over a stream transport: `start_tls`, and the transports behind `ssl=`.

The TLS engine is the stdlib's own for now, so that every setting of the user's `ssl.SSLContext` counts as it does in
asyncio. It sees our stream transport as it sees asyncio's: a transport that can pause, resume, write and close.

Private names of asyncio relied upon, compared in 3.11.7, 3.12.1, 3.13.0 and 3.14.8: the class `sslproto.SSLProtocol`,
the arguments of its constructor, and its attributes `_app_transport`, `_app_writing_paused`, `_incoming`, `_transport`;
`streams.StreamReaderProtocol._stream_reader` and `streams.StreamReader._buffer`. What the class asks of the transport
below it: `get_extra_info`, `pause_reading`, `resume_reading`, `write`, `close`, `abort`, `_force_close`, and from 3.14
on `is_closing`; `start_tls` asks for `_start_tls_compatible` and `_protocol_paused`.
"""

from __future__ import annotations

import asyncio
from asyncio import sslproto
from typing import TYPE_CHECKING, Any, NamedTuple

from aioxide.foundation import Foundation
from aioxide.transports import StreamTransport

try:
    import ssl
except ImportError:  # a Python built without OpenSSL
    ssl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import socket
    from ssl import SSLContext

    from aioxide.event_loop import EventLoop
    from aioxide.servers import Server


class TlsSettings(NamedTuple):
    """What one side of a TLS connection is told: asyncio's `ssl*` arguments."""

    context: SSLContext | None
    """None for the default context of a client."""
    server_side: bool = False
    server_hostname: str | None = None
    """The name that the peer's certificate must bear; empty for any."""
    handshake_timeout: float | None = None
    """Seconds; None for asyncio's default."""
    shutdown_timeout: float | None = None
    """Seconds; None for asyncio's default."""


class Tls(Foundation):
    """Upgrades transports to TLS."""

    async def start_tls(
        self,
        transport: asyncio.WriteTransport,
        protocol: asyncio.BaseProtocol,
        sslcontext: SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> asyncio.Transport:
        """Upgrade a connection to TLS.

        Args:
            transport: what the connection ran on until now; it must not be used afterwards.
            protocol: the connection's protocol, which is not told of the change.
            sslcontext: certificates and settings.
            server_side: whether this is the side that presents a certificate first.
            server_hostname: the name that the peer's certificate must bear.
            ssl_handshake_timeout: seconds until the handshake counts as failed; None for 60.
            ssl_shutdown_timeout: seconds until the closing counts as failed; None for 30.

        Returns:
            The transport to use from now on.

        Raises:
            TypeError: there is no TLS on such a transport, or no such context.
            ValueError: a timeout is not positive.
            OSError: the handshake failed; the connection is closed.

        """
        if ssl is None:
            raise RuntimeError("Python ssl module is not available")
        if not isinstance(sslcontext, ssl.SSLContext):
            raise TypeError(
                f"sslcontext is expected to be an instance of ssl.SSLContext, got {sslcontext!r}"
            )
        if not getattr(transport, "_start_tls_compatible", False):
            raise TypeError(f"transport {transport!r} is not supported by start_tls()")
        below: Any = transport
        settings = TlsSettings(
            sslcontext, server_side, server_hostname, ssl_handshake_timeout, ssl_shutdown_timeout
        )
        waiter = self.create_future()
        engine = tls_engine(self, protocol, settings, waiter, call_connection_made=False)
        _hand_over(below, protocol, engine, server_side=server_side)
        # Reading goes on only after the engine knows its transport.
        handles = [
            self.call_soon(engine.connection_made, below),
            self.call_soon(below.resume_reading),
        ]
        try:
            await waiter
            upgraded: asyncio.Transport | None = engine._app_transport
            if upgraded is None:
                raise ConnectionError("Connection lost before the TLS handshake")
        except BaseException:
            below.close()
            for handle in handles:
                handle.cancel()
            raise
        return upgraded


class TlsConnection(NamedTuple):
    """A TLS connection in the making, from top to bottom."""

    transport: asyncio.Transport
    """What the protocol is given."""
    below: StreamTransport
    """What carries the encrypted bytes, and owns the socket."""
    engine: Any
    """What stands between them: the lower transport's protocol."""

    def close(self) -> None:
        """Give up, however far the handshake is."""
        self.transport.close()
        if self.engine._transport is None:
            # Before the handshake has begun, the upper transport does not know the lower one to close it.
            self.below.abort()


def tls_over_socket(
    loop: EventLoop,
    sock: socket.socket,
    protocol: asyncio.BaseProtocol,
    settings: TlsSettings,
    waiter: asyncio.Future[None] | None,
    *,
    extra: dict[str, Any] | None = None,
    server: Server | None = None,
) -> TlsConnection:
    """Start a TLS connection on a connected socket, which belongs to the transport once this returns.

    Args:
        loop: the running loop.
        sock: a connected, non-blocking stream socket.
        protocol: hears of the connection once the handshake is through.
        settings: what this side is told.
        waiter: completed after the handshake.
        extra: what the lower transport knows already, for `get_extra_info`.
        server: the server that accepted the connection.

    Raises:
        ValueError: a timeout is not positive, or there is no context for the server side.

    """
    engine = tls_engine(loop, protocol, settings, waiter, call_connection_made=True)
    transport = engine._app_transport
    try:
        below = StreamTransport(loop, sock, engine, extra=extra, server=server)
    except BaseException:
        # Never open, so there is nothing to warn about when it is collected.
        transport._closed = True
        raise
    return TlsConnection(transport, below, engine)


def tls_engine(
    loop: Foundation,
    protocol: asyncio.BaseProtocol,
    settings: TlsSettings,
    waiter: asyncio.Future[None] | None,
    *,
    call_connection_made: bool,
) -> Any:
    """Return a protocol for the lower transport that encrypts what the upper one writes, and the reverse.

    Args:
        loop: the running loop.
        protocol: the protocol above.
        settings: what this side is told.
        waiter: completed after the handshake.
        call_connection_made: whether `protocol` still has to hear of the connection.

    Raises:
        ValueError: a timeout is not positive, or there is no context for the server side.

    """
    # typeshed lacks the latest arguments of the class for some versions.
    make: Any = sslproto.SSLProtocol
    return make(
        loop,
        protocol,
        settings.context,
        waiter,
        settings.server_side,
        settings.server_hostname,
        call_connection_made=call_connection_made,
        ssl_handshake_timeout=settings.handshake_timeout,
        ssl_shutdown_timeout=settings.shutdown_timeout,
    )


def _hand_over(
    below: Any, protocol: asyncio.BaseProtocol, engine: Any, *, server_side: bool
) -> None:
    """Put the engine between a connection's transport and its protocol, with all that is under way."""
    # Paused before the engine is in place: it must not be given bytes before it is given its transport.
    below.pause_reading()
    if getattr(below, "_protocol_paused", False):
        # The transport will tell the engine to resume, which it takes only after a pause; and the engine will tell
        # the protocol, which takes it only once.
        engine.pause_writing()
        engine._app_writing_paused = True
    below.set_protocol(engine)
    reader = getattr(protocol, "_stream_reader", None)
    if server_side and isinstance(protocol, asyncio.StreamReaderProtocol) and reader is not None:
        # A client may have sent the beginning of its handshake together with the last plain bytes.
        engine._incoming.write(reader._buffer)
        reader._buffer.clear()
