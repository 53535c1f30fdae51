"""A TLS peer in the hands of a test: it says what it is told to, byte by byte if need be, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

from .support import Loop, Recorder, client_tls, server_tls, tcp_sockets


class Peer:
    """One side of a TLS connection over a plain socket."""

    def __init__(
        self, loop: Loop, sock: socket.socket, context: ssl.SSLContext, **how: Any
    ) -> None:
        self.loop = loop
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, **how)

    async def _flush(self) -> None:
        if self.outgoing.pending:
            await self.loop.sock_sendall(self.sock, self.outgoing.read())

    async def _hear(self) -> bool:
        """Take in what has arrived; False at the end of the stream."""
        data = await self.loop.sock_recv(self.sock, 65536)
        self.incoming.write(data)
        return bool(data)

    async def shake_hands(self) -> None:
        """Take part in the handshake."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                assert await self._hear(), "hung up during the handshake"
            else:
                await self._flush()
                return

    def encrypted(self, *messages: bytes) -> bytes:
        """The records of these messages, one for each, to be sent by hand."""
        for message in messages:
            self.tls.write(message)
        return self.outgoing.read()

    async def send(self, *messages: bytes) -> None:
        """Send messages, each in records of its own."""
        await self.send_raw(self.encrypted(*messages))

    async def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self.loop.sock_sendall(self.sock, data)

    async def receive(self, count: int) -> bytes:
        """Receive that many bytes, or less if the other side ends the stream."""
        received = bytearray()
        while len(received) < count:
            try:
                data = self.tls.read(count - len(received))
            except ssl.SSLWantReadError:
                if not await self._hear():
                    break
            else:
                if not data:
                    break
                received += data
        await self._flush()
        return bytes(received)

    async def receive_goodbye(self) -> bytes:
        """Receive everything up to the other side's close_notify. Raises AssertionError if the stream ends without."""
        received = bytearray()
        while True:
            try:
                data = self.tls.read(65536)
            except ssl.SSLWantReadError:
                assert await self._hear(), "the stream ended without a goodbye"
            except ssl.SSLZeroReturnError:
                return bytes(received)
            else:
                if not data:
                    return bytes(received)
                received += data

    def goodbye(self) -> bytes:
        """Our close_notify, to be sent by hand."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self.outgoing.read()

    async def until_closed(self) -> None:
        """Wait for the end of the stream, or for its reset."""
        with contextlib.suppress(ConnectionResetError):
            while await self.loop.sock_recv(self.sock, 65536):
                pass


@contextlib.asynccontextmanager
async def peer_of(protocol: Recorder | Any, **options: Any) -> AsyncIterator[tuple[Any, Peer]]:
    """Give a client transport for `protocol`, and the server side that it is connected to."""
    loop = asyncio.get_running_loop()
    a, b = tcp_sockets()
    for name in ("snd", "rcv"):
        size = options.pop(f"{name}_buffer", None)
        if size is not None:
            which = getattr(socket, f"SO_{name.upper()}BUF")
            a.setsockopt(socket.SOL_SOCKET, which, size)
            b.setsockopt(socket.SOL_SOCKET, which, size)
    peer = Peer(loop, b, options.pop("peer_context", None) or server_tls(), server_side=True)
    options.setdefault("ssl", client_tls())
    with b:
        (transport, _), _ = await asyncio.gather(
            loop.create_connection(
                lambda: protocol, sock=a, server_hostname="localhost", **options
            ),
            peer.shake_hands(),
        )
        try:
            yield transport, peer
        finally:
            if not transport.is_closing():
                transport.abort()
            for _ in range(4):
                await asyncio.sleep(0)
