"""TLS whose peer has ended its direction and goes on reading: what was written reaches it, through TLS in TLS, too."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

import pytest

from .support import Loop, Recorder, client_tls, server_tls
from .tls_peer import Peer, peer_of

DATA = bytes(range(256)) * 8000


class InnerPeer:
    """The inner side of TLS in TLS, in the hands of a test."""

    def __init__(self, outer: Peer) -> None:
        self._outer = outer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = server_tls().wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def _hear(self) -> bool:
        """Take in some of what the outer layer brings; False at its end."""
        while True:
            try:
                data = self._outer.tls.read(65536)
            except ssl.SSLWantReadError:
                data = await self._outer.loop.sock_recv(self._outer.sock, 65536)
                self._outer.incoming.write(data)
                if not data:
                    return False
            except ssl.SSLZeroReturnError:
                return False
            else:
                self._incoming.write(data)
                return bool(data)

    async def shake_hands(self) -> None:
        """Take part in the inner handshake."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                done = False
            else:
                done = True
            if self._outgoing.pending:
                await self._outer.send(self._outgoing.read())
            if done:
                return
            assert await self._hear()

    async def receive_goodbye(self) -> bytes:
        """Receive everything up to the inner close_notify; what there is, if the stream ends without."""
        received = bytearray()
        while True:
            try:
                data = self._tls.read(65536)
            except ssl.SSLWantReadError:
                if not await self._hear():
                    return bytes(received)
            else:
                if not data:
                    return bytes(received) + b"goodbye"
                received += data


@pytest.mark.parametrize("ending", ["goodbye", "end of stream"])
@pytest.mark.asyncio_bug("what waits in the inner layer is dropped with the outer one")
async def test_what_waits_inside_tls_in_tls_reaches_a_peer_that_has_ended_its_direction(
    loop: Loop, ending: str
) -> None:
    below, above = asyncio.Protocol(), Recorder()
    async with peer_of(below, snd_buffer=20_000, rcv_buffer=20_000) as (transport, peer):
        inner = InnerPeer(peer)
        upgraded, _ = await asyncio.gather(
            loop.start_tls(transport, above, client_tls(), server_hostname="localhost"),
            inner.shake_hands(),
        )
        above.connection_made(upgraded)
        upgraded.write(DATA)
        assert upgraded.get_write_buffer_size() > 0
        if ending == "goodbye":
            await peer.send_raw(peer.goodbye())
        else:
            peer.sock.shutdown(socket.SHUT_WR)
        await above.eof
        received = await inner.receive_goodbye()
        with contextlib.suppress(OSError):
            await peer.until_closed()
        assert received.removesuffix(b"goodbye") == DATA
        assert await above.lost is None
        assert [e for e in above.events if e not in ("pause", "resume")] == ["made", "eof", "lost"]
