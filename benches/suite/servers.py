"""The servers under test: plain asyncio programs that know nothing of the loop they run on."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

#: What one read may bring: the largest request of the rows.
READ_MAX = 100 * 1024
#: Connections may come faster than any loop accepts them.
BACKLOG = 1024
REQUEST_LEN = 64
HEADER, BODY = bytes(128), bytes(896)
#: A key on P-256 and its certificate, for these rows only.
CERTIFICATE = Path(__file__).resolve().parent.parent / "native" / "localhost.pem"


def bound(transport: str, path: str) -> socket.socket:
    """Return the socket that a server is to serve on, bound, and listening unless it is for datagrams."""
    if transport == "udp":
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("127.0.0.1", 0))
        return datagrams
    if transport == "unix":
        return socket.create_server(path, family=socket.AF_UNIX, backlog=BACKLOG)
    return socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)


class Echo(asyncio.Protocol):
    """Writes back what it gets."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # Not every loop's transports are subclasses of asyncio's, so this is not checked.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Write it back."""
        self.transport.write(data)


class BufferedEcho(asyncio.BufferedProtocol):
    """Writes back what is put into its own buffer."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(READ_MAX))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # Not every loop's transports are subclasses of asyncio's, so this is not checked.
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the whole buffer."""
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Write a copy back: the buffer is filled again while a transport may still hold the data."""
        self.transport.write(bytes(self.buffer[:nbytes]))


class Reply(Echo):
    """Answers each complete request with the same reply, in one write."""

    missing = REQUEST_LEN

    def data_received(self, data: bytes) -> None:
        """Answer when the request is complete; there is never more than one in flight."""
        self.missing -= len(data)
        if self.missing <= 0:
            self.missing += REQUEST_LEN
            self.answer()

    def answer(self) -> None:
        """Send the reply."""
        self.transport.write(HEADER + BODY)


class ReplyTwice(Reply):
    """Answers with two writes, as most HTTP servers do."""

    def answer(self) -> None:
        """Send the header, then the body."""
        self.transport.write(HEADER)
        self.transport.write(BODY)


class DatagramEcho(asyncio.DatagramProtocol):
    """Sends each datagram back to where it came from."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # Not every loop's transports are subclasses of asyncio's, so this is not checked.
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Send it back."""
        self.transport.sendto(data, addr)


async def _echo_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(READ_MAX):
        writer.write(data)
        await writer.drain()
    writer.close()


async def _echo_socket(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with connection:
        while data := await loop.sock_recv(connection, READ_MAX):
            await loop.sock_sendall(connection, data)


async def _serve_streams(listener: socket.socket) -> None:
    await asyncio.start_server(_echo_stream, sock=listener, backlog=BACKLOG)
    await asyncio.Event().wait()


async def _serve_sockets(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    listener.setblocking(False)
    tasks = set()
    while True:
        connection, _ = await loop.sock_accept(listener)
        # Transports do this by themselves; a program with bare sockets does it so.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = loop.create_task(_echo_socket(connection))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


def _serving(factory: Callable[[], asyncio.BaseProtocol]) -> Callable[..., Awaitable[None]]:
    async def serve(listener: socket.socket, context: ssl.SSLContext | None = None) -> None:
        # A server that nobody refers to would be closed.
        loop = asyncio.get_running_loop()
        server = await loop.create_server(factory, sock=listener, backlog=BACKLOG, ssl=context)
        await asyncio.Event().wait()
        server.close()

    return serve


async def _serve_tls(listener: socket.socket) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    await _serving(Echo)(listener, context)


async def _serve_unix(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(Echo, sock=listener, backlog=BACKLOG)
    await asyncio.Event().wait()
    server.close()


async def _serve_datagrams(bound: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(DatagramEcho, sock=bound)
    await asyncio.Event().wait()
    transport.close()


#: Each serves on the socket it is given, for ever.
PROGRAMS: dict[str, Callable[[socket.socket], Awaitable[None]]] = {
    "protocol": _serving(Echo),
    "buffered": _serving(BufferedEcho),
    "streams": _serve_streams,
    "sockets": _serve_sockets,
    "reply-once": _serving(Reply),
    "reply-twice": _serving(ReplyTwice),
    "tls": _serve_tls,
    "unix": _serve_unix,
    "datagrams": _serve_datagrams,
}
