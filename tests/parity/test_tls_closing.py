"""How TLS connections end: goodbyes (close_notify) in both directions, slow readers, truncation, errors, timeouts."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
from typing import Any

import pytest

from .support import Loop, Recorder, Reports, turns
from .tls_peer import peer_of


async def test_close_says_goodbye_after_the_data(loop: Loop) -> None:
    protocol = Recorder()
    async with peer_of(protocol) as (transport, peer):
        transport.write(b"last words")
        transport.close()
        assert transport.is_closing()
        assert await peer.receive_goodbye() == b"last words"
        await peer.send_raw(peer.goodbye())
        assert await protocol.lost is None
        assert protocol.events == ["made", "eof", "lost"]


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_connection_lost_is_called_once_and_never_from_within(loop: Loop, end: str) -> None:
    protocol = Recorder()
    async with peer_of(protocol) as (transport, _peer):
        getattr(transport, end)()
        assert "lost" not in protocol.events
        transport.abort()
        assert "lost" not in protocol.events
        await protocol.lost
        transport.close()
        await turns(5)
        assert protocol.events.count("lost") == 1


@pytest.mark.asyncio_bug("the shutdown timeout runs while the data is still on its way")
async def test_a_slow_reader_gets_all_that_was_written_before_close(loop: Loop) -> None:
    data = bytes(range(256)) * 8000
    protocol = Recorder()
    async with peer_of(
        protocol, ssl_shutdown_timeout=0.05, snd_buffer=20_000, rcv_buffer=20_000
    ) as (transport, peer):
        transport.write(data)
        transport.close()
        # Longer than the timeout: nothing is read meanwhile.
        await asyncio.sleep(0.2)
        assert "lost" not in protocol.events
        assert await peer.receive_goodbye() == data
        await peer.send_raw(peer.goodbye())
        assert await protocol.lost is None


async def test_a_peer_that_never_says_goodbye_is_given_up(loop: Loop) -> None:
    protocol = Recorder()
    async with peer_of(protocol, ssl_shutdown_timeout=0.02) as (transport, peer):
        transport.close()
        error = await protocol.lost
        assert isinstance(error, TimeoutError)
        assert str(error) == "SSL shutdown timed out"
        await peer.until_closed()


async def test_close_in_the_middle_of_a_download_ends_soon(loop: Loop) -> None:
    protocol = Recorder()
    async with peer_of(protocol) as (transport, peer):

        async def upload() -> None:
            while True:
                await peer.send(b"x" * 16_000)

        uploading = loop.create_task(upload())
        await protocol.received(100_000)
        begin = loop.time()
        transport.close()
        await protocol.lost
        assert loop.time() - begin < 5
        with pytest.raises(OSError, match="reset|Broken pipe"):
            await uploading


@pytest.mark.asyncio_bug("it drops what it has not sent as soon as more data arrives")
async def test_close_sends_everything_to_a_peer_that_goes_on_sending(loop: Loop) -> None:
    data = b"y" * 500_000
    protocol = Recorder()
    async with peer_of(protocol, snd_buffer=20_000, rcv_buffer=20_000) as (transport, peer):
        transport.write(data)
        transport.close()
        for _ in range(5):
            await peer.send(b"still here")
        assert await peer.receive_goodbye() == data
        await peer.send_raw(peer.goodbye())
        assert await protocol.lost is None
        assert protocol.data == b""


async def test_the_peers_goodbye_is_answered_after_what_was_written(loop: Loop) -> None:
    data = b"z" * 300_000
    protocol = Recorder()
    async with peer_of(protocol, snd_buffer=20_000, rcv_buffer=20_000) as (transport, peer):
        transport.write(data)
        await peer.send_raw(peer.encrypted(b"bye") + peer.goodbye())
        await protocol.eof
        assert protocol.data == b"bye"
        received = bytearray()
        while len(received) < len(data):
            try:
                received += peer.tls.read(65536)
            except ssl.SSLWantReadError:
                peer.incoming.write(await loop.sock_recv(peer.sock, 65536))
        assert received == data
        assert await protocol.lost is None
        assert protocol.events[-2:] == ["eof", "lost"]


async def test_what_was_written_at_the_end_of_the_stream_is_sent(loop: Loop) -> None:
    class AnswersLast(Recorder):
        def eof_received(self) -> bool:
            self.transport.write(b"answer")
            return super().eof_received()

    protocol = AnswersLast()
    async with peer_of(protocol) as (_transport, peer):
        await peer.send_raw(peer.goodbye())
        received = bytearray()
        while len(received) < 6:
            try:
                received += peer.tls.read(100)
            except ssl.SSLWantReadError:
                peer.incoming.write(await loop.sock_recv(peer.sock, 65536))
        assert received == b"answer"
        assert await protocol.lost is None


async def test_a_stream_that_ends_without_goodbye_is_an_end_of_stream(loop: Loop) -> None:
    protocol = Recorder()
    async with peer_of(protocol) as (_transport, peer):
        await peer.send(b"half a")
        peer.sock.shutdown(socket.SHUT_WR)
        assert await protocol.lost is None
        assert protocol.data == b"half a"
        assert protocol.events[-2:] == ["eof", "lost"]


async def test_a_stream_that_ends_within_a_record_delivers_what_was_whole(loop: Loop) -> None:
    protocol = Recorder()
    async with peer_of(protocol) as (_transport, peer):
        await peer.send_raw(peer.encrypted(b"whole", b"cut off")[:-3])
        peer.sock.shutdown(socket.SHUT_WR)
        assert await protocol.lost is None
        assert protocol.data == b"whole"


@pytest.mark.parametrize("says_goodbye", [True, False])
async def test_what_arrived_during_a_pause_comes_before_the_end(
    loop: Loop, *, says_goodbye: bool
) -> None:
    protocol = Recorder()
    async with peer_of(protocol) as (transport, peer):
        transport.pause_reading()
        await peer.send(b"one", b"two")
        if says_goodbye:
            await peer.send_raw(peer.goodbye())
        peer.sock.shutdown(socket.SHUT_WR)
        await turns(10)
        assert protocol.events == ["made"]
        transport.resume_reading()
        assert await protocol.lost is None
        assert protocol.data == b"onetwo"
        assert protocol.events[-2:] == ["eof", "lost"]


async def test_a_reset_is_the_reason_of_the_loss(loop: Loop) -> None:
    protocol = Recorder()
    async with peer_of(protocol) as (_transport, peer):
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.sock.close()
        assert isinstance(await protocol.lost, ConnectionResetError)


async def test_a_forged_record_ends_the_connection_with_an_ssl_error(loop: Loop) -> None:
    protocol = Recorder()
    async with peer_of(protocol) as (_transport, peer):
        forged = bytearray(peer.encrypted(b"forged"))
        forged[-1] ^= 1
        await peer.send_raw(bytes(forged))
        assert isinstance(await protocol.lost, ssl.SSLError)
        assert protocol.data == b""
        await peer.until_closed()


@pytest.mark.asyncio_bug("it loses what was read before the failure")
async def test_what_came_before_a_forged_record_is_delivered(loop: Loop) -> None:
    protocol = Recorder()
    async with peer_of(protocol) as (_transport, peer):
        forged = bytearray(peer.encrypted(b"true", b"forged"))
        forged[-1] ^= 1
        await peer.send_raw(bytes(forged))
        assert isinstance(await protocol.lost, ssl.SSLError)
        assert protocol.data == b"true"


async def test_plain_text_in_the_middle_ends_the_connection(loop: Loop) -> None:
    protocol = Recorder()
    async with peer_of(protocol) as (_transport, peer):
        await peer.send_raw(b"GET / HTTP/1.1\r\n\r\n")
        assert isinstance(await protocol.lost, ssl.SSLError)


async def test_writes_after_close_are_dropped_and_in_the_end_warned_of(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    protocol = Recorder()
    async with peer_of(protocol) as (transport, peer):
        transport.close()
        with caplog.at_level(logging.WARNING, "asyncio"):
            for _ in range(6):
                transport.write(b"late")
        assert [record.getMessage() for record in caplog.records] == ["SSL connection is closed"]
        assert await peer.receive_goodbye() == b""


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_a_protocol_may_end_the_connection_in_data_received(loop: Loop, end: str) -> None:
    class Ends(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            getattr(self.transport, end)()

    protocol = Ends()
    async with peer_of(protocol) as (_transport, peer):
        await peer.send_raw(peer.encrypted(b"stop") + peer.goodbye())
        await protocol.lost
        assert protocol.data == b"stop"
        assert protocol.events.count("lost") == 1


async def test_what_data_received_raises_is_reported_and_ends_the_connection(
    loop: Loop, reports: Reports
) -> None:
    class Raises(Recorder):
        def data_received(self, data: bytes) -> None:
            raise ZeroDivisionError

    protocol = Raises()
    async with peer_of(protocol) as (_transport, peer):
        await peer.send(b"x")
        assert isinstance(await protocol.lost, ZeroDivisionError)
        [report] = reports
        assert report["message"] == "Fatal error on SSL protocol"
        reports.clear()


async def test_what_eof_received_raises_is_reported(loop: Loop, reports: Reports) -> None:
    class Raises(Recorder):
        def eof_received(self) -> bool:
            raise ZeroDivisionError

    protocol = Raises()
    async with peer_of(protocol) as (_transport, peer):
        await peer.send_raw(peer.goodbye())
        assert isinstance(await protocol.lost, ZeroDivisionError)
        assert reports[0]["message"] == "Error calling eof_received()"
        reports.clear()


async def test_returning_true_from_eof_received_has_no_effect_but_a_warning(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    protocol = Recorder()
    protocol.keep_open = True
    with caplog.at_level(logging.WARNING, "asyncio"):
        async with peer_of(protocol) as (_transport, peer):
            await peer.send_raw(peer.goodbye())
            assert await protocol.lost is None
    assert [record.getMessage() for record in caplog.records] == [
        "returning true from eof_received() has no effect when using ssl"
    ]


async def test_what_connection_made_raises_is_the_error_of_the_connection(
    loop: Loop, reports: Reports
) -> None:
    class Raises(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            raise ZeroDivisionError

    protocol = Raises()
    with pytest.raises(ZeroDivisionError):
        async with peer_of(protocol):
            pass
    await protocol.lost
    assert len(reports) == 1
    assert reports[0]["message"].startswith("Fatal error: protocol.")
    reports.clear()
