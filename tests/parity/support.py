"""What the parity tests share: a protocol that remembers, connected pairs, and small waits that never sleep."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

Loop = asyncio.AbstractEventLoop
Reports = list[dict[str, Any]]

CERTS = Path(__file__).parent / "certs"


class Recorder(asyncio.Protocol):
    """A stream protocol that remembers every call, and lets a test wait for what it expects."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.transport: Any = None
        self.events: list[str] = []
        self.data = bytearray()
        self.made: asyncio.Future[Any] = loop.create_future()
        self.eof: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[BaseException | None] = loop.create_future()
        self.keep_open = False
        self._grown = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.events.append("made")
        self.made.set_result(transport)

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.events.append("data")
        self._grown.set()

    def eof_received(self) -> bool:
        self.events.append("eof")
        self.eof.set_result(None)
        self._grown.set()
        return self.keep_open

    def connection_lost(self, exc: BaseException | None) -> None:
        self.events.append("lost")
        self.lost.set_result(exc)
        self._grown.set()

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    async def received(self, count: int) -> bytes:
        """Wait for `count` bytes in all. Raises AssertionError if the stream ends before."""
        while len(self.data) < count:
            self._grown.clear()
            assert not self.lost.done(), f"lost after {len(self.data)} of {count} bytes"
            await self._grown.wait()
        return bytes(self.data)


class Serving:
    """A protocol factory for servers that remembers what it made."""

    def __init__(self, kind: Callable[[], Recorder] = Recorder) -> None:
        self.protocols: list[Recorder] = []
        self._kind = kind
        self._grown = asyncio.Event()

    def __call__(self) -> Recorder:
        self.protocols.append(self._kind())
        self._grown.set()
        return self.protocols[-1]

    async def made(self, count: int) -> list[Recorder]:
        """Wait until that many connections have been made."""
        while len(self.protocols) < count:
            self._grown.clear()
            await self._grown.wait()
        for protocol in self.protocols:
            await asyncio.shield(protocol.made)
        return self.protocols


P = TypeVar("P", bound=asyncio.BaseProtocol)
Q = TypeVar("Q", bound=asyncio.BaseProtocol)


class Pair(Generic[P, Q]):
    """Both ends of one connection."""

    def __init__(self, client: P, server: Q, client_transport: Any, server_transport: Any) -> None:
        self.client = client
        self.server = server
        self.client_transport = client_transport
        self.server_transport = server_transport


def nonblocking_pair(
    kind: socket.SocketKind = socket.SOCK_STREAM,
) -> tuple[socket.socket, socket.socket]:
    """Two connected, non-blocking sockets."""
    a, b = socket.socketpair(socket.AF_UNIX, kind)
    a.setblocking(False)
    b.setblocking(False)
    return a, b


def tcp_sockets() -> tuple[socket.socket, socket.socket]:
    """Two connected, non-blocking TCP sockets on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        a = socket.create_connection(listener.getsockname())
        b, _ = listener.accept()
    a.setblocking(False)
    b.setblocking(False)
    return a, b


@asynccontextmanager
async def connected(
    client_factory: Callable[[], P], server_factory: Callable[[], Q], *, unix: bool = False
) -> AsyncIterator[Pair[P, Q]]:
    """Give transports over a connected pair of sockets, aborted and gone when the block ends."""
    loop = asyncio.get_running_loop()
    a, b = nonblocking_pair() if unix else tcp_sockets()
    server_transport, server = await loop.connect_accepted_socket(server_factory, b)
    client_transport, client = await loop.create_connection(client_factory, sock=a)
    try:
        yield Pair(client, server, client_transport, server_transport)
    finally:
        for transport in (client_transport, server_transport):
            if not transport.is_closing():  # after connection_lost the stdlib's abort() may fail
                transport.abort()
        await turns(3)


async def turns(count: int) -> None:
    """Let the loop make `count` turns."""
    for _ in range(count):
        await asyncio.sleep(0)


def fill(sock: socket.socket) -> int:
    """Write to a non-blocking socket until the kernel takes no more; return the number of bytes."""
    sent = 0
    try:
        while True:
            sent += sock.send(b"x" * 65536)
    except BlockingIOError:
        return sent


def drain(sock: socket.socket) -> bytes:
    """Read from a non-blocking socket all that is there."""
    parts = []
    try:
        while part := sock.recv(1 << 20):
            parts.append(part)
    except BlockingIOError:
        pass
    return b"".join(parts)


def refused_port() -> int:
    """A loopback TCP port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def server_tls(name: str = "localhost") -> ssl.SSLContext:
    """A server context with the stored test certificate of that name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTS / f"{name}.pem")
    return context


def client_tls(trusted: str | None = "localhost") -> ssl.SSLContext:
    """A client context that trusts the stored test certificate of that name, and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trusted is not None:
        context.load_verify_locations(CERTS / f"{trusted}.pem")
    return context


def port_of(server: asyncio.AbstractServer) -> int:
    """The port of the server's first socket."""
    port: int = server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    return port
