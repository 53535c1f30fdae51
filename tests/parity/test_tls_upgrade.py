"""`start_tls` in the middle of things: bytes under way, writing paused, handshakes that fail, TLS over TLS."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest

from .support import Loop, Recorder, Reports, client_tls, connected, server_tls, tcp_sockets, turns
from .tls_peer import Peer


async def _plain(protocol: Recorder) -> tuple[Any, Peer]:
    """Give a plain client transport, and a peer that will speak TLS when asked."""
    loop = asyncio.get_running_loop()
    a, b = tcp_sockets()
    transport, _ = await loop.create_connection(lambda: protocol, sock=a)
    return transport, Peer(loop, b, server_tls(), server_side=True)


async def test_what_was_written_before_goes_out_in_plain(loop: Loop) -> None:
    protocol = Recorder()
    plain, peer = await _plain(protocol)
    with peer.sock:
        plain.write(b"STARTTLS\n")
        upgrading = loop.create_task(
            loop.start_tls(plain, protocol, client_tls(), server_hostname="localhost")
        )
        assert await loop.sock_recv(peer.sock, 9) == b"STARTTLS\n"
        await peer.shake_hands()
        transport = await upgrading
        assert transport is not None
        transport.write(b"secret")
        assert await peer.receive(6) == b"secret"
        transport.abort()
        await protocol.lost


@pytest.mark.asyncio_bug("it waits for ever: the protocol below never hears that it may go on")
async def test_writing_may_be_paused(loop: Loop) -> None:
    protocol = Recorder()
    plain, peer = await _plain(protocol)
    with peer.sock:
        size = 0
        while "pause" not in protocol.events:
            plain.write(b"x" * 100_000)
            size += 100_000
        upgrading = loop.create_task(
            loop.start_tls(plain, protocol, client_tls(), server_hostname="localhost")
        )
        while size:
            size -= len(await loop.sock_recv(peer.sock, min(size, 65536)))
        await peer.shake_hands()
        transport = await upgrading
        assert transport is not None
        await turns(3)
        assert protocol.events[-1] == "resume"
        transport.write(b"secret")
        assert await peer.receive(6) == b"secret"
        transport.abort()
        await protocol.lost


@pytest.mark.asyncio_since(
    3, 14, "before, what the reader had already was lost, and the handshake with it"
)
async def test_a_handshake_that_the_reader_has_already_is_not_lost(loop: Loop) -> None:
    upgraded: asyncio.Future[bytes] = loop.create_future()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"STARTTLS\n"
        await writer.start_tls(server_tls())
        upgraded.set_result(await reader.readline())
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_tls().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    # In one packet: the request, and the beginning of the handshake.
    writer.write(b"STARTTLS\n" + outgoing.read())
    while True:
        incoming.write(await reader.read(65536))
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        else:
            break
    tls.write(b"secret\n")
    writer.write(outgoing.read())
    assert await upgraded == b"secret\n"
    writer.close()
    server.close()
    await server.wait_closed()


async def test_streams_upgrade_both_sides(loop: Loop) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"go ahead\n")
        await writer.drain()
        await writer.start_tls(server_tls())
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"STARTTLS\n")
    assert await reader.readline() == b"go ahead\n"
    await writer.start_tls(client_tls(), server_hostname="localhost")
    assert writer.get_extra_info("ssl_object") is not None
    writer.write(b"hello\n")
    assert await reader.read() == b"HELLO\n"
    writer.close()
    server.close()
    await server.wait_closed()


async def test_a_cancelled_upgrade_closes_the_connection(loop: Loop) -> None:
    protocol = Recorder()
    plain, peer = await _plain(protocol)
    with peer.sock:
        upgrading = loop.create_task(
            loop.start_tls(plain, protocol, client_tls(), server_hostname="localhost")
        )
        await turns(5)
        upgrading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upgrading
        await peer.until_closed()
        assert plain.is_closing()


@pytest.mark.asyncio_bug("it does not tell the protocol of the end")
async def test_an_upgrade_that_takes_too_long_ends_the_connection(loop: Loop) -> None:
    protocol = Recorder()
    plain, peer = await _plain(protocol)
    with peer.sock:
        with pytest.raises(ConnectionAbortedError, match="SSL handshake is taking longer"):
            await loop.start_tls(
                plain,
                protocol,
                client_tls(),
                server_hostname="localhost",
                ssl_handshake_timeout=0.01,
            )
        assert isinstance(await protocol.lost, ConnectionAbortedError)
        assert protocol.events.count("lost") == 1


async def test_an_upgrade_of_a_closed_transport_fails(loop: Loop, reports: Reports) -> None:
    protocol = Recorder()
    plain, peer = await _plain(protocol)
    with peer.sock:
        plain.abort()
        await protocol.lost
        if type(plain).__module__.startswith("asyncio"):
            pytest.skip("the stdlib waits until the handshake times out, or fails in an assertion")
        with pytest.raises(OSError, match="lost|closed"):
            await loop.start_tls(
                plain, protocol, client_tls(), server_hostname="localhost", ssl_handshake_timeout=5
            )


async def _tls_over_tls(loop: Loop) -> tuple[Any, Any, Recorder, Recorder]:
    a, b = tcp_sockets()
    near, client = await loop.create_connection(Recorder, sock=a)
    far, server = await loop.connect_accepted_socket(Recorder, b)
    upper_near: Any = near
    upper_far: Any = far
    for _ in range(2):
        upper_near, upper_far = await asyncio.gather(
            loop.start_tls(upper_near, client, client_tls(), server_hostname="localhost"),
            loop.start_tls(upper_far, server, server_tls(), server_side=True),
        )
    return upper_near, upper_far, client, server


async def test_tls_over_tls_carries_much_data_both_ways_and_ends(loop: Loop) -> None:
    near, far, client, server = await _tls_over_tls(loop)
    data = bytes(range(256)) * 10_000
    near.write(data)
    far.write(data[::-1])
    assert await server.received(len(data)) == data
    assert await client.received(len(data)) == data[::-1]
    assert near.get_extra_info("ssl_object") is not None
    assert near.get_extra_info("socket") is not None
    near.close()
    assert await client.lost is None
    assert await server.lost is None
    assert server.events[-2:] == ["eof", "lost"]


async def test_close_flushes_through_two_layers(loop: Loop) -> None:
    near, _far, client, server = await _tls_over_tls(loop)
    near.write(b"x" * 2_000_000)
    near.close()
    assert await client.lost is None
    assert await server.lost is None
    assert len(server.data) == 2_000_000


async def test_abort_goes_through_two_layers(loop: Loop) -> None:
    near, _far, client, server = await _tls_over_tls(loop)
    near.abort()
    await client.lost
    await server.lost
    assert client.events.count("lost") == server.events.count("lost") == 1


async def test_flow_control_goes_through_two_layers(loop: Loop) -> None:
    near, far, client, server = await _tls_over_tls(loop)
    far.pause_reading()
    size = 0
    while "pause" not in client.events:
        near.write(b"x" * 100_000)
        size += 100_000
        await asyncio.sleep(0)
        assert size < 100_000_000
    far.resume_reading()
    await server.received(size)
    await turns(5)
    assert client.events[-1] == "resume"
    near.close()
    await client.lost
    await server.lost


async def test_an_upgrade_of_a_transport_that_is_gone_below_tells_once(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        upgrading = loop.create_task(
            loop.start_tls(
                pair.client_transport, pair.client, client_tls(), server_hostname="localhost"
            )
        )
        await turns(3)
        pair.server_transport.abort()
        with pytest.raises(OSError):
            await upgrading
        await turns(5)
        assert pair.client.events.count("lost") <= 1
