"""What a probe talks to: protocols that note what happens to them, and plain sockets on the other side."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_CERTIFICATES = Path(__file__).with_name("certs")

# Longer than anything here takes on a busy machine; a probe that gets so far has failed.
SECONDS_MAX = 4.0


class Recorder(asyncio.Protocol):
    """A stream protocol that keeps what it receives."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.made: asyncio.Future[Any] = loop.create_future()
        self.lost: asyncio.Future[Exception | None] = loop.create_future()
        self.received = bytearray()
        self._wanted: tuple[int, asyncio.Future[None]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self.made.done():
            self.made.set_result(transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self._wanted and len(self.received) >= self._wanted[0] and not self._wanted[1].done():
            self._wanted[1].set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(exc)

    async def read(self, size: int) -> bytes:
        """Wait until that many bytes are there."""
        if len(self.received) < size:
            self._wanted = (size, asyncio.get_running_loop().create_future())
            await self._wanted[1]
        return bytes(self.received)


class Accepting:
    """A protocol factory that hands out each protocol that it makes."""

    def __init__(self, make: Callable[[], Any] = Recorder) -> None:
        self._make = make
        self._protocols: asyncio.Queue[Any] = asyncio.Queue()

    def __call__(self) -> Any:
        protocol = self._make()
        self._protocols.put_nowait(protocol)
        return protocol

    async def next(self) -> Any:
        """Wait for a connection, and return its protocol once it has a transport."""
        protocol = await self._protocols.get()
        await protocol.made
        return protocol


class Datagrams(asyncio.DatagramProtocol):
    """A datagram protocol that keeps what it receives."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.queue.put_nowait((data, addr))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Run what blocks in a thread of its own, so that no probe depends on the executor of the loop."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(setter: Callable[[Any], None], outcome: Any) -> None:
        if not done.done():
            setter(outcome)

    def run() -> None:
        try:
            call = (done.set_result, function(*arguments))
        except Exception as error:  # noqa: BLE001 (whatever it is, it goes to who awaits it)
            call = (done.set_exception, error)  # type: ignore[assignment]
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, *call)

    threading.Thread(target=run, daemon=True).start()
    return await done


def listener(family: int = socket.AF_INET, address: Any = ("127.0.0.1", 0)) -> socket.socket:
    """Return a listening socket that blocks, though not for ever."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(SECONDS_MAX)
    sock.bind(address)
    sock.listen()
    return sock


def client(address: Any, family: int = socket.AF_INET) -> socket.socket:
    """Return a socket that is connected. The kernel answers for a listener, so this waits for nobody."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(SECONDS_MAX)
    sock.connect(address)
    return sock


@contextlib.contextmanager
def tcp_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Lend two ends of one TCP connection: the first does not block, the second does, though not for ever."""
    with listener() as waiting, client(waiting.getsockname()) as theirs:
        ours, _ = waiting.accept()
        with ours:
            ours.setblocking(False)
            yield ours, theirs


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Lend an empty folder whose path is short enough for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="probe") as name:
        yield Path(name)


def server_context() -> ssl.SSLContext:
    """Return a context with the certificate of localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_CERTIFICATES / "localhost.pem")
    return context


def client_context() -> ssl.SSLContext:
    """Return a context that trusts the certificate of localhost, and checks the name."""
    return ssl.create_default_context(cafile=str(_CERTIFICATES / "authority.pem"))


def tls_client(address: Any, family: int = socket.AF_INET) -> ssl.SSLSocket:
    """Connect a blocking TLS client, handshake included."""
    return tls_over(client(address, family))


def tls_over(sock: socket.socket) -> ssl.SSLSocket:
    """Do the client's part of the handshake on a connected socket."""
    return client_context().wrap_socket(sock, server_hostname="localhost")


def tls_serve(sock: socket.socket) -> ssl.SSLSocket:
    """Accept one connection of a listener and do the server's part of the handshake."""
    accepted, _ = sock.accept()
    accepted.settimeout(SECONDS_MAX)
    return server_context().wrap_socket(accepted, server_side=True)


def expect(fact: Any, what: str) -> None:
    """Fail with a sentence unless something is so."""
    if not fact:
        raise AssertionError(what)


@contextlib.contextmanager
def refused(*errors: type[BaseException], what: str = "") -> Iterator[None]:
    """Fail, with a sentence, unless the block raises one of these."""
    try:
        yield
    except errors:
        return
    raise AssertionError(what or f"nothing raised, {errors[0].__name__} expected")
