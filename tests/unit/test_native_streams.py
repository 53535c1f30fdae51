"""Our own promises of native streams: what costs nothing, what is handed out, what is fed without a call."""

from __future__ import annotations

import asyncio
import gc
import random
import ssl
import weakref
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from aioxide.natives import streams, subprocess

CERTS = Path(__file__).parents[1] / "parity" / "certs"


def _reader(**kwargs: Any) -> streams.StreamReader:
    return streams.StreamReader(loop=asyncio.get_running_loop(), **kwargs)


def _at_once(coro: Coroutine[Any, Any, bytes]) -> bytes:
    """Return what a coroutine returns without ever waiting."""
    with pytest.raises(StopIteration) as stop:
        coro.send(None)
    result: bytes = stop.value.value
    return result


async def turns_until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something has happened."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("it has not happened")


async def _pair(
    **kwargs: Any,
) -> tuple[asyncio.Server, Any, Any, streams.StreamReader, streams.StreamWriter]:
    """Return a server, its streams of one connection, and the client's streams."""
    accepted: list[Any] = []
    is_accepted = asyncio.Event()

    def accept(*both: Any) -> None:
        accepted.extend(both)
        is_accepted.set()

    server = await streams.start_server(accept, "127.0.0.1", 0, **kwargs)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await streams.open_connection("127.0.0.1", port, **kwargs)
    await is_accepted.wait()
    return server, accepted.pop(0), accepted.pop(0), reader, writer


async def _close(server: asyncio.Server, *writers: streams.StreamWriter) -> None:
    for writer in writers:
        writer.close()
    for writer in writers:
        await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def test_what_is_buffered_is_read_without_a_future_or_a_turn(
    loop: asyncio.AbstractEventLoop,
) -> None:
    reader = _reader()
    reader.feed_data(b"one\ntwo\r\n\r\nthree" + b"four\n")
    assert _at_once(reader.readline()) == b"one\n"
    assert _at_once(reader.readuntil(b"\r\n\r\n")) == b"two\r\n\r\n"
    assert _at_once(reader.readexactly(5)) == b"three"
    assert _at_once(reader.__anext__()) == b"four\n"
    reader.feed_data(b"five")
    assert _at_once(reader.read(100)) == b"five"
    reader.feed_eof()
    assert _at_once(reader.read()) == b""


async def test_a_whole_chunk_is_handed_out_as_the_very_object(
    loop: asyncio.AbstractEventLoop,
) -> None:
    reader = _reader()
    first, second = bytes(1000), b"x" * 600
    reader.feed_data(first)
    reader.feed_data(second)
    assert await reader.readexactly(len(first)) is first
    assert await reader.read(4096) is second


async def test_pieces_of_any_size_are_read_as_one_stream(loop: asyncio.AbstractEventLoop) -> None:
    rng = random.Random(5)
    reader = _reader(limit=10**9)
    model = bytearray()
    for _ in range(3000):
        piece = bytes(rng.choices(b"abc\r\n", k=rng.choice((1, 3, 60, 511, 512, 5000))))
        if rng.random() < 0.5 or len(model) < 20:
            reader.feed_data(piece)
            model += piece
            continue
        separator = rng.choice((b"\n", b"\r\n", b"\n\r\n", b"abcab", b"ccc\r"))
        end = model.find(separator)
        count = rng.randrange(1, 9000)
        if end >= 0 and rng.random() < 0.5:
            got = _at_once(reader.readuntil(separator))
            wanted = bytes(model[: end + len(separator)])
        else:
            count = min(count, len(model))
            got, wanted = _at_once(reader.readexactly(count)), bytes(model[:count])
        assert got == wanted
        del model[: len(wanted)]
    assert reader._buffer == model


async def test_the_buffer_that_a_program_holds_is_the_reader_s(
    loop: asyncio.AbstractEventLoop,
) -> None:
    reader = _reader()
    reader.feed_data(b"first second")
    buffer = reader._buffer
    del buffer[:6]
    assert await reader.readexactly(3) == b"sec"
    assert buffer == b"ond"
    reader.feed_data(b" third")
    assert buffer == b"ond third"
    del buffer
    assert await reader.read(100) == b"ond third"
    reader._buffer.extend(b"fourth")
    reader._buffer = reader._buffer[2:]
    assert await reader.read(100) == b"urth"


@pytest.mark.parametrize("read", ["read", "readline", "readuntil", "readexactly"])
async def test_a_read_that_is_cancelled_takes_nothing(
    loop: asyncio.AbstractEventLoop, read: str
) -> None:
    reader = _reader()
    if read != "read":
        reader.feed_data(b"early ")
    size = {"read": (10,), "readexactly": (10,)}.get(read, ())
    task = loop.create_task(getattr(reader, read)(*size))
    await asyncio.sleep(0)
    reader.feed_data(b"more\n")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    reader.feed_eof()
    assert (await reader.read()).endswith(b"more\n")
    assert reader._waiter is None


async def test_bytes_go_there_and_back_over_tls(loop: asyncio.AbstractEventLoop) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(CERTS / "localhost.pem")
    client_side = ssl.create_default_context(cafile=str(CERTS / "localhost.pem"))

    async def echo(reader: streams.StreamReader, writer: streams.StreamWriter) -> None:
        async for line in reader:
            writer.write(line)
            await writer.drain()
        writer.close()

    server = await streams.start_server(echo, "localhost", 0, ssl=server_side)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await streams.open_connection("localhost", port, ssl=client_side)
    for size in (1, 1000, 50_000):
        writer.write(b"x" * size + b"\n")
        assert len(await reader.readline()) == size + 1
    await _close(server, writer)


async def test_a_reader_pauses_its_transport_and_lets_it_go_on(
    loop: asyncio.AbstractEventLoop,
) -> None:
    server, their_reader, their_writer, _, writer = await _pair(limit=1000)
    writer.write(b"x" * 100_000)
    # Wakes with the first bytes; those that came with them, and many that come next, are above the limit.
    await their_reader.readexactly(1)
    await turns_until(lambda: their_reader._paused)
    assert not their_writer.transport.is_reading()
    assert len(await their_reader.readexactly(99_999)) == 99_999
    assert their_writer.transport.is_reading()
    await _close(server, writer, their_writer)


async def test_streams_leave_no_cycles_behind(loop: asyncio.AbstractEventLoop) -> None:
    server, their_reader, their_writer, reader, writer = await _pair()
    writer.write(b"hello\n")
    assert await their_reader.readline() == b"hello\n"
    await _close(server, writer, their_writer)
    parts = [reader, writer, their_reader, their_writer, writer._protocol, their_writer._protocol]
    parts = [weakref.ref(part) for part in parts]
    gc.collect()
    gc.disable()
    try:
        del reader, writer, their_reader, their_writer
        await asyncio.sleep(0)
        assert [part() for part in parts] == [None] * len(parts)
    finally:
        gc.enable()


async def test_a_process_is_talked_to_by_native_streams(loop: asyncio.AbstractEventLoop) -> None:
    process = await subprocess.create_subprocess_exec(
        "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"one\ntwo\n")
    await process.stdin.drain()
    assert await process.stdout.readline() == b"one\n"
    assert isinstance(process.stdout, streams.StreamReader)
    rest, _ = await process.communicate(b"three")
    assert rest == b"two\nthree"
    assert process.returncode == 0


async def test_classes_of_the_stdlib_mix_with_ours(loop: asyncio.AbstractEventLoop) -> None:
    theirs = asyncio.streams.StreamReader(loop=loop)
    protocol = asyncio.streams.StreamReaderProtocol(theirs, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, sock=_connected())
    writer = streams.StreamWriter(transport, protocol, theirs, loop)  # type: ignore[arg-type]
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    with pytest.raises(AssertionError):
        streams.StreamWriter(transport, protocol, object(), loop)  # type: ignore[arg-type]


def _connected() -> Any:
    import socket

    ours, theirs = socket.socketpair()
    theirs.close()
    ours.setblocking(False)
    return ours
