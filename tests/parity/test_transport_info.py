"""What a transport tells about itself: extra info and repr."""

from __future__ import annotations

import asyncio
import re
import socket

from .support import Loop, Recorder, connected, port_of, turns


async def test_tcp_transports_know_socket_and_both_names(loop: Loop) -> None:
    server = await loop.create_server(Recorder, "127.0.0.1", 0)
    transport, _ = await loop.create_connection(Recorder, "127.0.0.1", port_of(server))
    sock = transport.get_extra_info("socket")
    assert transport.get_extra_info("sockname") == sock.getsockname()
    assert transport.get_extra_info("peername") == ("127.0.0.1", port_of(server))
    transport.close()
    server.close()
    await turns(3)


async def test_the_names_stay_known_after_the_close(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        names = [pair.client_transport.get_extra_info(key) for key in ("sockname", "peername")]
        assert all(names)
        pair.client_transport.close()
        await pair.client.lost
        await turns(2)
        assert [
            pair.client_transport.get_extra_info(key) for key in ("sockname", "peername")
        ] == names


async def test_unix_transports_have_names_too(loop: Loop) -> None:
    async with connected(Recorder, Recorder, unix=True) as pair:
        assert pair.client_transport.get_extra_info("sockname") == ""
        assert pair.client_transport.get_extra_info("peername") == ""


async def test_unknown_keys_give_the_default(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        assert pair.client_transport.get_extra_info("nonsense") is None
        assert pair.client_transport.get_extra_info("nonsense", 5) == 5
        assert pair.client_transport.get_extra_info("ssl_object") is None
        assert pair.client_transport.get_extra_info("sslcontext") is None


async def test_the_socket_is_a_transport_socket_that_cannot_be_read_from(loop: Loop) -> None:
    from asyncio.trsock import TransportSocket

    async with connected(Recorder, Recorder) as pair:
        sock = pair.client_transport.get_extra_info("socket")
        assert isinstance(sock, TransportSocket)
        assert sock.family == socket.AF_INET
        assert sock.type == socket.SOCK_STREAM
        assert sock.fileno() >= 0
        assert sock.gettimeout() == 0
        assert not hasattr(sock, "recv")
        assert sock is pair.client_transport.get_extra_info("socket")


async def test_socket_options_can_be_set_through_it(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        sock = pair.client_transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


async def test_the_repr_tells_fd_and_state(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        transport = pair.client_transport
        fd = transport.get_extra_info("socket").fileno()
        assert re.fullmatch(
            rf"<\S+ fd={fd} read=polling write=<idle, bufsize=0>>", repr(transport)
        ), repr(transport)
        transport.pause_reading()
        assert " read=idle " in repr(transport)
        pair.server_transport.pause_reading()
        transport.write(b"x" * 20_000_000)
        await turns(3)
        size = transport.get_write_buffer_size()
        assert f" write=<polling, bufsize={size}>>" in repr(transport)


async def test_the_repr_tells_when_it_is_closing_or_closed(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.server_transport.pause_reading()
        pair.client_transport.write(b"x" * 20_000_000)
        pair.client_transport.close()
        assert " closing " in repr(pair.client_transport)
        pair.server_transport.abort()
        await pair.client.lost
        await turns(2)
        assert " closed " in repr(pair.client_transport) or " closing " in repr(
            pair.client_transport
        )


async def test_protocols_of_streams_see_the_same_info(loop: Loop) -> None:
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    _, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    assert writer.get_extra_info("peername") == ("127.0.0.1", port_of(server))
    writer.close()
    await writer.wait_closed()
    server.close()
    await turns(3)
