"""TLS connections that are closed while something of the peer's has not been read: who hears of what."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import pytest

from .support import Loop, Recorder, turns
from .tls_peer import Peer, peer_of


async def _send_unread(transport: Any, peer: Peer, *, says_goodbye: bool = False) -> None:
    """Send some data to a transport that has paused, and wait until it has arrived there."""
    sent = peer.encrypted(b"unread")
    if says_goodbye:
        sent += peer.goodbye()
    # Or it would wait for the peer to acknowledge the end of the handshake.
    peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await peer.send_raw(sent)
    while transport.get_read_buffer_size() < len(sent):
        await turns(1)


@pytest.mark.parametrize("says_goodbye", [False, True])
async def test_what_a_paused_protocol_leaves_unread_is_an_error(
    loop: Loop, says_goodbye: bool
) -> None:
    protocol = Recorder()
    async with peer_of(protocol) as (transport, peer):
        transport.pause_reading()
        await _send_unread(transport, peer, says_goodbye=says_goodbye)
        transport.close()
        error = await protocol.lost
        assert isinstance(error, ssl.SSLError)
        assert error.reason == "APPLICATION_DATA_AFTER_CLOSE_NOTIFY"
        assert protocol.events == ["made", "lost"]


async def test_what_comes_after_close_is_the_same_error(loop: Loop) -> None:
    protocol = Recorder()
    async with peer_of(protocol) as (transport, peer):
        transport.close()
        await peer.send_raw(peer.encrypted(b"too late") + peer.goodbye())
        error = await protocol.lost
        assert isinstance(error, ssl.SSLError)
        assert error.reason == "APPLICATION_DATA_AFTER_CLOSE_NOTIFY"
        assert protocol.events == ["made", "lost"]


async def test_a_protocol_that_goes_on_reading_and_closes_is_given_what_has_arrived(
    loop: Loop,
) -> None:
    class Closing(Recorder):
        closing: bool | None = None

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.closing = self.transport.is_closing()
            self.transport.write(b"dropped")
            self.transport.close()

    protocol = Closing()
    async with peer_of(protocol) as (transport, peer):
        transport.pause_reading()
        await _send_unread(transport, peer)
        transport.resume_reading()
        transport.write(b"written before")
        transport.close()
        assert protocol.data == b"unread"
        assert protocol.closing
        assert await peer.receive_goodbye() == b"written before"
        await peer.send_raw(peer.goodbye())
        assert await protocol.lost is None
        assert protocol.events == ["made", "data", "eof", "lost"]


@pytest.mark.asyncio_bug("it never ends: close() does nothing after an end of stream in a pause")
async def test_a_paused_protocol_may_close_after_the_end_of_the_stream(loop: Loop) -> None:
    protocol = Recorder()
    async with peer_of(protocol) as (transport, peer):
        transport.pause_reading()
        await _send_unread(transport, peer)
        peer.sock.shutdown(socket.SHUT_WR)
        while not transport.get_extra_info("tls_truncated"):
            await turns(1)
        transport.close()
        assert await protocol.lost is None
        assert protocol.events == ["made", "eof", "lost"]


@pytest.mark.asyncio_bug("it delivers once more within close(), and fails because of the rest")
async def test_a_buffered_protocol_that_closes_is_given_nothing_more(loop: Loop) -> None:
    class Small(Recorder, asyncio.BufferedProtocol):
        def get_buffer(self, sizehint: int) -> bytearray:
            self.memory = bytearray(2)
            return self.memory

        def buffer_updated(self, nbytes: int) -> None:
            self.data_received(self.memory[:nbytes])
            self.transport.close()

    protocol = Small()
    async with peer_of(protocol) as (_transport, peer):
        await peer.send_raw(peer.encrypted(b"unread") + peer.goodbye())
        assert await protocol.lost is None
        assert protocol.data == b"un"
