"""The stdlib's streams over the transports of the loop under test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from .support import Loop, Reports, port_of, turns

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _open(
    handler: Handler, **kwargs: int
) -> tuple[asyncio.AbstractServer, asyncio.StreamReader, asyncio.StreamWriter]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server), **kwargs)
    return server, reader, writer


async def _handlers_end() -> None:
    """Wait for the tasks of the handlers; a cancelled one confuses the streams of 3.11."""
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)
    await turns(2)


async def _close(server: asyncio.AbstractServer, writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()
    await _handlers_end()
    server.close()
    await server.wait_closed()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def test_lines_come_back(loop: Loop) -> None:
    server, reader, writer = await _open(_echo)
    for i in range(50):
        writer.write(b"line %d\n" % i)
        assert await reader.readline() == b"line %d\n" % i
    await _close(server, writer)


async def test_much_data_comes_back_with_drain(loop: Loop) -> None:
    server, reader, writer = await _open(_echo)

    async def send() -> None:
        for _ in range(100):
            writer.write(b"x" * 50_000)
            await writer.drain()
        writer.write_eof()

    sending = loop.create_task(send())
    assert len(await reader.read()) == 5_000_000
    await sending
    await _close(server, writer)


async def test_readexactly_and_readuntil_find_their_borders(loop: Loop) -> None:
    server, reader, writer = await _open(_echo)
    writer.write(b"abcdef;ghi")
    assert await reader.readexactly(2) == b"ab"
    assert await reader.readuntil(b";") == b"cdef;"
    writer.write_eof()
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await reader.readexactly(10)
    assert caught.value.partial == b"ghi"
    await _close(server, writer)


async def test_the_end_of_the_stream_is_seen(loop: Loop) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.close()
        await writer.wait_closed()

    server, reader, writer = await _open(hang_up)
    assert await reader.read() == b"bye"
    assert reader.at_eof()
    assert await reader.read() == b""
    await _close(server, writer)


async def test_a_line_over_the_limit_is_a_value_error(loop: Loop) -> None:
    server, reader, writer = await _open(_echo, limit=100)
    writer.write(b"x" * 500 + b"\n")
    with pytest.raises(ValueError, match="chunk exceed the limit|chunk is longer than limit"):
        await reader.readline()
    await _close(server, writer)


async def test_a_reader_that_does_not_read_pauses_the_writer(loop: Loop) -> None:
    release = asyncio.Event()

    async def lazy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        while await reader.read(1 << 20):
            pass
        writer.close()
        await writer.wait_closed()

    server, _, writer = await _open(lazy)

    async def pump() -> None:
        for _ in range(300):
            writer.write(b"x" * 100_000)
            await writer.drain()

    pumping = loop.create_task(pump())
    await turns(200)
    assert not pumping.done()
    release.set()
    await pumping
    await _close(server, writer)


async def test_drain_after_the_peer_is_gone_is_a_connection_error(loop: Loop) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    server, _, writer = await _open(hang_up)
    with pytest.raises(ConnectionError):
        for _ in range(1000):
            writer.write(b"x" * 100_000)
            await writer.drain()
            await asyncio.sleep(0)
    writer.close()
    with pytest.raises(ConnectionError):
        await writer.wait_closed()
    server.close()
    await _handlers_end()


async def test_an_exception_in_a_handler_is_reported(loop: Loop, reports: Reports) -> None:
    async def fails(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        raise LookupError("handler")

    server, reader, writer = await _open(fails)
    assert await reader.read() == b""
    await _close(server, writer)
    await turns(3)
    assert any(isinstance(report.get("exception"), LookupError) for report in reports)
    reports.clear()


async def test_streams_over_unix_sockets_work(loop: Loop, tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = str(tmp_path / "socket")
    server = await asyncio.start_unix_server(_echo, path)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"unix\n")
    assert await reader.readline() == b"unix\n"
    await _close(server, writer)


async def test_a_hundred_clients_are_served_side_by_side(loop: Loop) -> None:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0, backlog=200)

    async def client(n: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        for _ in range(5):
            writer.write(b"%d\n" % n)
            line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line

    assert await asyncio.gather(*(client(n) for n in range(100))) == [
        b"%d\n" % n for n in range(100)
    ]
    server.close()
    await _handlers_end()


async def test_a_cancelled_read_loses_nothing(loop: Loop) -> None:
    server, reader, writer = await _open(_echo)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(reader.readline(), 0.002)
    writer.write(b"whole line\n")
    assert await reader.readline() == b"whole line\n"
    await _close(server, writer)


async def test_is_closing_tells(loop: Loop) -> None:
    server, _, writer = await _open(_echo)
    assert writer.is_closing() is False
    writer.close()
    assert writer.is_closing() is True
    await _close(server, writer)
