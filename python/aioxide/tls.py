"""TLS over a stream transport: `start_tls`, and the transports behind `ssl=`.

A TLS transport is two objects, as a stream transport is. What runs per packet is in the native half (`_core.Tls`),
which is also the protocol of the transport below; encryption is that of the user's `ssl.SSLContext`. What runs once
per connection is here: the beginning and the end of the handshake, timeouts, errors, information.

Private names relied upon, compared in 3.11.7, 3.12.1, 3.13.0 and 3.14.8: `ssl.SSLObject._sslobj`, and
`streams.StreamReaderProtocol._stream_reader` with `streams.StreamReader._buffer`. Of the transport below,
`_start_tls_compatible`, `_protocol_paused` and `_force_close`, which every transport of asyncio has.
"""

from __future__ import annotations

import asyncio
import warnings

# asyncio keeps this enum private; `loop.sendfile` of every supported version reads it.
from asyncio.constants import _SendfileMode
from asyncio.log import logger
from typing import TYPE_CHECKING, Any, NamedTuple

from aioxide import _core
from aioxide.foundation import Foundation
from aioxide.stream_transport import StreamTransport

try:
    import ssl
except ImportError:  # a Python built without OpenSSL
    ssl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from ssl import SSLContext

    from aioxide.event_loop import EventLoop
    from aioxide.servers import Server

    FailureCallback = Callable[["SSLTransport", asyncio.BaseProtocol, BaseException], None]

# Seconds, as in asyncio.
_HANDSHAKE_TIMEOUT = 60.0
_SHUTDOWN_TIMEOUT = 30.0


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

    def timeouts(self) -> tuple[float, float]:
        """Return the two timeouts in seconds. Raises ValueError if one is not positive."""
        handshake, shutdown = self.handshake_timeout, self.shutdown_timeout
        if handshake is None:
            handshake = _HANDSHAKE_TIMEOUT
        elif handshake <= 0:
            raise ValueError(f"ssl_handshake_timeout should be a positive number, got {handshake}")
        if shutdown is None:
            shutdown = _SHUTDOWN_TIMEOUT
        elif shutdown <= 0:
            raise ValueError(f"ssl_shutdown_timeout should be a positive number, got {shutdown}")
        return handshake, shutdown

    def effective_context(self) -> SSLContext:
        """Return the context to use. Raises ValueError if a server has none."""
        if self.context:
            return self.context
        if self.server_side:
            raise ValueError("Server side SSL needs a valid SSLContext")
        context = ssl.create_default_context()
        if not self.server_hostname:
            context.check_hostname = False
        return context


class Tls(Foundation):
    """Upgrades transports to TLS."""

    strict_tls = False
    """Whether a TLS connection whose peer ends the stream without saying goodbye (close_notify) is lost with
    `ssl.SSLEOFError`. Somebody on the way may then have cut off what the peer sent. asyncio says nothing of it; without
    this, `get_extra_info("tls_truncated")` tells."""

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
        if transport.is_closing():
            # It reads no more, so that no handshake could ever end.
            raise ConnectionError("Connection lost before the TLS handshake")
        below: Any = transport
        settings = TlsSettings(
            sslcontext, server_side, server_hostname, ssl_handshake_timeout, ssl_shutdown_timeout
        )
        waiter = self.create_future()
        upgraded = SSLTransport(self, protocol, settings, waiter, tells_made=False)
        upgraded._take_over(below, protocol, server_side=server_side)
        # Reading goes on only after TLS knows its transport.
        handles = [
            self.call_soon(upgraded._tls.connection_made, below),
            self.call_soon(below.resume_reading),
        ]
        try:
            await waiter
        except BaseException:
            for handle in handles:
                handle.cancel()
            upgraded.abort()
            below.close()
            raise
        return upgraded


class SSLTransport(asyncio.Transport):
    """A TLS connection over another transport. Made by `ssl=` and `start_tls`, never by users."""

    _start_tls_compatible = True
    _sendfile_compatible = _SendfileMode.FALLBACK

    # Of the class, too: an object whose making failed is asked for it as it goes.
    _is_open = False

    # These few change late or never, so that they are of the class until then.
    _handshake_timeout = _HANDSHAKE_TIMEOUT
    _shutdown_timeout = _SHUTDOWN_TIMEOUT
    _below: Any = None
    _timer: asyncio.TimerHandle | None = None
    _handshake_begin = 0.0
    # Whether the protocol has heard of the connection.
    _has_told_made = False

    write: Any = _core.NativeMethod("_tls")
    writelines: Any = _core.NativeMethod("_tls")
    close: Any = _core.NativeMethod("_tls")
    is_closing: Any = _core.NativeMethod("_tls")
    pause_reading: Any = _core.NativeMethod("_tls")
    resume_reading: Any = _core.NativeMethod("_tls")

    def __init__(
        self,
        loop: Foundation,
        protocol: asyncio.BaseProtocol,
        settings: TlsSettings,
        waiter: asyncio.Future[None] | None = None,
        on_failure: FailureCallback | None = None,
        *,
        tells_made: bool,
    ) -> None:
        if settings.handshake_timeout is not None or settings.shutdown_timeout is not None:
            self._handshake_timeout, self._shutdown_timeout = settings.timeouts()
        context = settings.context or settings.effective_context()
        is_server = settings.server_side
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        hostname = None if is_server else settings.server_hostname or None
        ssl_object = context.wrap_bio(incoming, outgoing, is_server, hostname)
        self._extra: dict[str, Any] = {"sslcontext": context}
        self._loop = loop
        self._waiter = waiter
        self._on_failure = on_failure
        if not tells_made:
            self._has_told_made = True
        strict: bool = loop.strict_tls  # type: ignore[attr-defined]
        self._tls = _core.Tls(
            loop,
            protocol,
            self,
            ssl_object,
            incoming,
            outgoing,
            is_server=is_server,
            is_strict=strict,
        )
        self._is_open = True

    def __repr__(self) -> str:
        state = "closed" if not self._is_open else "closing" if self.is_closing() else "open"
        return f"<{type(self).__name__} {state} over {self._below!r}>"

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if self._is_open and not self._tls.is_closing():
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Information about the TLS session, or else about the transport below.

        `ssl_object`, `peercert`, `cipher` and `compression` are there after the handshake, `sslcontext` always.
        `tls_truncated` tells whether the peer's stream ended without its goodbye (close_notify).
        """
        extra = self._extra
        if name in extra:
            return extra[name]
        if name == "tls_truncated":
            return self._tls.is_truncated
        if name in {"cipher", "compression"} and "ssl_object" in extra:
            # Few ask for these.
            extra[name] = getattr(extra["ssl_object"], name)()
            return extra[name]
        if self._below is None:
            return default
        return self._below.get_extra_info(name, default)

    # Reading.

    def is_reading(self) -> bool:
        """Whether incoming data is delivered."""
        return self._tls.is_reading()

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol that receives the data."""
        return self._tls.get_protocol()  # type: ignore[return-value]

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hands the connection to another protocol."""
        self._tls.set_protocol(protocol)

    def get_read_buffer_size(self) -> int:
        """How many encrypted bytes wait for the protocol to go on reading."""
        return self._tls.get_read_buffer_size()

    def get_read_buffer_limits(self) -> tuple[int, int]:
        """The low- and the high-water mark for reading, in bytes."""
        return self._tls.get_read_buffer_limits()

    def set_read_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Sets the water marks for reading, in bytes. Raises `ValueError` unless high >= low >= 0."""
        self._tls.set_read_buffer_limits(high, low)

    # Writing.

    def can_write_eof(self) -> bool:
        """False: TLS as asyncio speaks it is closed in both directions at once."""
        return False

    def write_eof(self) -> None:
        """Raises `NotImplementedError`."""
        raise NotImplementedError

    def get_write_buffer_size(self) -> int:
        """How many bytes wait to be encrypted."""
        return self._tls.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The low- and the high-water mark, in bytes."""
        return self._tls.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Sets the water marks, in bytes. Raises `ValueError` unless high >= low >= 0."""
        self._tls.set_write_buffer_limits(high, low)

    def abort(self) -> None:
        """Closes the connection at once; what the kernel has not taken is dropped."""
        self._tls.stop()
        if self._below is not None:
            self._below.abort()

    # What asyncio's own transport has besides, and others look at.

    @property
    def _protocol_paused(self) -> bool:
        return self._tls.is_writing_paused

    @property
    def _ssl_protocol(self) -> _core.Tls:
        return self._tls

    def _force_close(self, exc: BaseException | None) -> None:
        self._tls._force_close(exc)

    def _test__append_write_backlog(self, data: bytes) -> None:
        self._tls.queue_only(data)

    # How it begins. Called by the native half, where nothing else is said.

    def _take_over(self, below: Any, protocol: asyncio.BaseProtocol, *, server_side: bool) -> None:
        """Put TLS between a connection's transport and its protocol, with all that is under way."""
        # Paused before TLS is in place: it must not be given bytes before it is given its transport.
        below.pause_reading()
        if getattr(below, "_protocol_paused", False):
            # The transport will tell TLS to resume, and TLS the protocol, which takes it only after a pause.
            self._tls.pause_writing()
            self._tls.note_writing_paused()
        self._below = below
        self._tls.attach(below)
        below.set_protocol(self._tls)
        reader = getattr(protocol, "_stream_reader", None)
        if (
            server_side
            and isinstance(protocol, asyncio.StreamReaderProtocol)
            and reader is not None
        ):
            # A client may have sent the beginning of its handshake together with the last plain bytes.
            self._tls.data_received(bytes(reader._buffer))
            reader._buffer.clear()

    def _begin_handshake(self) -> None:
        loop = self._loop
        if loop.get_debug():
            logger.debug("%r starts SSL handshake", self)
            self._handshake_begin = loop.time()
        self._timer = loop.call_later(self._handshake_timeout, self._time_out_handshake)

    def _time_out_handshake(self) -> None:
        if self._tls.is_shaking_hands:
            self._fatal_error(
                ConnectionAbortedError(
                    f"SSL handshake is taking longer than {self._handshake_timeout} seconds: "
                    "aborting the connection"
                )
            )

    def _finish_handshake(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        try:
            peercert = self._tls.peer_certificate()
        except Exception as exc:  # noqa: BLE001 (whatever it is, there is no connection)
            self._tls.stop()
            self._fail_handshake(exc)
            return
        if self._loop.get_debug():
            seconds = self._loop.time() - self._handshake_begin
            logger.debug("%r: SSL handshake took %.1f ms", self, seconds * 1e3)
        extra = self._extra
        extra["peercert"] = peercert
        extra["ssl_object"] = self._tls.ssl_object
        if not self._has_told_made:
            self._has_told_made = True
            protocol: Any = self._tls.get_protocol()
            protocol.connection_made(self)
        if self._waiter is not None:
            self._wake_waiter(None)

    def _fail_handshake(self, exc: Exception) -> None:
        self._stop_timer()
        is_certificate = isinstance(exc, ssl.CertificateError)
        cause = " on verifying the certificate" if is_certificate else ""
        self._fatal_error(exc, f"SSL handshake failed{cause}")
        self._wake_waiter(exc)

    # How it ends.

    def _call_eof_received(self) -> bool:
        """Tell the protocol of the end of the stream; return whether that is TLS, and will close this one."""
        if not self._has_told_made:
            return False
        protocol: Any = self._tls.get_protocol()
        try:
            keeps_open = protocol.eof_received()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001 (whatever it is, it is reported)
            self._tls.stop()
            self._fatal_error(exc, "Error calling eof_received()")
            return False
        if isinstance(protocol, _core.Tls):
            return bool(keeps_open)
        if keeps_open:
            logger.warning("returning true from eof_received() has no effect when using ssl")
        return False

    def _start_shutdown_timer(self) -> None:
        self._timer = self._loop.call_later(self._shutdown_timeout, self._time_out_shutdown)

    def _time_out_shutdown(self) -> None:
        if self._tls.is_saying_goodbye:
            self._force_close(TimeoutError("SSL shutdown timed out"))

    def _close_below(self) -> None:
        if self._timer is not None:
            self._stop_timer()
        if self._below is not None:
            self._loop.call_soon(self._below.close)

    def _fail_truncated(self) -> None:
        self._fatal_error(
            ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred in violation of protocol")
        )

    def _fatal_error(self, exc: BaseException, message: str = "Fatal error on transport") -> None:
        if self._below is not None:
            self._below._force_close(exc)
        if isinstance(exc, OSError):
            if self._loop.get_debug():
                logger.debug("%r: %s", self, message, exc_info=exc)
        elif not isinstance(exc, asyncio.CancelledError):
            self._report(message, exc)

    def _connection_lost(self, exc: Exception | None) -> None:
        """The transport below is lost."""
        self._is_open = False
        if self._timer is not None:
            self._stop_timer()
        if "ssl_object" not in self._extra:
            self._wake_waiter(exc or ConnectionError("Connection lost before the TLS handshake"))
        elif self._waiter is not None:
            self._wake_waiter(exc)
        if self._has_told_made:
            # Not by way of the loop once more: the transport below has come that way.
            protocol: Any = self._tls.get_protocol()
            protocol.connection_lost(exc)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _wake_waiter(self, exc: BaseException | None) -> None:
        on_failure, self._on_failure = self._on_failure, None
        if on_failure is not None and exc is not None:
            self._loop.call_soon(on_failure, self, self.get_protocol(), exc)
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            return
        if exc is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(exc)

    # Flow control. Called by the native half.

    def _pause_protocol(self) -> None:
        try:
            self.get_protocol().pause_writing()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001 (whatever it is, it is reported)
            self._report("protocol.pause_writing() failed", exc)

    def _resume_protocol(self) -> None:
        try:
            self.get_protocol().resume_writing()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001 (whatever it is, it is reported)
            self._report("protocol.resume_writing() failed", exc)

    def _report(self, message: str, exc: BaseException) -> None:
        self._loop.call_exception_handler(
            {
                "message": message,
                "exception": exc,
                "transport": self,
                "protocol": self.get_protocol(),
            }
        )


def tls_over_socket(
    loop: EventLoop,
    sock: socket.socket,
    protocol: asyncio.BaseProtocol,
    settings: TlsSettings,
    waiter: asyncio.Future[None] | None = None,
    *,
    on_failure: FailureCallback | None = None,
    extra: dict[str, Any] | None = None,
    server: Server | None = None,
) -> SSLTransport:
    """Start a TLS connection on a connected socket, which belongs to the transport once this returns.

    Args:
        loop: the running loop.
        sock: a connected, non-blocking stream socket.
        protocol: hears of the connection once the handshake is through.
        settings: what this side is told.
        waiter: completed after the handshake.
        on_failure: called with the transport, the protocol and the exception if the handshake fails.
        extra: what the lower transport knows already, for `get_extra_info`.
        server: the server that accepted the connection.

    Raises:
        ValueError: a timeout is not positive, or there is no context for the server side.

    """
    transport = SSLTransport(loop, protocol, settings, waiter, on_failure, tells_made=True)
    try:
        tls: Any = transport._tls
        below = StreamTransport(loop, sock, tls, extra=extra, server=server)
    except BaseException:
        # Never open, so there is nothing to warn about when it is collected.
        transport._is_open = False
        raise
    transport._below = below
    tls.attach(below)
    return transport
