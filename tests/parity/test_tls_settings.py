"""Every setting of the user's `ssl.SSLContext` counts, and every callback of it is called."""

from __future__ import annotations

import asyncio
import contextvars
import ssl
from pathlib import Path
from typing import Any

import pytest

from .support import CERTS, Loop, Recorder, Reports, client_tls, server_tls, turns
from .tls_peer import peer_of

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def test_the_callback_for_server_names_chooses_the_context(loop: Loop) -> None:
    chosen: list[Any] = []
    other = server_tls()
    context = server_tls("stranger")

    def choose(tls: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        chosen.append(name)
        tls.context = other

    context.sni_callback = choose  # type: ignore[assignment]
    server = await loop.create_server(Recorder, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    transport, protocol = await loop.create_connection(
        Recorder, "127.0.0.1", port, ssl=client_tls(), server_hostname="localhost"
    )
    assert chosen == ["localhost"]
    assert transport.get_extra_info("peercert")["subject"] == ((("commonName", "localhost"),),)
    transport.close()
    await protocol.lost
    server.close()
    await server.wait_closed()


async def test_a_server_name_that_is_refused_fails_the_handshake(
    loop: Loop, reports: Reports
) -> None:
    context = server_tls()

    def refuse(_tls: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> int:
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = refuse  # type: ignore[assignment]
    server = await loop.create_server(Recorder, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await loop.create_connection(
            Recorder, "127.0.0.1", port, ssl=client_tls(), server_hostname="localhost"
        )
    await turns(5)
    reports.clear()
    server.close()
    await server.wait_closed()


async def test_keys_are_logged(loop: Loop, tmp_path: Path) -> None:
    context = client_tls()
    context.keylog_filename = str(tmp_path / "keys")
    async with peer_of(Recorder(), ssl=context) as (transport, _peer):
        assert transport.get_extra_info("ssl_object").version() == "TLSv1.3"
    assert "CLIENT_TRAFFIC_SECRET_0" in (tmp_path / "keys").read_text()


async def test_versions_that_exclude_each_other_fail_the_handshake(
    loop: Loop, reports: Reports
) -> None:
    context = client_tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    theirs = server_tls()
    theirs.minimum_version = ssl.TLSVersion.TLSv1_3
    server = await loop.create_server(Recorder, "127.0.0.1", 0, ssl=theirs)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await loop.create_connection(
            Recorder, "127.0.0.1", port, ssl=context, server_hostname="localhost"
        )
    await turns(5)
    reports.clear()
    server.close()
    await server.wait_closed()


async def test_ciphers_are_those_of_the_context(loop: Loop) -> None:
    context = client_tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
    async with peer_of(Recorder(), ssl=context) as (transport, peer):
        assert transport.get_extra_info("cipher")[0] == "ECDHE-ECDSA-CHACHA20-POLY1305"
        transport.write(b"x" * 50_000)
        assert await peer.receive(50_000) == b"x" * 50_000


async def test_a_server_may_ask_for_a_certificate_after_the_handshake(loop: Loop) -> None:
    theirs = server_tls()
    theirs.verify_mode = ssl.CERT_REQUIRED
    theirs.post_handshake_auth = True
    theirs.load_verify_locations(CERTS / "stranger.pem")
    mine = client_tls()
    mine.load_cert_chain(CERTS / "stranger.pem")
    mine.post_handshake_auth = True
    protocol = Recorder()
    async with peer_of(protocol, ssl=mine, peer_context=theirs) as (transport, peer):
        assert peer.tls.getpeercert() is None
        peer.tls.verify_client_post_handshake()
        await peer.send(b"who are you?")
        await protocol.received(12)
        transport.write(b"this is me")
        assert await peer.receive(10) == b"this is me"
        subject = peer.tls.getpeercert()["subject"]  # type: ignore[index]
        assert subject == ((("commonName", "stranger"),),)


async def test_a_class_of_the_users_stands_in_for_the_ssl_object(loop: Loop) -> None:
    class Counts(ssl.SSLObject):
        read_bytes = 0
        written_bytes = 0

        def read(self, *args: Any) -> Any:
            data = super().read(*args)
            self.read_bytes += data if isinstance(data, int) else len(data)
            return data

        def write(self, data: Any) -> int:
            count = super().write(data)
            self.written_bytes += count
            return count

    context = client_tls()
    context.sslobject_class = Counts
    protocol = Recorder()
    async with peer_of(protocol, ssl=context) as (transport, peer):
        tls = transport.get_extra_info("ssl_object")
        assert isinstance(tls, Counts)
        transport.write(b"x" * 40_000)
        assert await peer.receive(40_000) == b"x" * 40_000
        await peer.send(b"y" * 30_000)
        await protocol.received(30_000)
        assert (tls.read_bytes, tls.written_bytes) == (30_000, 40_000)


async def test_tls_1_2_may_be_renegotiated_by_nobody_and_still_works(loop: Loop) -> None:
    context = client_tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    protocol = Recorder()
    async with peer_of(protocol, ssl=context) as (transport, peer):
        await peer.send(b"a" * 20_000, b"b", b"c" * 20_000)
        assert await protocol.received(40_001) == b"a" * 20_000 + b"b" + b"c" * 20_000
        transport.writelines([b"head", bytearray(b"body"), memoryview(b"tail")])
        assert await peer.receive(12) == b"headbodytail"


async def test_callbacks_of_the_protocol_run_in_the_context_of_the_connection(loop: Loop) -> None:
    seen: dict[str, str] = {}

    class Looks(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            seen["made"] = variable.get()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            seen["data"] = variable.get()

        def eof_received(self) -> bool:
            seen["eof"] = variable.get()
            return super().eof_received()

        def connection_lost(self, exc: BaseException | None) -> None:
            super().connection_lost(exc)
            seen["lost"] = variable.get()

    async def connect() -> Any:
        variable.set("mine")
        return await asyncio.create_task(run())

    async def run() -> None:
        protocol = Looks()
        async with peer_of(protocol) as (_transport, peer):
            variable.set("later")
            await peer.send(b"x")
            await protocol.received(1)
            await peer.send_raw(peer.goodbye())
            await protocol.lost

    await loop.create_task(connect())
    assert seen == {"made": "mine", "data": "mine", "eof": "mine", "lost": "mine"}


async def test_the_transport_tells_of_itself_and_of_the_one_below(loop: Loop) -> None:
    protocol = Recorder()
    async with peer_of(protocol) as (transport, _peer):
        assert isinstance(transport, asyncio.Transport)
        assert "ssl" in type(transport).__name__.lower()
        assert transport.get_protocol() is protocol
        assert transport.is_reading()
        assert transport.get_extra_info("nothing of the kind", "default") == "default"
        assert transport.get_write_buffer_limits() == (128 * 1024, 512 * 1024)
        assert transport.get_read_buffer_limits() == (64 * 1024, 256 * 1024)
        assert transport.get_write_buffer_size() == transport.get_read_buffer_size() == 0
        with pytest.raises(ValueError, match=r"high \(1\) must be >= low \(2\) must be >= 0"):
            transport.set_write_buffer_limits(1, 2)
        transport.set_write_buffer_limits(low=100)
        assert transport.get_write_buffer_limits() == (100, 400)
        with pytest.raises(TypeError, match="data: expecting a bytes-like instance, got str"):
            transport.write("text")
        transport.write(b"")
        assert repr(transport)


async def test_unread_data_pauses_the_peer(loop: Loop) -> None:
    protocol = Recorder()
    async with peer_of(protocol, snd_buffer=20_000, rcv_buffer=20_000) as (transport, peer):
        transport.pause_reading()
        sending = loop.create_task(peer.send(b"x" * 5_000_000))
        # Through such small buffers it comes as fast as the kernel likes.
        while transport.get_read_buffer_size() < 256 * 1024:
            await turns(1)
        await turns(2000)
        assert not sending.done()
        assert transport.get_read_buffer_size() < 600_000
        assert protocol.data == b""
        transport.resume_reading()
        await protocol.received(5_000_000)
        await sending


async def test_records_in_any_number_of_parts_are_put_together(loop: Loop) -> None:
    protocol = Recorder()
    async with peer_of(protocol) as (_transport, peer):
        message = bytes(range(256)) * 20
        records = peer.encrypted(message, b"", b"small", message)
        for size in (1, 4, 5, 6, 100, 5000):
            for start in range(0, min(len(records), size * 40), size):
                await peer.send_raw(records[start : start + size])
                await turns(2)
            await peer.send_raw(records[min(len(records), size * 40) :])
            records = peer.encrypted(message, b"small", message)
        expected = (message + b"small" + message) * 6
        assert await protocol.received(len(expected)) == expected


async def test_a_bytearray_that_changes_after_the_write_is_sent_as_it_was(loop: Loop) -> None:
    protocol = Recorder()
    async with peer_of(protocol, snd_buffer=20_000, rcv_buffer=20_000) as (transport, peer):
        if type(transport).__module__.startswith("asyncio"):
            pytest.skip("the stdlib may send what stands there later")
        data = bytearray(b"a" * 400_000)
        transport.write(data)
        data[:] = b"b" * len(data)
        assert await peer.receive(400_000) == b"a" * 400_000


async def test_writes_from_within_callbacks_keep_their_order(loop: Loop) -> None:
    class Answers(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            for byte in data:
                self.transport.write(bytes([byte]) * 1000)

        def resume_writing(self) -> None:
            self.transport.write(b"!")

    protocol = Answers()
    async with peer_of(protocol) as (_transport, peer):
        await peer.send(b"abc", b"def")
        expected = b"".join(bytes([byte]) * 1000 for byte in b"abcdef")
        assert await peer.receive(6000) == expected
