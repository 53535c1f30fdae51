"""Stream transports over TCP and Unix sockets: bytes in order, closing, half-closing, and what is lost when."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from .support import Loop, Recorder, connected, tcp_sockets, turns

both_families = pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])


@both_families
async def test_bytes_arrive_in_order_none_lost_none_doubled(loop: Loop, unix: bool) -> None:
    async with connected(Recorder, Recorder, unix=unix) as pair:
        sent = bytearray()
        for i in range(3000):
            chunk = struct.pack(">I", i) * (1 + i % 50)
            sent += chunk
            pair.client_transport.write(chunk)
            if i % 100 == 0:
                await asyncio.sleep(0)
        assert await pair.server.received(len(sent)) == sent


@both_families
async def test_both_directions_flow_at_once(loop: Loop, unix: bool) -> None:
    async with connected(Recorder, Recorder, unix=unix) as pair:
        size = 3_000_000
        pair.client_transport.write(b"c" * size)
        pair.server_transport.write(b"s" * size)
        assert await pair.server.received(size) == b"c" * size
        assert await pair.client.received(size) == b"s" * size


async def test_connection_made_comes_first_and_only_once(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        assert pair.client.events == ["made"]
        assert pair.client.transport is pair.client_transport
        pair.server_transport.write(b"x")
        await pair.client.received(1)
        assert pair.client.events == ["made", "data"]


async def test_data_received_gets_bytes(loop: Loop) -> None:
    kinds: list[type] = []

    class Kinds(Recorder):
        def data_received(self, data: bytes) -> None:
            kinds.append(type(data))
            super().data_received(data)

    async with connected(Kinds, Recorder) as pair:
        pair.server_transport.write(bytearray(b"x" * 100))
        await pair.client.received(100)
        assert set(kinds) == {bytes}


async def test_close_flushes_what_was_written(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        size = 5_000_000
        pair.client_transport.write(b"x" * size)
        pair.client_transport.write(b"end")
        pair.client_transport.close()
        assert (await pair.server.received(size + 3))[-3:] == b"end"
        assert await pair.client.lost is None
        assert await pair.server.lost is None


async def test_close_with_a_slow_reader_still_flushes(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.server_transport.pause_reading()
        pair.client_transport.write(b"x" * 8_000_000)
        pair.client_transport.close()
        await turns(5)
        assert not pair.client.lost.done()
        assert pair.client_transport.is_closing()
        pair.server_transport.resume_reading()
        await pair.server.received(8_000_000)
        assert await pair.client.lost is None


async def test_after_close_nothing_is_received_any_more(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.server_transport.write(b"too late")
        pair.client_transport.close()
        await pair.client.lost
        assert pair.client.data == b""
        assert pair.client.events == ["made", "lost"]


async def test_abort_drops_what_was_not_sent_yet(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.server_transport.pause_reading()
        pair.client_transport.write(b"x" * 20_000_000)
        pair.client_transport.abort()
        assert await pair.client.lost is None
        pair.server_transport.resume_reading()
        await pair.server.lost
        assert len(pair.server.data) < 20_000_000


@pytest.mark.parametrize("method", ["close", "abort"])
async def test_connection_lost_is_never_called_from_close_or_abort_themselves(
    loop: Loop, method: str
) -> None:
    async with connected(Recorder, Recorder) as pair:
        getattr(pair.client_transport, method)()
        assert not pair.client.lost.done()
        assert pair.client_transport.is_closing() is True
        assert await pair.client.lost is None


async def test_connection_lost_is_called_exactly_once(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.close()
        pair.client_transport.close()
        pair.client_transport.abort()
        pair.client_transport.abort()
        pair.client_transport.close()
        await pair.client.lost
        await pair.server.lost
        await turns(5)
        assert pair.client.events.count("lost") == 1
        assert pair.server.events.count("lost") == 1


@pytest.mark.asyncio_bug("abort() after a close that had to flush is an AttributeError")
async def test_abort_after_connection_lost_is_nothing(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.write(b"x" * 5_000_000)
        pair.client_transport.close()
        await pair.client.lost
        pair.client_transport.abort()
        pair.client_transport.close()
        await turns(2)
        assert pair.client.events.count("lost") == 1


async def test_close_from_data_received_works(loop: Loop) -> None:
    class Closing(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.close()

    async with connected(Closing, Recorder) as pair:
        pair.server_transport.write(b"x")
        assert await pair.client.lost is None
        assert pair.client.events == ["made", "data", "lost"]


async def test_close_from_connection_made_works(loop: Loop) -> None:
    class Closing(Recorder):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            transport.close()

    async with connected(Closing, Recorder) as pair:
        await pair.client.lost
        await pair.server.lost
        assert pair.client.events == ["made", "lost"]


async def test_closing_the_peer_in_the_same_batch_is_survived(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.write(b"x")
        pair.server_transport.write(b"y")
        loop.call_soon(pair.client_transport.abort)
        loop.call_soon(pair.server_transport.abort)
        await pair.client.lost
        await pair.server.lost


async def test_the_end_of_the_stream_closes_the_transport(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.server_transport.write(b"bye")
        pair.server_transport.close()
        assert await pair.client.lost is None
        assert pair.client.data == b"bye"
        assert pair.client.events[-2:] == ["eof", "lost"]


async def test_eof_received_may_keep_the_transport_open(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client.keep_open = True
        pair.server_transport.write_eof()
        await pair.client.eof
        assert not pair.client_transport.is_closing()
        pair.client_transport.write(b"still writing")
        assert await pair.server.received(13) == b"still writing"
        assert "lost" not in pair.client.events
        pair.client_transport.close()
        assert await pair.client.lost is None
        assert await pair.server.lost is None


@both_families
async def test_write_eof_comes_after_all_that_was_written(loop: Loop, unix: bool) -> None:
    async with connected(Recorder, Recorder, unix=unix) as pair:
        pair.server.keep_open = True
        pair.client_transport.write(b"x" * 4_000_000)
        pair.client_transport.write_eof()
        await pair.server.eof
        assert len(pair.server.data) == 4_000_000
        pair.server_transport.write(b"answer")
        assert await pair.client.received(6) == b"answer"


async def test_write_eof_twice_is_once(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        assert pair.client_transport.can_write_eof() is True
        pair.client_transport.write_eof()
        pair.client_transport.write_eof()
        await pair.server.lost
        assert pair.server.events == ["made", "eof", "lost"]


async def test_writing_after_write_eof_is_a_runtime_error(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.server.keep_open = True
        pair.client_transport.write_eof()
        with pytest.raises(RuntimeError, match=r"^Cannot call write\(\) after write_eof\(\)$"):
            pair.client_transport.write(b"x")


async def test_write_eof_on_a_closing_transport_is_nothing(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.close()
        pair.client_transport.write_eof()
        await pair.client.lost


async def test_a_reset_by_the_peer_is_the_exception_of_connection_lost(loop: Loop) -> None:
    a, b = tcp_sockets()
    transport, protocol = await loop.create_connection(Recorder, sock=a)
    b.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    b.close()
    exc = await protocol.lost
    assert isinstance(exc, ConnectionResetError)
    assert transport.is_closing()


async def test_a_write_that_fails_ends_in_connection_lost(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client.keep_open = True
        pair.client_transport.pause_reading()
        pair.server_transport.abort()
        await pair.server.lost
        for _ in range(100):
            if pair.client.lost.done():
                break
            pair.client_transport.write(b"x" * 100_000)
            await asyncio.sleep(0)
        exc = await pair.client.lost
        assert isinstance(exc, (BrokenPipeError, ConnectionResetError))


async def test_is_closing_and_is_reading_tell_the_state(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        transport = pair.client_transport
        assert transport.is_closing() is False
        assert transport.is_reading() is True
        transport.pause_reading()
        assert transport.is_reading() is False
        transport.resume_reading()
        assert transport.is_reading() is True
        transport.close()
        assert transport.is_closing() is True
        assert transport.is_reading() is False


async def test_the_socket_is_closed_after_connection_lost(loop: Loop) -> None:
    a, b = tcp_sockets()
    transport, protocol = await loop.create_connection(Recorder, sock=a)
    assert a.fileno() != -1
    transport.close()
    await protocol.lost
    await turns(2)
    assert a.fileno() == -1
    b.setblocking(True)
    assert b.recv(1) == b""
    b.close()


async def test_a_transport_is_a_real_asyncio_transport(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        for transport in (pair.client_transport, pair.server_transport):
            assert isinstance(transport, asyncio.Transport)
            assert isinstance(transport, asyncio.ReadTransport)
            assert isinstance(transport, asyncio.WriteTransport)


async def test_transports_can_be_weakly_referenced_and_hashed(loop: Loop) -> None:
    import weakref

    async with connected(Recorder, Recorder) as pair:
        assert weakref.ref(pair.client_transport)() is pair.client_transport
        assert len({pair.client_transport, pair.server_transport}) == 2
        assert pair.client_transport == pair.client_transport


async def test_set_protocol_hands_the_stream_over(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.server_transport.write(b"first")
        await pair.client.received(5)
        second = Recorder()
        assert pair.client_transport.get_protocol() is pair.client
        pair.client_transport.set_protocol(second)
        assert pair.client_transport.get_protocol() is second
        pair.server_transport.write(b"second")
        assert await second.received(6) == b"second"
        assert pair.client.data == b"first"
        pair.server_transport.close()
        await second.lost
        assert second.events[-2:] == ["eof", "lost"]
        assert "lost" not in pair.client.events


async def test_the_protocol_may_be_changed_from_data_received(loop: Loop) -> None:
    second = Recorder()

    class Handover(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.set_protocol(second)

    async with connected(Handover, Recorder) as pair:
        pair.server_transport.write(b"x")
        await pair.client.received(1)
        pair.server_transport.write(b"yz")
        assert await second.received(2) == b"yz"
        assert pair.client.data == b"x"


async def test_the_default_eof_received_closes(loop: Loop) -> None:
    lost = loop.create_future()

    class Minimal(asyncio.Protocol):
        def connection_lost(self, exc: BaseException | None) -> None:
            lost.set_result(exc)

    async with connected(Minimal, Recorder) as pair:
        pair.server_transport.write_eof()
        assert await lost is None


async def test_many_connections_come_and_go(loop: Loop) -> None:
    for _ in range(50):
        async with connected(Recorder, Recorder, unix=True) as pair:
            pair.client_transport.write(b"ping")
            assert await pair.server.received(4) == b"ping"
            pair.server_transport.write(b"pong")
            assert await pair.client.received(4) == b"pong"
