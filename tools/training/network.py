"""Servers and their clients, both on one loop: protocols, streams, TLS, datagrams, sockets."""

import asyncio
import functools
import socket
import ssl
import tempfile
from asyncio import DatagramTransport, StreamReader, StreamWriter, Transport
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path
from typing import cast

CERTIFICATE = Path(__file__).parents[2] / "examples" / "certs" / "localhost.pem"

Exchange = Callable[[StreamReader, StreamWriter], Awaitable[None]]


class _Echo(asyncio.Protocol):
    """Sends back what comes in, and honours flow control."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()


class _BufferedEcho(asyncio.BufferedProtocol):
    """The same, with memory of its own."""

    def __init__(self) -> None:
        self.buffer = bytearray(65536)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(Transport, transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.transport.write(memoryview(self.buffer)[:nbytes])


async def _echo(reader: StreamReader, writer: StreamWriter) -> None:
    """Send back what comes in, through streams."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def _replies(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer lines with a header and a body, as a server of HTTP does."""
    try:
        while (line := await reader.readuntil(b"\n")) != b"end\n":
            body = line * 20
            writer.write(b"length: %d\r\n\r\n" % len(body))
            writer.write(body)
            await writer.drain()
    except asyncio.IncompleteReadError:
        pass
    writer.close()
    await writer.wait_closed()


async def _ask(reader: StreamReader, writer: StreamWriter) -> None:
    """Ask _replies some questions."""
    for _ in range(40):
        writer.writelines([b"what is it", b"?\n"])
        header = await reader.readline()
        await reader.readexactly(2 + int(header.split()[1]))
    writer.write(b"end\n")
    await reader.read()


def _sending(size: int, rounds: int) -> Exchange:
    """Return what sends *size* bytes and reads them back, *rounds* times."""

    async def exchange(reader: StreamReader, writer: StreamWriter) -> None:
        data = bytes(size)
        for _ in range(rounds):
            writer.write(data)
            await writer.drain()
            await reader.readexactly(size)

    return exchange


async def _serve(
    server: asyncio.Server, exchange: Exchange, clients: int, tls: ssl.SSLContext | None = None
) -> None:
    """Have *clients* exchange something with *server*, side by side, and close it."""

    async def client() -> None:
        if server.sockets[0].family == socket.AF_UNIX:
            reader, writer = await asyncio.open_unix_connection(server.sockets[0].getsockname())
        else:
            name = "localhost" if tls else None
            reader, writer = await asyncio.open_connection(
                *server.sockets[0].getsockname()[:2], ssl=tls, server_hostname=name
            )
        await exchange(reader, writer)
        writer.close()
        await writer.wait_closed()

    async with cast(AbstractAsyncContextManager[None], server):
        await asyncio.gather(*(client() for _ in range(clients)))


async def protocols() -> None:
    """TCP, by protocols of both kinds."""
    loop = asyncio.get_running_loop()
    for factory in (_Echo, _BufferedEcho):
        for size, rounds, clients in ((1000, 100, 1), (1000, 40, 20), (100_000, 10, 5)):
            server = await loop.create_server(factory, "127.0.0.1", 0)
            await _serve(server, _sending(size, rounds), clients)


async def streams() -> None:
    """TCP, by streams."""
    for size, rounds, clients in ((1000, 100, 1), (1000, 40, 20), (100_000, 10, 5)):
        server = await asyncio.start_server(_echo, "127.0.0.1", 0)
        await _serve(server, _sending(size, rounds), clients)


async def requests() -> None:
    """Questions and answers in lines, on long connections and on one for each."""
    await _serve(await asyncio.start_server(_replies, "127.0.0.1", 0), _ask, 10)
    await _serve(await asyncio.start_server(_echo, "127.0.0.1", 0), _sending(100, 1), 50)


async def unix_sockets() -> None:
    """The same over Unix sockets."""
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory() as folder:
        for size, rounds, clients in ((1000, 100, 1), (1000, 40, 20), (100_000, 10, 5)):
            server = await loop.create_unix_server(_Echo, f"{folder}/{size}.{clients}")
            await _serve(server, _sending(size, rounds), clients)


async def encrypted() -> None:
    """TLS: handshakes, small and large messages."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(CERTIFICATE)
    asking = ssl.create_default_context()
    asking.check_hostname = False
    asking.verify_mode = ssl.CERT_NONE
    loop = asyncio.get_running_loop()
    for size, rounds, clients in ((1000, 60, 1), (1000, 20, 10), (100_000, 10, 4)):
        server = await loop.create_server(_Echo, "127.0.0.1", 0, ssl=serving)
        await _serve(server, _sending(size, rounds), clients, asking)
    server = await asyncio.start_server(_replies, "127.0.0.1", 0, ssl=serving)
    await _serve(server, _ask, 4, asking)


class _Answers(asyncio.DatagramProtocol):
    """Sends datagrams back where they come from."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data, addr)


class _Asks(asyncio.DatagramProtocol):
    """Keeps some datagrams on their way, until enough have come back."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.left = 300
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(DatagramTransport, transport)
        for _ in range(self.at_once):
            self.transport.sendto(bytes(500))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.left -= 1
        if self.left > 0:
            self.transport.sendto(data)
        elif not self.done.done():
            self.done.set_result(None)


async def datagrams() -> None:
    """UDP, one by one and many at once."""
    loop = asyncio.get_running_loop()
    for at_once in (1, 20):
        serving, _ = await loop.create_datagram_endpoint(_Answers, ("127.0.0.1", 0))
        asking, asks = await loop.create_datagram_endpoint(
            functools.partial(_Asks, at_once),
            remote_addr=serving.get_extra_info("sockname"),
        )
        # A datagram may be lost, and then nobody sends another.
        await asyncio.wait([asks.done], timeout=1)
        serving.close()
        asking.close()
        await asyncio.sleep(0)


async def sockets() -> None:
    """Sockets without transports."""
    loop = asyncio.get_running_loop()
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.setblocking(False)

        async def serve() -> None:
            connection, _ = await loop.sock_accept(listener)
            with closing(connection):
                while data := await loop.sock_recv(connection, 65536):
                    await loop.sock_sendall(connection, data)

        async def ask() -> None:
            with closing(socket.socket()) as connection:
                connection.setblocking(False)
                await loop.sock_connect(connection, listener.getsockname())
                for _ in range(40):
                    await loop.sock_sendall(connection, bytes(1000))
                    await loop.sock_recv(connection, 65536)

        await asyncio.gather(*(serve() for _ in range(5)), *(ask() for _ in range(5)))


PROGRAMS = (protocols, streams, requests, unix_sockets, encrypted, datagrams, sockets)
