"""TLS: `ssl=` on both sides, `start_tls` on both sides, and handshakes that fail."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import pytest

from .support import (
    Loop,
    Recorder,
    Reports,
    Serving,
    client_tls,
    connected,
    port_of,
    server_tls,
    tcp_sockets,
    turns,
)


class Echo(asyncio.Protocol):
    """Sends back what it gets."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def _server(loop: Loop, factory: Any = Echo, **kwargs: Any) -> asyncio.AbstractServer:
    return await loop.create_server(factory, "127.0.0.1", 0, ssl=server_tls(), **kwargs)


async def _connect(
    loop: Loop, server: asyncio.AbstractServer, **kwargs: Any
) -> tuple[Any, Recorder]:
    kwargs.setdefault("ssl", client_tls())
    kwargs.setdefault("server_hostname", "localhost")
    transport, protocol = await loop.create_connection(
        Recorder, "127.0.0.1", port_of(server), **kwargs
    )
    return transport, protocol


async def _end(server: asyncio.AbstractServer, *protocols: Recorder) -> None:
    for protocol in protocols:
        protocol.transport.close()
        await protocol.lost
    server.close()
    await server.wait_closed()


async def test_bytes_go_both_ways(loop: Loop) -> None:
    server = await _server(loop)
    transport, protocol = await _connect(loop, server)
    transport.write(b"hello")
    assert await protocol.received(5) == b"hello"
    await _end(server, protocol)


async def test_much_data_arrives_whole_and_in_order(loop: Loop) -> None:
    server = await _server(loop)
    transport, protocol = await _connect(loop, server)
    data = bytes(range(256)) * 8000
    for start in range(0, len(data), 50_000):
        transport.write(data[start : start + 50_000])
        await asyncio.sleep(0)
    assert await protocol.received(len(data)) == data
    await _end(server, protocol)


async def test_close_flushes_and_tells_the_other_side(loop: Loop) -> None:
    serving = Serving()
    server = await _server(loop, serving)
    transport, protocol = await _connect(loop, server)
    transport.write(b"x" * 1_000_000)
    transport.close()
    assert await protocol.lost is None
    [accepted] = await serving.made(1)
    assert await accepted.lost is None
    assert len(accepted.data) == 1_000_000
    assert accepted.events[-2:] == ["eof", "lost"]
    await _end(server)


async def test_extra_info_tells_about_the_session(loop: Loop) -> None:
    server = await _server(loop)
    context = client_tls()
    transport, protocol = await _connect(loop, server, ssl=context)
    assert transport.get_extra_info("sslcontext") is context
    assert isinstance(transport.get_extra_info("ssl_object"), ssl.SSLObject)
    assert transport.get_extra_info("peercert")["subject"] == ((("commonName", "localhost"),),)
    assert len(transport.get_extra_info("cipher")) == 3
    assert transport.get_extra_info("compression") is None
    assert transport.get_extra_info("peername") == ("127.0.0.1", port_of(server))
    assert transport.get_extra_info("socket").fileno() > 0
    await _end(server, protocol)


async def test_the_host_is_the_server_hostname_if_none_is_given(loop: Loop) -> None:
    server = await _server(loop)
    transport, protocol = await loop.create_connection(
        Recorder, "127.0.0.1", port_of(server), ssl=client_tls()
    )
    assert transport.get_extra_info("ssl_object").server_hostname == "127.0.0.1"
    await _end(server, protocol)


async def test_alpn_is_agreed_on(loop: Loop) -> None:
    theirs = server_tls()
    theirs.set_alpn_protocols(["h2", "http/1.1"])
    server = await loop.create_server(Echo, "127.0.0.1", 0, ssl=theirs)
    mine = client_tls()
    mine.set_alpn_protocols(["http/1.1"])
    transport, protocol = await _connect(loop, server, ssl=mine)
    assert transport.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
    await _end(server, protocol)


async def test_tls_1_2_works_too(loop: Loop) -> None:
    server = await _server(loop)
    context = client_tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    transport, protocol = await _connect(loop, server, ssl=context)
    assert transport.get_extra_info("ssl_object").version() == "TLSv1.2"
    transport.write(b"old")
    assert await protocol.received(3) == b"old"
    await _end(server, protocol)


async def test_client_certificates_are_seen_by_the_server(loop: Loop) -> None:
    theirs = server_tls()
    theirs.verify_mode = ssl.CERT_REQUIRED
    from .support import CERTS

    theirs.load_verify_locations(CERTS / "stranger.pem")
    serving = Serving()
    server = await loop.create_server(serving, "127.0.0.1", 0, ssl=theirs)
    mine = client_tls()
    mine.load_cert_chain(CERTS / "stranger.pem")
    transport, protocol = await _connect(loop, server, ssl=mine)
    transport.write(b"x")
    [accepted] = await serving.made(1)
    await accepted.received(1)
    assert accepted.transport.get_extra_info("peercert")["subject"] == (
        (("commonName", "stranger"),),
    )
    await _end(server, protocol)


async def test_an_untrusted_certificate_is_refused(loop: Loop, reports: Reports) -> None:
    server = await _server(loop)
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
        await _connect(loop, server, ssl=client_tls("stranger"))
    await turns(5)
    reports.clear()
    await _end(server)


async def test_the_wrong_name_is_refused(loop: Loop, reports: Reports) -> None:
    server = await _server(loop)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        await _connect(loop, server, server_hostname="example.com")
    await turns(5)
    reports.clear()
    await _end(server)


async def test_a_peer_that_does_not_speak_tls_is_an_ssl_error(loop: Loop, reports: Reports) -> None:
    class Babble(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            transport.write(b"220 this is no TLS\r\n" * 10)

    server = await loop.create_server(Babble, "127.0.0.1", 0)
    with pytest.raises(ssl.SSLError):
        await _connect(loop, server)
    reports.clear()
    server.close()
    await turns(5)


async def test_a_peer_that_hangs_up_during_the_handshake_is_a_connection_error(
    loop: Loop, reports: Reports
) -> None:
    class HangsUp(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            self.transport.close()

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

    server = await loop.create_server(HangsUp, "127.0.0.1", 0)
    with pytest.raises(ConnectionResetError):
        await _connect(loop, server)
    reports.clear()
    server.close()
    await turns(5)


async def test_a_handshake_that_takes_too_long_is_aborted(loop: Loop) -> None:
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    with pytest.raises(
        ConnectionAbortedError,
        match="SSL handshake is taking longer than 0.01 seconds: aborting the connection",
    ):
        await _connect(loop, server, ssl_handshake_timeout=0.01)
    server.close()
    await turns(5)


async def test_a_server_aborts_a_client_that_never_shakes_hands(
    loop: Loop, reports: Reports
) -> None:
    server = await _server(loop, ssl_handshake_timeout=0.01)
    _, protocol = await loop.create_connection(Recorder, "127.0.0.1", port_of(server))
    await protocol.lost
    reports.clear()
    server.close()
    await turns(3)


@pytest.mark.asyncio_bug("it leaves the socket to the garbage collector, which warns")
@pytest.mark.parametrize("seconds", [0, -1])
async def test_a_timeout_that_makes_no_sense_is_a_value_error(loop: Loop, seconds: int) -> None:
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    with pytest.raises(
        ValueError, match=f"ssl_handshake_timeout should be a positive number, got {seconds}"
    ):
        await _connect(loop, server, ssl_handshake_timeout=seconds)
    server.close()
    await turns(5)


async def test_start_tls_upgrades_both_sides(loop: Loop) -> None:
    a, b = tcp_sockets()
    near, client = await loop.create_connection(Recorder, sock=a)
    far, server = await loop.connect_accepted_socket(Recorder, b)
    near.write(b"plain")
    await server.received(5)
    near_tls, far_tls = await asyncio.gather(
        loop.start_tls(near, client, client_tls(), server_hostname="localhost"),
        loop.start_tls(far, server, server_tls(), server_side=True),
    )
    assert near_tls is not None
    assert far_tls is not None
    near_tls.write(b"secret")
    assert await server.received(11) == b"plainsecret"
    far_tls.write(b"answer")
    assert await client.received(6) == b"answer"
    assert near_tls.get_extra_info("ssl_object") is not None
    near_tls.close()
    await client.lost
    await server.lost
    assert client.events.count("made") == 1


async def test_start_tls_that_fails_raises_and_closes(loop: Loop, reports: Reports) -> None:
    a, b = tcp_sockets()
    near, client = await loop.create_connection(Recorder, sock=a)
    far, server = await loop.connect_accepted_socket(Recorder, b)
    results = await asyncio.gather(
        loop.start_tls(near, client, client_tls("stranger"), server_hostname="localhost"),
        loop.start_tls(far, server, server_tls(), server_side=True),
        return_exceptions=True,
    )
    assert isinstance(results[0], ssl.SSLCertVerificationError)
    assert isinstance(results[1], (ssl.SSLError, ConnectionError))
    await turns(5)
    reports.clear()


async def test_start_tls_wants_a_context(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        with pytest.raises(
            TypeError,
            match="^sslcontext is expected to be an instance of ssl.SSLContext, got None$",
        ):
            await loop.start_tls(pair.client_transport, pair.client, None)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="is not supported by start_tls"):
            await loop.start_tls(object(), pair.client, client_tls())  # type: ignore[arg-type]


async def test_tls_over_tls_works(loop: Loop) -> None:
    a, b = tcp_sockets()
    near, client = await loop.create_connection(Recorder, sock=a)
    far, server = await loop.connect_accepted_socket(Recorder, b)
    for _ in range(2):
        near, far = await asyncio.gather(  # type: ignore[assignment]
            loop.start_tls(near, client, client_tls(), server_hostname="localhost"),
            loop.start_tls(far, server, server_tls(), server_side=True),
        )
    near.write(b"wrapped twice")
    assert await server.received(13) == b"wrapped twice"
    near.close()
    await client.lost
    await server.lost


async def test_flow_control_works_through_tls(loop: Loop) -> None:
    serving = Serving()
    server = await _server(loop, serving)
    transport, protocol = await _connect(loop, server)
    [accepted] = await serving.made(1)
    accepted.transport.pause_reading()
    written = 0
    while "pause" not in protocol.events:
        transport.write(b"x" * 100_000)
        written += 100_000
        await asyncio.sleep(0)
    accepted.transport.resume_reading()
    await accepted.received(written)
    await turns(5)
    assert protocol.events[-1] == "resume"
    await _end(server, protocol)


async def test_abort_ends_a_tls_connection_at_once(loop: Loop) -> None:
    server = await _server(loop)
    transport, protocol = await _connect(loop, server)
    transport.abort()
    await protocol.lost
    await _end(server)


async def test_reading_can_be_paused_through_tls(loop: Loop) -> None:
    server = await _server(loop)
    transport, protocol = await _connect(loop, server)
    transport.pause_reading()
    transport.write(b"x")
    await turns(10)
    assert protocol.data == b""
    transport.resume_reading()
    assert await protocol.received(1) == b"x"
    await _end(server, protocol)


async def test_tls_transports_cannot_half_close(loop: Loop) -> None:
    server = await _server(loop)
    transport, protocol = await _connect(loop, server)
    assert transport.can_write_eof() is False
    with pytest.raises(NotImplementedError):
        transport.write_eof()
    await _end(server, protocol)


async def test_an_accepted_socket_can_speak_tls(loop: Loop) -> None:
    a, b = tcp_sockets()
    near, far = await asyncio.gather(
        loop.create_connection(Recorder, sock=a, ssl=client_tls(), server_hostname="localhost"),
        loop.connect_accepted_socket(Recorder, b, ssl=server_tls()),
    )
    near[0].write(b"x")
    assert await far[1].received(1) == b"x"
    near[0].close()
    await near[1].lost
    await far[1].lost


async def test_tls_over_a_unix_socket_works(loop: Loop, tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = str(tmp_path / "socket")
    server = await loop.create_unix_server(Echo, path, ssl=server_tls())
    transport, protocol = await loop.create_unix_connection(
        Recorder, path, ssl=client_tls(), server_hostname="localhost"
    )
    transport.write(b"x")
    assert await protocol.received(1) == b"x"
    await _end(server, protocol)


async def test_streams_speak_tls(loop: Loop) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=server_tls())
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port_of(server), ssl=client_tls(), server_hostname="localhost"
    )
    writer.write(b"hello\n")
    assert await reader.read() == b"HELLO\n"
    writer.close()
    await writer.wait_closed()
    await _end(server)


async def test_a_blocking_client_of_the_ssl_module_is_served(loop: Loop) -> None:
    server = await _server(loop)

    def client() -> bytes:
        with (
            socket.create_connection(("127.0.0.1", port_of(server))) as raw,
            client_tls().wrap_socket(raw, server_hostname="localhost") as sock,
        ):
            sock.sendall(b"from a thread")
            return sock.recv(100)

    assert await loop.run_in_executor(None, client) == b"from a thread"
    await _end(server)
